"""Contact, marginal level, insertion, and which metal is the implant, around implants drawn from geometry alone."""

import numpy as np
import pytest
from implants import VOXEL_UM, Fixture, below, cylinder, image, inside, scene, screw, sectors

from periomics.core.errors import SpecimenError
from periomics.microct.formats.lazy import in_memory
from periomics.microct.measure import measure
from periomics.microct.periimplant import implant_axis
from periomics.study.settings.microct import Microct

pytestmark = pytest.mark.usefixtures("without_spacing")
SECTION = {
    "bone_threshold": 17000,
    "implant_threshold": 39000,
    "anisotropy": False,
    "thickness_variants": False,
    "voi": {"inner_um": 90, "outer_um": 250, "axial_um": [100, 1200]},
    "shells_um": [[90, 250]],
}
COMMON = {"specimen_id": "s", "animal_id": "a"}
CREST = 10  # voxels below the shoulder
FIXTURES = {
    "cylinder": (Fixture(thread=0), 8),
    "screw": (Fixture(), 8),
    "three wedges": (Fixture(), 3),
    "sixteen wedges": (Fixture(), 16),
    "cylinder in sixteen": (Fixture(thread=0), 16),
    "tilted": (Fixture(tilt=12), 8),
    "tilted in sixteen": (Fixture(tilt=12), 16),
    "off the middle": (Fixture(off=(11.3, -7.7)), 8),
}


def measured(grey, **changed):
    scan = in_memory(grey, (VOXEL_UM,) * 3)
    return measure(scan, Microct.of({**SECTION, **changed}), COMMON)


def value(found, outcome, variant=""):
    return found.table.set_index(["outcome", "variant"]).loc[(outcome, variant), "value"]


@pytest.fixture(scope="module")
def contacts():
    """By fixture: contact in the layer of some voxels, and in single layers of a voxel behind the band."""
    found = {}
    for name, (fixture, n) in FIXTURES.items():
        of = scene(fixture)
        bone = sectors(of, n, 0.375) * inside(of.height - (fixture.length / 2 - CREST))
        one = measured(image(of, screw(of), bone))
        curve = one.curves.query("curve == 'bic_by_offset'")["value"].to_numpy()
        found[name] = value(one, "bic_ct"), curve[5:], one
    return found


def test_contact_is_the_share_of_every_circle(contacts):
    for name, (contact, _, _) in contacts.items():
        assert contact == pytest.approx(37.5, abs=1.5), name


def test_a_single_layer_of_voxels_is_a_pattern_of_the_grid(contacts):
    """Why contact is not read in one."""
    worst = {name: abs(layers - 37.5).max() for name, (_, layers, _) in contacts.items()}
    assert max(worst.values()) > 5
    assert all(worst[n] > abs(contacts[n][0] - 37.5) for n in worst)


def test_marginal_level_of_a_bare_crest(contacts):
    """Where every eighth of the circle holds bone: the depth of the crest, to a voxel."""
    for name, (fixture, n) in FIXTURES.items():
        if n >= 8 and fixture.tilt == 0:
            loss = value(contacts[name][2], "ridge") * 1000 / VOXEL_UM
            assert loss == pytest.approx(CREST, abs=1), name


# ---- which metal is the implant

LOST, SUNK = (
    30,
    8,
)  # voxels: crest below the shoulder; fixture below the middle, to leave room above it
LENGTH = {"implant_length_um": 80 * VOXEL_UM}
SOUND = {
    "screw": Fixture(sunk=SUNK),
    "cylinder": Fixture(thread=0, sunk=SUNK),
    "deep thread": Fixture(thread=6, sunk=SUNK),
    "tilted": Fixture(tilt=12, sunk=SUNK),
    "off the middle": Fixture(off=(11, -7), sunk=SUNK),
}
# (radius, height) of what stands on a screw of radius 25
ON_TOP = {"wide cover": (31, 10), "narrow cover": (19, 10), "abutment": (14, 28)}


def grey_of(fixture, top=None):
    """A screw in wedges of bone from LOST below the shoulder on, a solid floor beyond its apex, metal on its head."""
    of = scene(fixture, (140, 116, 116))
    metal, half = screw(of), fixture.length / 2
    if top is not None:
        metal = np.minimum(1, metal + cylinder(of, top[0], half, half + top[1]))
    floor = cylinder(of, 50, -half - 12, -half - 3)
    return image(of, metal, np.maximum(sectors(of, 8, 0.6) * below(of, LOST), floor))


def read(grey, **changed):
    found = measured(grey, **{"voi": {"inner_um": 90, "outer_um": 250}, **changed})
    return (
        found,
        value(found, "ridge") * 1000 / VOXEL_UM,
        value(found, "insertion") * 1000 / VOXEL_UM,
    )


@pytest.mark.parametrize("fixture", SOUND.values(), ids=SOUND)
@pytest.mark.parametrize("declared", [{}, LENGTH], ids=["metal", "declared"])
def test_sound_scans_are_measured_without_a_word(fixture, declared):
    found, loss, insertion = read(grey_of(fixture), **declared)
    assert found.warnings == ()
    assert loss == pytest.approx(LOST, abs=1)
    assert insertion == pytest.approx(80 - LOST, abs=0.5 if fixture.tilt == 0 else 1)


def shaped(kind):
    """Implants whose outline changes along the axis though nothing stands on them."""
    fixture = SOUND["screw"]
    of, half = scene(fixture, (140, 116, 116)), fixture.length / 2
    metal, up = screw(of), of.height + half
    if kind == "steep cone":
        metal = cylinder(of, 13 + 12 * up / fixture.length, -half, half)
    if kind == "round apex":
        globe = np.sqrt(np.clip(25**2 - np.clip(25 - up, 0, 25) ** 2, 0, None))
        metal = np.minimum(metal, inside(of.radius - globe))
    if kind == "hollow head":
        metal = metal * (1 - cylinder(of, 12, half - 30, half + 5))
    if kind == "smooth neck":
        metal = np.minimum(metal, 1 - (1 - inside(of.radius - 22)) * inside(half - 10 - of.height))
    if kind == "collar":
        metal = np.maximum(metal, cylinder(of, 27, half - 14, half))
    floor = cylinder(of, 50, -half - 12, -half - 3)
    return image(of, metal, np.maximum(sectors(of, 8, 0.6) * below(of, LOST), floor))


@pytest.mark.parametrize(
    "kind", ["steep cone", "round apex", "hollow head", "smooth neck", "collar"]
)
def test_shapes_of_implants_are_no_abutments(kind):
    found, loss, insertion = read(shaped(kind))
    assert found.warnings == ()
    assert (loss, insertion) == pytest.approx((LOST, 80 - LOST), abs=1)


@pytest.fixture(scope="module")
def plain():
    """The screw with nothing on it, its length declared."""
    return read(grey_of(SOUND["screw"]), **LENGTH)[0]


@pytest.mark.parametrize("top", ON_TOP.values(), ids=ON_TOP)
def test_what_stands_on_the_implant_is_said_or_left_out(plain, top):
    grey = grey_of(SOUND["screw"], top)
    found, loss, _ = read(grey)
    assert loss == pytest.approx(LOST + top[1], abs=1)  # wrong, and said
    assert any("cover screw, abutment" in w for w in found.warnings)
    assert (found.table["qc"] != "pass").all()
    found, loss, insertion = read(grey, **LENGTH)
    assert found.warnings == ()
    assert (loss, insertion) == pytest.approx((LOST, 80 - LOST), abs=1)
    assert found.above_um / VOXEL_UM == pytest.approx(top[1], abs=1)
    # the band of what overhangs takes some of the bare surface below the shoulder away
    assert value(found, "bic_ct") == pytest.approx(value(plain, "bic_ct"), abs=2.5)


def test_a_cover_screw_as_wide_as_the_implant_needs_the_declared_length():
    _, loss, insertion = read(grey_of(SOUND["screw"], (25, 10)), **LENGTH)
    assert (loss, insertion) == pytest.approx((LOST, 80 - LOST), abs=1)


def test_metal_shorter_than_declared_is_said():
    found, *_ = read(grey_of(SOUND["screw"]), implant_length_um=100 * VOXEL_UM)
    assert "is 1.44" in found.warnings[0] and "1.8 mm" in found.warnings[0]


@pytest.mark.parametrize("name", ["screw", "tilted"])
def test_a_stack_turned_over_is_said(name):
    grey = grey_of(SOUND[name])[::-1]
    found, loss, _ = read(grey)
    assert loss < 0 and "turned over" in found.warnings[0]
    right, loss, _ = read(grey, voi={"inner_um": 90, "outer_um": 250, "apex": "low_z"})
    assert right.warnings == () and loss == pytest.approx(LOST, abs=1)


def test_two_implants_are_refused():
    one = scene(Fixture(radius=14, off=(0, -28)), (120, 100, 150))
    other = scene(Fixture(radius=12, off=(0, 28)), (120, 100, 150))
    metal = np.maximum(screw(one), screw(other))
    with pytest.raises(SpecimenError, match="more than one implant"):
        read(image(one, metal, sectors(one, 8, 0.5)))


@pytest.mark.parametrize(
    "of",
    [
        Fixture(),
        Fixture(tilt=12, length=66, radius=20, thread=5),
        Fixture(tilt=4, length=55, radius=20, thread=5, pitch=10),
        Fixture(length=60, radius=20, thread=10),
        Fixture(tilt=9, length=50, radius=20, thread=0),
        Fixture(tilt=7, length=50, radius=25, thread=12, pitch=20),
        Fixture(tilt=2, azimuth=200, length=50, radius=25, thread=12),
    ],
    ids=["usual", "tilted", "short", "deep thread", "no thread", "stub", "stub of more turns"],
)
def test_the_axis_is_within_an_eighth_of_a_degree_whatever_the_thread(of):
    """Principal components were .3 to 1.3 degrees off, as turns of the thread are cut off at the
    ends; the line without the thread's circle 1.2 on the stub."""
    up, azimuth = np.radians(of.tilt), np.radians(of.azimuth)
    truth = np.array([-np.cos(up), np.sin(up) * np.cos(azimuth), np.sin(up) * np.sin(azimuth)])
    axis = implant_axis(screw(scene(of, (90, 90, 90))) >= 0.5)
    assert np.degrees(np.arccos(min(1.0, axis.direction @ truth))) < 1 / 8
    middle = (axis.apex + axis.head) / 2 - 44.5
    assert np.linalg.norm(middle - (middle @ truth) * truth) < 0.1
