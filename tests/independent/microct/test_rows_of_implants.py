"""Several implants in one scan: each is measured in its own bone, and the others belong to no region."""

import numpy as np
import pytest
from implants import BONE, METAL, SOFT, VOXEL_UM

from periomics.core.errors import SpecimenError
from periomics.microct.formats.lazy import in_memory
from periomics.microct.measure import measure
from periomics.microct.told import Told
from periomics.study.settings.microct import Microct

SECTION = {
    "bone_threshold": 17000,
    "implant_threshold": 39000,
    "prefilter_sigma_voxels": 0,
    "closing_voxels": 0,
    "anisotropy": False,
    "thickness_variants": False,
    "shells_um": [],
    "voi": {"inner_um": 54, "outer_um": 180},
}
SHAPE = (52, 56, 132)
RADIUS, LENGTH = 7, 34
# middles (y, x) of the implants, and bone in every so many slices of four around them
ROW = {(28.0, 22.0): 1, (26.0, 66.0): 2, (31.0, 110.0): 3}


def drawn(middles, shares, noise=50.0):
    z, y, x = np.indices(SHAPE).astype(float)
    grey = np.full(SHAPE, SOFT)
    nearest = np.argmin([np.hypot(y - a, x - b) for a, b in middles], axis=0)
    for i, share in enumerate(shares):
        grey[(nearest == i) & (z % 4 < share)] = BONE
    low = (SHAPE[0] - LENGTH) // 2
    for a, b in middles:
        grey[(np.hypot(y - a, x - b) <= RADIUS) & (z >= low) & (z < low + LENGTH)] = METAL
    grey += noise * np.random.default_rng(0).standard_normal(SHAPE)
    return grey.astype(np.uint16)


def read(grey, told, **changed):
    scan = in_memory(grey, (VOXEL_UM,) * 3)
    return measure(scan, Microct.of({**SECTION, **changed}), {"specimen_id": "s"}, told=told)


def value(found, outcome, column="value"):
    return found.table.set_index(["outcome", "variant"]).loc[(outcome, ""), column]


def test_each_implant_of_a_row_has_its_own_bone():
    grey = drawn(list(ROW), list(ROW.values()))
    for i, ((y, x), share) in enumerate(ROW.items(), start=1):
        found = read(grey, Told(implant=i, implants=3))
        assert found.axis.apex[1:] == pytest.approx((y, x), abs=0.3)
        assert value(found, "bvtv") == pytest.approx(25 * share, abs=2.5)
        assert value(found, "bic_ct") == pytest.approx(25 * share, abs=2.5)
        alone = read(drawn([(y, x)], [share]), Told())
        assert value(found, "tv") == value(alone, "tv")  # the others are far away
    turned = np.ascontiguousarray(grey.transpose(0, 2, 1)[:, :, ::-1])
    found = read(turned, Told(implant=1, implants=3))  # along y now: the first is that of least y
    assert value(found, "bvtv") == pytest.approx(25, abs=2.5)


def test_what_lies_in_the_band_of_the_neighbour_belongs_to_no_region():
    middles = [(28.0, 50.0), (28.0, 72.0)]
    grey = drawn(middles, [2, 2])
    z, y, x = np.indices(SHAPE).astype(float)
    low = (SHAPE[0] - LENGTH) // 2
    heights = np.maximum(np.maximum(low - z, z - (low + LENGTH - 1)), 0)
    # distance to a stack of equal discs: across and along (brute force over the disc's voxels)
    away = []
    for a, b in middles:
        disc = np.argwhere(np.hypot(y[0] - a, x[0] - b) <= RADIUS)
        across = np.full(SHAPE[1:], np.inf)
        for j, i in disc:
            across = np.minimum(across, np.hypot(y[0] - j, x[0] - i))
        away.append(np.hypot(across, heights))
    for i in (0, 1):
        region = (away[i] > 3) & (away[i] <= 10) & (away[1 - i] > 3)
        found = read(grey, Told(implant=i + 1, implants=2))
        assert value(found, "tv") == pytest.approx(region.sum() * (VOXEL_UM / 1000) ** 3)
        assert value(found, "bvtv") == pytest.approx(50, abs=2.5)
        assert not any("metal" in w for w in found.warnings)


@pytest.mark.parametrize(
    ("said", "match"), [(2, "says 2 implants, the scan holds 3"), (4, "holds 3")]
)
def test_another_number_of_implants_than_said_is_refused(said, match):
    with pytest.raises(SpecimenError, match=match):
        read(drawn(list(ROW), [1, 2, 3]), Told(implant=1, implants=said))
