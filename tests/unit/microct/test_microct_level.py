"""Marginal bone level and insertion depth on simulated scans, by sector, against the true labels read by plain counting."""

import numpy as np
import pytest

from periomics.microct.contact import Tally, level
from periomics.microct.measure import measure
from periomics.microct.periimplant import Axis
from periomics.microct.settings import parse
from periomics.simulate.microct import ScanModel, build, image

SETTINGS = parse(
    {
        "bone_threshold": 17000, "implant_threshold": 39000, "prefilter_sigma_voxels": 0.6, "anisotropy": False,
        "thickness_variants": False, "voi": {"inner_um": 90, "outer_um": 300, "axial_um": [0, 1000]},
    }
)  # fmt: skip
VOXEL, DEPTH, SECTORS = 18.0, 3, 8


def profiles(specimen):
    """Bone and all voxels (sector, slice across the true axis) of the shell from 90 to 144 µm; angles run from x."""
    screw = specimen.screw
    ring = (specimen.distance_um > 90.001) & (specimen.distance_um <= 144.001)
    at = np.argwhere(ring) - screw.apex
    x = np.array([0.0, 0.0, 1.0]) - screw.direction[2] * screw.direction
    x /= np.linalg.norm(x)
    angle = np.arctan2(at @ np.cross(screw.direction, x), at @ x) % (2 * np.pi)
    place = (
        (angle / (2 * np.pi) * SECTORS).astype(int),
        np.floor(specimen.height_um[ring] / VOXEL + 0.5).astype(int) + 20,
    )
    bone, total = np.zeros((SECTORS, 140), int), np.zeros((SECTORS, 140), int)
    np.add.at(total, place, 1)
    np.add.at(bone, place, specimen.bone[ring])
    return bone, total


def ends(bone, total, share):
    """Lowest and highest slice of a sector that holds bone which fills its share (with DEPTH - 1 more inwards); 0 without one."""
    n = len(bone)
    up = [
        i
        for i in range(DEPTH, n)
        if bone[i] and bone[i - DEPTH + 1 : i + 1].sum() >= share * total[i - DEPTH + 1 : i + 1].sum()
    ]
    down = [i for i in range(n - DEPTH) if bone[i] and bone[i : i + DEPTH].sum() >= share * total[i : i + DEPTH].sum()]
    return (min(down) - 20, max(up) - 20) if up and down else (0, 0)


@pytest.fixture(scope="module")
def read():
    """(slices that the level is off, whether the true level is clear) by scan and sector; (measured, true) insertion and length."""
    sectors, scans = [], []
    for bvtv in (15.0, 25.0, 35.0, 45.0):
        for seed in (1, 2):
            model = ScanModel(shape=(96, 96, 96), voxel_um=VOXEL)
            specimen = build(bvtv, model, SETTINGS, np.random.default_rng([seed, int(bvtv)]))
            scan = image(specimen, model, np.random.default_rng(seed))
            found = measure(scan, (VOXEL,) * 3, SETTINGS, {"specimen_id": "s", "animal_id": "a"})
            length = np.linalg.norm(specimen.screw.head - specimen.screw.apex)
            loss = found.curves.query("curve == 'loss_by_sector'")["value"].to_numpy() * 1000 / VOXEL
            rows = list(zip(*profiles(specimen), strict=True))
            true = np.array([ends(*row, SETTINGS.level_share) for row in rows])
            moves = [
                abs(ends(*row, SETTINGS.level_share / 2)[1] - ends(*row, 2 * SETTINGS.level_share)[1]) for row in rows
            ]
            measured = found.regions.axis.length
            sectors.append((np.abs(measured - loss - true[:, 1]), np.array(moves) <= 1))
            insertion = found.table.set_index(["outcome", "variant"]).loc[("insertion", ""), "value"] * 1000 / VOXEL
            inside = np.clip(true, 0, length)
            scans.append((insertion, np.mean(inside[:, 1] - inside[:, 0]), measured, length))
    return np.array(sectors, float), np.array(scans)


def test_a_clear_level_is_read_within_a_voxel_in_every_sector(read):
    """Sparse bone makes the first bone of a sector jump where a tip just fills the share: in the true labels too."""
    (off, clear), _ = read[0].swapaxes(0, 1), read[1]
    clear = clear.astype(bool)
    assert off[clear].max() <= 1.001
    assert 0.6 < clear.mean() < 0.9
    assert (off <= 1.001).mean() >= 0.95  # of all sectors, also those that jump


def test_insertion_is_read_within_a_voxel_where_no_sector_jumps(read):
    sectors, scans = read
    still = sectors[:, 0].max(axis=1) <= 1.001
    assert still.sum() >= 6
    assert np.abs(scans[still, 0] - scans[still, 1]).max() <= 1
    assert np.abs(scans[:, 2] - scans[:, 3]).max() <= 1  # the implant's length


def test_a_level_that_jumps_is_said():
    """Two voxels of bone above a solid crest: no level at the declared share, one at half of it."""
    levels = np.zeros((2, 4, 30), np.int64)
    levels[1] = 40
    levels[0, :, 5:15] = 40
    levels[0, 2, 24] = 9  # of 120 voxels: between 5 and 10 %
    axis = Axis(np.zeros(3), np.array([29.0, 0, 0]), np.array([1.0, 0, 0]))
    found = level(Tally(np.zeros((2, 0)), np.zeros((2, 0)), np.zeros((2, 0)), levels, 0), axis, VOXEL, SETTINGS)
    assert (found.top_um / VOXEL).tolist() == [14, 14, 14, 14]
    assert (found.bottom_um / VOXEL).tolist() == [5, 5, 5, 5]
    assert found.unsure.tolist() == [False, False, True, False]
    empty = level(
        Tally(np.zeros((2, 0)), np.zeros((2, 0)), np.zeros((2, 0)), levels * [[[0]], [[1]]], 0), axis, VOXEL, SETTINGS
    )
    assert np.isnan(empty.top_um).all() and not empty.unsure.any() and empty.insertion_um == 0
