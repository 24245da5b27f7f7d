"""Struts between random points, canals in dense bone and posts on implants: sound ones are held by
no fact of quality."""

import numpy as np
import pytest
from implants import VOXEL_UM, Fixture, below, cylinder, image, scene, screw
from scipy import ndimage

from periomics.microct.formats.lazy import in_memory
from periomics.microct.measure import measure
from periomics.study.settings.microct import Microct

pytestmark = pytest.mark.usefixtures("without_spacing")
SHAPE = (60, 64, 64)
MARROW, BONE = 12000.0, 22000.0
SECTION = {"bone_threshold": 17000, "anisotropy": False, "thickness_variants": False}
WHOLE = SECTION | {"implant_threshold": 60000, "implant": "none"}


def struts(points, width, each, seed, shape=SHAPE):
    """Capsules from each point to its nearest."""
    at = np.random.default_rng(seed).uniform(-6, np.array(shape) + 6, (points, 3))
    apart = np.linalg.norm(at[:, None] - at[None], axis=2)
    out = np.full(shape, 9.0, np.float32)
    for a, row in zip(at, np.argsort(apart, axis=1)[:, 1 : each + 1], strict=True):
        for b in at[row]:
            low = np.clip(np.minimum(a, b) - width, 0, shape).astype(int)
            high = np.clip(np.maximum(a, b) + width + 1, 0, shape).astype(int)
            box = tuple(slice(*ends) for ends in zip(low, high, strict=True))
            grid = (
                np.stack(
                    np.meshgrid(
                        *[np.arange(*e) for e in zip(low, high, strict=True)], indexing="ij"
                    ),
                    -1,
                )
                - a
            )
            share = np.clip(grid @ (b - a) / ((b - a) @ (b - a)), 0, 1)
            off = np.linalg.norm(grid - share[..., None] * (b - a), axis=-1) - width / 2
            out[box] = np.minimum(out[box], off)
    return np.clip(0.5 - out, 0, 1)


def scanned(bone, blur=0.8, noise=700.0, marrow=MARROW):
    grey = ndimage.gaussian_filter(marrow * (1 - bone) + BONE * bone, blur)
    return np.rint(grey + np.random.default_rng(0).normal(0, noise, bone.shape)).astype(np.uint16)


def read(grey, section):
    return measure(in_memory(grey, (VOXEL_UM,) * 3), Microct.of(section), {"specimen_id": "s"})


def bvtv(found):
    return float(found.table.set_index("outcome")["value"].loc[["bvtv"]].iloc[0])


def plate_of_growth():
    """Marrow's place taken by what is a tenth brighter, in a band that waves."""
    z, y, _ = np.indices(SHAPE)
    band = np.abs(z - 30 - 4 * np.sin(y / 8)) < 6
    bone = struts(180, 7, 3, 11) * ~band
    return scanned(bone, marrow=MARROW + 1000 * band), bone


def plain(bone, **look):
    return scanned(bone, **look), bone


SOUND = {
    "sparse and noisy": lambda: plain(struts(36, 8, 2, 14), noise=1900.0),
    "dense with canals": lambda: plain(1 - struts(40, 10, 1, 8), noise=1900.0),
    "a plate of growth": plate_of_growth,
}


@pytest.mark.parametrize("name", SOUND)
def test_sound_bone_is_not_held(name):
    grey, bone = SOUND[name]()
    found = read(grey, WHOLE)
    assert [q.name for q in found.quality if q.beyond] == []
    assert bvtv(found) == pytest.approx(100 * bone.mean(), rel=0.1)


@pytest.mark.parametrize("declared", [True, False])
def test_a_post_that_leaves_the_field_is_no_implant_cut_off(declared):
    of = scene(Fixture(length=44, radius=10, thread=2, sunk=4), SHAPE)
    metal = np.maximum(screw(of), cylinder(of, 6, 20, 60))
    grey = image(of, metal, struts(180, 7, 3, 11) * below(of, 4))
    voi = {"inner_um": 90, "outer_um": 250, "axial_um": [100, 650]}
    section = SECTION | {"implant_threshold": 39000, "voi": voi}
    found = read(grey, section | ({"implant_length_um": 44 * VOXEL_UM} if declared else {}))
    cut = [w for w in found.warnings if w == "the implant meets the border of the scan"]
    assert bool(cut) is not declared
    assert ("hold" in set(found.table["qc"])) is not declared
