"""Regions proposed of jaws with nuclei, fibres, epithelium and marrow: bone of no to most of the
tissue at several strengths of either dye, told or refused by name; two implants in one picture."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy import ndimage

from periomics.core.errors import InputError
from periomics.histology.batch import batch_rows
from periomics.histology.measure import measure_section
from periomics.histology.proposals import features, propose
from periomics.histology.sections import open_section
from periomics.histology.settings import stain_settings
from periomics.histology.stain_batch import batch_table
from periomics.imaging.rois import polygon_mask

FINE, LOOK = 4.0, 8.0  # µm a pixel, drawn and looked at
HIGH, WIDE = 600, 750
Y, X = np.mgrid[0:HIGH, 0:WIDE] * FINE
NUCLEI = {"loose": (1800, 0.75), "dense": (7000, 0.8), "bone": (500, 0.6), "marrow": (5000, 0.8)}
PINK = {"loose": 0.24, "dense": 0.22, "bone": 0.42, "marrow": 0.24}


def coarse(a):
    return a.reshape(HIGH // 2, 2, WIDE // 2, 2, *a.shape[2:]).mean((1, 3))


def wobble(rng, um, size):
    f = ndimage.gaussian_filter(rng.normal(size=X.shape), um / FINE)
    return size * f / f.std()


def parts(rng, share, middles):
    """Masks of a jaw of 3 × 2.4 mm: epithelium under the mouth and beside implants, bone below."""
    mouth = 200 + 40 * np.sin(X / 230) + wobble(rng, 60, 12)
    tissue = (mouth < Y) & (Y < 2250) & (X > 120) & (X < 2850)
    implant = np.any([abs(X - m - 0.05 * (Y - 900)) < 200 for m in middles], axis=0)
    implant &= (Y > 60) & (Y < 1400)
    tissue &= ~implant
    away = ndimage.distance_transform_edt(~implant) * FINE
    dense = tissue & (((away < 90) & (Y < 900)) | (Y - mouth < 130))
    depth = np.where(tissue & ~dense, Y + wobble(rng, 120, 70) - 0.15 * away, -np.inf)
    n = round(share * tissue.sum())
    bone = depth > np.sort(depth, axis=None)[-n - 1] if n else np.zeros_like(tissue)
    marrow = bone & (wobble(rng, 60, 1) > 1.9)
    kinds = {"loose": tissue & ~bone & ~dense, "dense": dense, "bone": bone & ~marrow}
    return kinds | {"marrow": marrow}, implant, bone


def jaw(share, *, seed, doses=(1.0, 1.0), white=240, quality=90, middles=(1450,), metal=False):
    """A section as it is looked at, and its true masks."""
    rng = np.random.default_rng(seed)
    kinds, implant, bone = parts(rng, share, middles)
    blue, pink = np.zeros_like(X), np.zeros_like(X)
    for kind, mask in kinds.items():
        per_mm2, amount = NUCLEI[kind]
        at = rng.choice(np.flatnonzero(mask), rng.poisson(mask.sum() * FINE**2 / 1e6 * per_mm2))
        dots = np.bincount(at, rng.uniform(0.6, 1.4, len(at)), HIGH * WIDE).reshape(X.shape)
        sigma = 2.6 / FINE
        spot = ndimage.gaussian_filter(dots, sigma) * 2 * np.pi * sigma**2
        blue += amount * spot.clip(0, 1.3) + 0.04 * mask
        pink += PINK[kind] * mask
    pink *= (1 + wobble(rng, 8, 0.15) + wobble(rng, 100, 0.12)).clip(0.3, 2)
    od = doses[0] * blue[..., None] * [0.62, 0.72, 0.31]
    od += doses[1] * pink[..., None] * [0.2, 0.82, 0.53]
    light = ndimage.gaussian_filter(white * 10**-od, (0.4, 0.4, 0))
    light = np.where(metal & implant[..., None], 8, light) + rng.normal(scale=2, size=od.shape)
    held = io.BytesIO()
    Image.fromarray(light.clip(0, 255).astype("u1")).save(held, "JPEG", quality=quality)
    seen = np.rint(coarse(np.asarray(Image.open(held), float))).astype("u1")
    masks = {"implant": implant, "bone": bone, "pie": kinds["dense"]}
    return seen, {name: coarse(mask.astype(float)) > 0.5 for name, mask in masks.items()}


def dice(found, name, truth):
    mask = polygon_mask([a.geometry for a in found if a.name == name], truth.shape)
    return 2 * (mask & truth).sum() / max(1, mask.sum() + truth.sum())


@pytest.mark.parametrize(
    ("share", "doses", "white", "quality"),
    [
        (0.25, (1.0, 1.0), 240, 60),
        (0.5, (0.6, 0.6), 215, 60),
        (0.5, (1.3, 0.8), 252, 90),
        (0.8, (0.8, 1.25), 240, 75),
    ],
)
def test_bone_and_epithelium_whatever_the_share_of_bone(table, share, doses, white, quality):
    seen, truth = jaw(share, seed=7, doses=doses, white=white, quality=quality)
    found = propose(seen, LOOK, pair=table["H-E"])
    assert dice(found, "bone", truth["bone"]) > 0.93
    assert dice(found, "pie", truth["pie"]) > 0.84


def test_little_or_no_bone_is_right_or_not_proposed(table):
    for share in (0.0, 0.1):
        seen, truth = jaw(share, seed=3)
        found = propose(seen, LOOK, pair=table["H-E"])
        named = "bone" in {a.name for a in found}
        assert not named or dice(found, "bone", truth["bone"]) > 0.85
        assert dice(found, "pie", truth["pie"]) > 0.84


@pytest.mark.parametrize("metal", [False, True])
def test_two_implants_are_both_proposed(table, metal):
    seen, truth = jaw(0.4, seed=11, middles=(900, 2050), metal=metal)
    found = propose(seen, LOOK, pair=table["H-E"])
    names = [a.name for a in found]
    assert names.count("implant") == names.count("interface") == 2
    assert dice(found, "implant", truth["implant"]) > 0.9
    lines = [a.geometry.length * LOOK for a in found if a.name == "interface"]
    assert lines == pytest.approx([2 * 1150 + 400] * 2, rel=0.15)
    ids = [f["id"] for f in features(found, "s")]
    assert len(set(ids)) == len(ids)


BLOCK = {"detector": "area", "vectors": "H-E", "outcomes": {"share": "colf"}, "pixel_um": 8}
BLOCK |= {"roi": "peri_implant_ct", "regions": "proposed", "threshold": "fixed"}


def test_rows_say_that_two_implants_were_measured(table, tmp_path):
    path = tmp_path / "a.tif"
    seen, _ = jaw(0.0, seed=2, middles=(900, 2050))
    tifffile.imwrite(path, seen, resolution=(1e4 / LOOK, 1e4 / LOOK), resolutionunit=3)
    fact = {"path": str(path), "section_id": "s", "stain": "S", "specimen_id": "x"}
    settings = stain_settings({"stains": {"S": BLOCK}}, table)
    row = batch_rows(batch_table([fact], settings, print))["S"]
    measured = measure_section(open_section(fact, settings["S"]), settings["S"], row, fact)
    assert all("2 implants were seen" in r["qc_reason"] for r in measured.rows)
    bone = stain_settings({"stains": {"S": BLOCK | {"roi": "bone"}}}, table)["S"]
    with pytest.raises(InputError, match="its stains do not tell it from other tissue"):
        open_section(fact, bone)
