"""Marginal bone level and insertion depth on simulated scans, by sector, against what was planted and the labels read by plain counting."""

import numpy as np
import pytest
from microct_arrays import measure

from periomics.microct.contact import Tally, level
from periomics.microct.periimplant import Axis
from periomics.simulate.crest import crest_surface, true_levels
from periomics.simulate.microct import ScanModel, build, image, truth
from periomics.study.settings.microct import Microct

pytestmark = pytest.mark.usefixtures("without_spacing")
SETTINGS = Microct.of(
    {
        "bone_threshold": 17000,
        "implant_threshold": 39000,
        "prefilter_sigma_voxels": 0.6,
        "anisotropy": False,
        "thickness_variants": False,
        "voi": {"inner_um": 90, "outer_um": 300, "axial_um": [0, 1000]},
    }
)
VOXEL = 18.0
# Voxels: levels are whole slices below the shoulder.
WITHIN = 1.001


def tops(specimen, share=SETTINGS.level_share):
    """Highest bone of each sector, voxels above the apex, on the labels."""
    settings = SETTINGS.but(level_share=share)
    return (
        true_levels(
            specimen.bone, specimen.distance_um, specimen.height_um, specimen.screw, VOXEL, settings
        )[0]
        / VOXEL
    )


def read(fractions, seeds, **changed):
    """One row per scan: specimen, measurement, measured and true loss (voxels) of its sectors."""
    model = ScanModel(shape=(96, 96, 96), voxel_um=VOXEL, **changed)
    for bvtv in fractions:
        for seed in seeds:
            specimen = build(bvtv, model, SETTINGS, np.random.default_rng([seed, int(bvtv)]))
            scan = image(specimen, model, np.random.default_rng(seed))
            found = measure(scan, (VOXEL,) * 3, SETTINGS, {"specimen_id": "s", "animal_id": "a"})
            loss = (
                found.curves.query("curve == 'loss_by_sector'")["value"].to_numpy() * 1000 / VOXEL
            )
            length = np.linalg.norm(specimen.screw.head - specimen.screw.apex)
            yield specimen, found, loss, length - tops(specimen)


def row(found, outcome, variant=""):
    return (
        found.table.set_index(["outcome", "variant"]).loc[(outcome, variant), "value"]
        * 1000
        / VOXEL
    )


@pytest.fixture(scope="module")
def lined():
    """Scans whose crest is lined with dense bone, with a crater around the implant."""
    return list(read((15.0, 30.0, 45.0), (1, 2, 3)))


@pytest.fixture(scope="module")
def bare():
    """Scans whose crest is cut out of spongiosa."""
    return list(read((15.0, 25.0, 35.0, 45.0), (1, 2), plate_um=0, crater=0))


def test_the_planted_level_is_read_within_a_voxel_in_every_sector(lined):
    off = np.array([loss - true for _, _, loss, true in lined])
    assert np.abs(off).max() <= WITHIN
    assert abs(off.mean()) < 0.2
    depths = np.array([true for *_, true in lined])
    assert np.ptp(depths) > 4
    assert np.ptp(depths, axis=1).min() >= 1  # a crater of uneven depth
    for _, found, _, true in lined:
        assert row(found, "ridge") == pytest.approx(true.mean(), abs=0.5)
        assert row(found, "ridge", "statistic=max") == pytest.approx(true.max(), abs=WITHIN)


def test_labels_hold_the_level_that_was_planted():
    """Along an upright implant, without a crater's slope: the crest's plane, to the voxel."""
    model = ScanModel(shape=(96, 96, 96), voxel_um=VOXEL, tilt_degrees=0, crater=0)
    specimen = build(30, model, SETTINGS, np.random.default_rng(1))
    level = specimen.screw.apex[0] - tops(specimen)
    assert np.abs(level - round(model.crest * 96)).max() <= 0.5
    flat = crest_surface((96, 96, 96), specimen.screw, 20.0, 8.0, 10.0, 0.0)
    y, x = (round(float(c)) for c in specimen.screw.apex[1:])
    assert flat[y, x + 15] == pytest.approx(32, abs=0.05)
    assert flat[y, x - 15] == pytest.approx(24, abs=0.05)
    assert flat[0, 0] == 20


def test_a_bare_crest_whose_level_is_clear_is_read_within_a_voxel(bare):
    """The first bone of sparse spongiosa jumps where a tip just fills the share: in the true labels too."""
    off, clear = [], []
    for specimen, _, loss, true in bare:
        off += list(np.abs(loss - true))
        clear += list(
            np.abs(
                tops(specimen, SETTINGS.level_share / 2) - tops(specimen, 2 * SETTINGS.level_share)
            )
            <= 1
        )
    off, clear = np.array(off), np.array(clear)
    assert off[clear].max() <= WITHIN
    assert 0.6 < clear.mean() < 0.9
    assert (off <= WITHIN).mean() >= 0.95  # of all sectors, also those that jump


def test_insertion_is_read_within_a_voxel_at_either_end(lined):
    for specimen, found, *_ in lined:
        true = {r["outcome"]: r["truth"] for r in truth(specimen, SETTINGS, 1)}
        assert row(found, "insertion") == pytest.approx(true["insertion"] * 1000 / VOXEL, abs=2)
        length = np.linalg.norm(specimen.screw.head - specimen.screw.apex)
        assert found.regions.axis.length == pytest.approx(length, abs=1)


def test_a_level_that_jumps_is_said():
    """Two voxels of bone above a solid crest: no level at the declared share, one at half of it."""
    levels = np.zeros((2, 4, 30), np.int64)
    levels[1] = 40
    levels[0, :, 5:15] = 40
    levels[0, 2, 24] = 9  # of 120 voxels: between 5 and 10 %
    axis = Axis(np.zeros(3), np.array([29.0, 0, 0]), np.array([1.0, 0, 0]))
    found = level(
        Tally(np.zeros((2, 0)), np.zeros((2, 0)), np.zeros((2, 0)), levels, 0),
        axis,
        VOXEL,
        SETTINGS,
    )
    assert (found.top_um / VOXEL).tolist() == [14, 14, 14, 14]
    assert found.bottom_um / VOXEL == 5
    assert found.unsure.tolist() == [False, False, True, False]
    empty = level(
        Tally(np.zeros((2, 0)), np.zeros((2, 0)), np.zeros((2, 0)), levels * [[[0]], [[1]]], 0),
        axis,
        VOXEL,
        SETTINGS,
    )
    assert np.isnan(empty.top_um).all() and not empty.unsure.any() and empty.insertion_um == 0
