"""Nuclei painted one by one, some touching, some positive: numbers, shares and thresholds; and real pictures with labels."""

import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy import ndimage as ndi

from periomics.culture.counts import _counted_here
from periomics.culture.measure import measure_culture
from periomics.culture.nuclei import find_nuclei, widened
from periomics.study.settings.culture import Culture

SHAPE, PIXEL = (300, 340), 0.8
ROWS, COLUMNS = np.indices(SHAPE)


def body(middle, axes, turn):
    """An ellipse with a soft rim, 1 inside."""
    y, x = ROWS - middle[0], COLUMNS - middle[1]
    u = (x * np.cos(turn) + y * np.sin(turn)) / axes[0]
    v = (-x * np.sin(turn) + y * np.cos(turn)) / axes[1]
    return np.clip((1 - np.hypot(u, v)) * min(axes) / 1.5 + 0.5, 0, 1)


def painted(seed=0, pairs=12, noise=8.0, base=150.0, shade=0.0, bright=(500, 1200)):
    """A 12-bit picture of nuclei 12 µm wide on a grid, `pairs` of them with a touching twin; and the bodies."""
    rng = np.random.default_rng(seed)
    bodies = []
    for row in range(30, SHAPE[0] - 30, 48):
        for column in range(30, SHAPE[1] - 30, 48):
            middle = np.array([row, column]) + rng.uniform(-4, 4, 2)
            turn, axes = rng.uniform(0, np.pi), rng.uniform(6.5, 8.5, 2)
            bodies.append(body(middle, axes, turn))
            if len(bodies) < 2 * pairs:
                angle = rng.uniform(0, 2 * np.pi)
                twin = middle + 14.5 * np.array([np.sin(angle), np.cos(angle)])
                bodies.append(body(twin, (7.5, 7.0), angle))
    picture = base + shade * np.linspace(-1, 1, SHAPE[1])[None, :] + rng.normal(0, noise, SHAPE)
    for one in bodies:
        picture = picture + rng.uniform(*bright) * one
    return np.clip(picture, 0, 4095), bodies


@pytest.mark.parametrize(
    "look", [{}, {"noise": 40}, {"shade": 100}, {"base": 900}, {"bright": (150, 1500)}], ids=str
)
def test_every_nucleus_counts_once(look):
    picture, bodies = painted(**look)
    labels, _, usual = find_nuclei(picture, 12 / PIXEL)
    assert labels.max() == pytest.approx(len(bodies), rel=0.05)
    assert usual == pytest.approx(15, rel=0.15)
    hit = [labels[one > 0.9] for one in bodies]
    alone = {int(np.bincount(h).argmax()) for h in hit} - {0}
    assert len(alone) >= 0.93 * len(bodies)


@pytest.mark.parametrize("spots", [0, 1, 4, 20])
def test_spots_in_nuclei_are_not_counted(spots):
    """Ten chromocentres a nucleus, up to 20 times as bright (before, 92 to 158 for 90 from twice
    on);
    labels of the spots alone are told."""
    picture, bodies = painted(pairs=0, bright=(350, 450))
    rng = np.random.default_rng(5)
    for one in bodies:
        middle = np.array(np.nonzero(one > 0.5)).mean(axis=1)
        for off in rng.normal(0, 2.5, (10, 2)):
            picture = picture + spots * 400 * body(middle + off, (1.3, 1.3), 0)
    labels = find_nuclei(picture, 12 / PIXEL)[0]
    most = Culture().max_widened_times
    assert labels.max() == len(bodies)
    assert widened(picture, labels, 12 / PIXEL) < most
    alone = ndi.label(picture > 700)[0]
    assert spots != 4 or widened(picture, alone, 12 / PIXEL) > most


@pytest.mark.parametrize("look", [{}, {"noise": 40}, {"shade": 100}])
def test_a_field_without_nuclei_has_none(look):
    rng = np.random.default_rng(4)
    shade = look.get("shade", 0) * np.linspace(-1, 1, SHAPE[1])[None, :]
    bare = 150 + shade + rng.normal(0, look.get("noise", 8), SHAPE)
    assert find_nuclei(bare, 15)[0].max() == 0


def write(path, nuclei, marker):
    both = np.rint(np.stack([nuclei, np.clip(marker, 0, 4095)])).astype(np.uint16)
    tifffile.imwrite(path, both, metadata={"axes": "CYX"}, ome=False)
    return str(path)


@pytest.fixture(scope="module")
def wells(tmp_path_factory):
    """Three wells with 0, a fifth and half of the nuclei positive, and two negative controls."""
    folder = tmp_path_factory.mktemp("wells")
    rng = np.random.default_rng(9)
    facts, shares = [], {}
    for k, share in enumerate((0.0, 0.2, 0.5, 0.0, 0.0)):
        nuclei, bodies = painted(seed=k)
        chosen = rng.permutation(len(bodies)) < round(share * len(bodies))
        # All nuclei hold a little: unspecific, 20 to 60; positive ones 400 to 900 more.
        marker = 200 + rng.normal(0, 10, SHAPE)
        for one, yes in zip(bodies, chosen, strict=True):
            marker = marker + (rng.uniform(20, 60) + yes * rng.uniform(400, 900)) * one
        role = "negative_control" if k > 2 else "sample"
        facts.append(
            {"animal_id": "I1", "assay": "nuclei", "specimen_id": f"s{k}", "role": role}
            | {"path": write(folder / f"{k}.tif", nuclei, marker), "pixel_um": PIXEL}
            | {"channel": "1", "marker": "2", "readout": "edu"}
        )
        shares[f"s{k}"] = (100 * chosen.mean(), len(bodies))
    return facts, shares


def by_specimen(facts, settings=None):
    found = measure_culture(facts, settings or Culture())
    return found, found.table.set_index(["specimen_id", "outcome"])


@pytest.mark.parametrize("how", ["swapped", "shifted"])
def test_channels_swapped_or_off_each_other_hold_the_picture_back(wells, tmp_path, how):
    fact = wells[0][2]
    if how == "swapped":
        fact = fact | {"channel": "2", "marker": "1"}
    else:
        nuclei, marker = tifffile.imread(fact["path"]).astype(float)
        moved = np.roll(marker, (8, 6), (0, 1))  # 8 µm
        fact = fact | {"path": write(tmp_path / "moved.tif", nuclei, moved)}
    _, table = by_specimen([fact])
    row = table.loc[(fact["specimen_id"], "edu")]
    assert row["qc"] == "hold" and "swapped, or shifted?" in row["qc_reason"]


def test_shares_by_negative_control_and_by_two_classes(wells):
    facts, shares = wells
    for used, noted in ((facts, False), (facts[:3], True)):
        _, table = by_specimen(used)
        for fact in used:
            share, number = shares[fact["specimen_id"]]
            row = table.loc[(fact["specimen_id"], "edu")]
            assert row["value"] == pytest.approx(share, abs=3)
            assert row["denominator"] == pytest.approx(number, rel=0.05)
            assert ("without a negative control" in row["qc_reason"]) == noted
            assert "shifted" not in row["qc_reason"]
            cells = table.loc[(fact["specimen_id"], "cells")]
            area = SHAPE[0] * SHAPE[1] * PIXEL**2 / 1e6
            assert cells["value"] == pytest.approx(number / area, rel=0.05)


def test_without_positives_and_negative_control_nothing_is_claimed(wells):
    _, table = by_specimen(wells[0][:1])
    row = table.loc[("s0", "edu")]
    assert row["qc"] == "hold" and "what is positive is not known" in row["qc_reason"]


def test_a_wrong_pixel_size_and_a_broken_picture_are_told(wells, tmp_path):
    facts = wells[0]
    wrong = [f | {"pixel_um": 0.2} for f in facts[:1]]
    row = by_specimen(wrong)[1].loc[("s0", "cells")]
    assert row["qc"] == "hold" and "is the pixel size right" in row["qc_reason"]
    (tmp_path / "x.tif").write_bytes(b"no image")
    lost = facts[1] | {"path": str(tmp_path / "x.tif")}
    found, table = by_specimen([facts[0], lost, *facts[3:]])
    assert table.at[("s1", "edu"), "qc"] == "fail" and table.at[("s0", "edu"), "qc"] == "pass"
    assert sorted(found.counted) == ["s0", "s3", "s4"]


def test_a_nucleus_on_the_seam_of_two_fields_counts_once():
    picture, bodies = painted(pairs=0)
    whole = find_nuclei(picture, 15)[0].max()
    counted = sum(
        int(_counted_here(find_nuclei(part, 15)[0]).max())
        for part in (picture[:, :170], picture[:, 170:])
    )
    assert whole == len(bodies) and counted == pytest.approx(whole, abs=1)


def agreement(found, truth, iou=0.5):
    """Hits, found and true objects: a hit shares more than `iou` of its union."""
    wide = int(truth.max()) + 1
    both = np.bincount((found.astype(np.int64) * wide + truth).ravel())
    both = np.pad(both, (0, (int(found.max()) + 1) * wide - len(both))).reshape(-1, wide)
    union = both.sum(axis=1, keepdims=True) + both.sum(axis=0, keepdims=True) - both
    hits = int((both[1:, 1:] > iou * union[1:, 1:]).sum())
    return np.array([hits, int(found.max()), len(np.unique(truth)) - 1])


@pytest.mark.data
def test_real_nuclei_in_fluorescence(data):
    """21 pictures of three sizes (CC0), none of which any constant was chosen on: F1 at an overlap of half."""
    usual, sums = {256: 15, 360: 40, 520: 20}, {}
    for path in sorted((data / "histology/dsb2018_fluo").glob("*[0-9].png")):
        picture = np.asarray(Image.open(path)).astype(float)
        picture = picture[..., :3].mean(axis=-1) if picture.ndim == 3 else picture
        truth = tifffile.imread(path.with_name(f"{path.stem}_labels.tif"))
        labels = find_nuclei(picture, usual[picture.shape[0]])[0]
        sums[picture.shape[0]] = sums.get(picture.shape[0], 0) + agreement(labels, truth)
    f1 = {k: 2 * v[0] / (v[1] + v[2]) for k, v in sums.items()}
    total = sum(sums.values())
    assert total[2] == 742
    assert 2 * total[0] / (total[1] + total[2]) > 0.88 and min(f1.values()) > 0.8, f1
