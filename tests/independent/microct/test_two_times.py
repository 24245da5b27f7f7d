"""Two scans of one bone: a sum of waves that is known at every place, so that any rigid motion of it is exact."""

import numpy as np
import pytest

from periomics.core.errors import SpecimenError
from periomics.microct import times
from periomics.microct.formats.lazy import in_memory
from periomics.microct.measure import measure
from periomics.microct.picture import overlay
from periomics.microct.survey import survey
from periomics.study.settings.microct import Microct

UM = 10.0
SECTION = {
    "bone_threshold": 17000,
    "implant_threshold": 60000,
    "implant": "none",
    "prefilter_sigma_voxels": 0.6,
    "anisotropy": False,
    "thickness_variants": False,
    "voi": {"box_um": [[150, 550], [150, 550], [150, 550]]},
}
SHAPE = (70, 70, 70)
RNG = np.random.default_rng(8)
WAVES = RNG.normal(0, 2 * np.pi / 18, (40, 3)), RNG.uniform(0, 2 * np.pi, 40)
MIDDLE = (np.array(SHAPE) - 1) / 2


def turned(degrees):
    """Turns about z, y, x in this order, by plane rotations."""
    found = np.eye(3)
    for axis, angle in enumerate(np.radians(degrees)):
        a, b = (i for i in range(3) if i != axis)
        one = np.eye(3)
        one[a, a] = one[b, b] = np.cos(angle)
        one[a, b], one[b, a] = -np.sin(angle), np.sin(angle)
        found = one @ found
    return found


def scanned(places, balls=(), seed=0, noise=600.0):
    """Grey values where the bone's own places are known; balls: (middle, radius, whether they are bone)."""
    field = sum(np.cos(places @ k + p) for k, p in zip(*WAVES, strict=True)) / np.sqrt(20)
    # the waves have a slope of about 0.35 a voxel: edges are two voxels wide, as a scanner blurs them
    share = np.clip(0.5 + (field - 0.6) / 0.7, 0, 1)
    for middle, radius, bone in balls:
        inside = np.clip(0.5 + (radius - np.linalg.norm(places - middle, axis=-1)) / 2, 0, 1)
        share = np.maximum(share, inside) if bone else share * (1 - inside)
    grey = 12000 + 10000 * share
    grey += noise * np.random.default_rng(seed).standard_normal(grey.shape)
    return in_memory(np.clip(grey, 0, 65535).astype(np.uint16), (UM,) * 3)


PLACES = np.stack(np.indices(SHAPE), axis=-1).astype(float)
MOTIONS = {
    "shifted": (0, 0, 0, 3.3, -2.6, 4.2),
    "turned far": (12, 6, -8, -2, 4, 3),
}


@pytest.fixture(scope="module")
def later():
    return scanned(PLACES)


@pytest.mark.parametrize("name", MOTIONS)
def test_motion_is_found_and_bone_stays(later, name):
    *degrees, a, b, c = MOTIONS[name]
    turn, shift = turned(degrees), np.array([a, b, c], float)
    # the earlier scan shows at its place q what lies at R'(q - m - s) + m
    before = scanned((PLACES - MIDDLE - shift) @ turn + MIDDLE, seed=1)
    found = survey(later, UM, Microct.of(SECTION))
    change = times.change_of(found, before)
    corners = np.array(np.meshgrid(*[(15, 54)] * 3)).reshape(3, -1).T
    truth = (corners - MIDDLE) @ turn.T + MIDDLE + shift
    off = np.linalg.norm(change.motion.then(corners) - truth, axis=1)
    assert off.max() < 0.1
    bone = change.kept + change.resorbed
    assert change.formed / bone < 0.03 and change.resorbed / bone < 0.03
    assert abs(change.formed - change.resorbed) / bone < 0.01


def test_balls_that_came_and_went_are_counted(later):
    turn, shift = turned((6, -3, 4)), np.array([2.0, -1.5, 1.0])
    own = (PLACES - MIDDLE - shift) @ turn + MIDDLE
    ball = (np.array([35.0, 35.0, 35.0]), 11.0)
    volume = 4 / 3 * np.pi * 11**3
    inner = np.linalg.norm(PLACES - ball[0], axis=-1) <= 11
    share = (later.slab(0, 70)[inner] >= 17000).mean()
    came = scanned(PLACES, [(*ball, True)])
    found = measure(came, Microct.of(SECTION), {"specimen_id": "s"}, earlier=scanned(own, seed=1))
    table = found.table.set_index(["outcome", "variant"])
    formed, resorbed = (
        table.loc[(o, ""), "numerator"] / (UM / 1000) ** 3 for o in ("formed", "resorbed")
    )
    floor = resorbed  # what noise moves
    assert formed - floor == pytest.approx(volume * (1 - share), rel=0.05)
    assert (table["qc"] == "pass").all()
    drawn = found.change.slice  # a slice of 40 x 40 voxels through the middle: the disc of the ball
    disc = np.hypot(*(np.indices(drawn.shape) + 15 - 35)) <= 10
    assert np.isin(drawn[disc], (2, 4)).mean() > 0.97  # formed, or bone before as well
    assert (drawn == 2).sum() > 0.9 * (1 - share) * np.pi * 11**2
    assert any("earlier scan" in ax.get_title() for ax in overlay(found).axes)
    net = table.loc[("net_bone", ""), "value"]
    assert net == pytest.approx(
        100 * volume * (1 - share) / table.loc[("net_bone", ""), "denominator"] * (UM / 1000) ** 3,
        rel=0.08,
    )
    gone = scanned(own, [(*ball, True)], seed=1)
    found = measure(later, Microct.of(SECTION), {"specimen_id": "s"}, earlier=gone)
    table = found.table.set_index(["outcome", "variant"])
    lost = -table.loc[("net_bone", "per=TV"), "value"] / 100 * 40**3
    assert lost == pytest.approx(volume * (1 - share), rel=0.08)


def test_scans_that_do_not_belong_together_are_held(later):
    other = scanned(PLACES[::-1, ::-1].copy() + 400.0, seed=3)
    found = measure(later, Microct.of(SECTION), {"specimen_id": "s"}, earlier=other)
    assert any("correlation with the earlier scan" in w for w in found.warnings)
    assert (found.table["qc"] != "pass").all()
    coarse = in_memory(later.slab(0, 70), (2 * UM,) * 3)
    with pytest.raises(SpecimenError, match="both must have the same"):
        measure(later, Microct.of(SECTION), {"specimen_id": "s"}, earlier=coarse)


def test_a_scan_lies_on_itself_and_the_motion_is_the_same_each_time(later):
    """The search drew its voxels by the clock, and could end beside the motion that it began
    with."""
    settings = Microct.of(SECTION)
    box = tuple(slice(15, 55) for _ in SHAPE)
    still = times.motion_between(later, box, later, settings)
    assert still.correlation == pytest.approx(1, abs=1e-6)
    assert np.allclose(
        still.then(PLACES[::30, ::30, ::30].reshape(-1, 3)),
        PLACES[::30, ::30, ::30].reshape(-1, 3),
        atol=0.02,
    )
    moved = scanned(PLACES + 1.7, seed=1)
    one, other = (times.motion_between(later, box, moved, settings) for _ in range(2))
    assert np.array_equal(one.turn, other.turn) and np.array_equal(one.shift, other.shift)
