"""Virtual sections through implants whose bone is drawn so that the planes' shares follow from geometry."""

import numpy as np
import pytest
from implants import VOXEL_UM, Fixture, image, inside, scene, screw

from periomics.core.errors import InputError
from periomics.microct.formats.lazy import in_memory
from periomics.microct.measure import measure
from periomics.microct.picture import overlay
from periomics.microct.told import Told
from periomics.study.settings.microct import Microct

SHAPE = (64, 84, 84)
SECTION = {
    "bone_threshold": 17000,
    "implant_threshold": 39000,
    "prefilter_sigma_voxels": 0,
    "anisotropy": False,
    "thickness_variants": False,
    "shells_um": [],
    "voi": {"inner_um": 54, "outer_um": 324, "axial_um": [100, 620]},
}


def read(fixture, bone, told=None, **changed):
    of = scene(fixture, SHAPE)
    grey = image(of, screw(of), bone(of), psf=0.3, noise=100.0)
    scan = in_memory(grey, (VOXEL_UM,) * 3)
    section = {**SECTION, **changed}
    return measure(scan, Microct.of(section), {"specimen_id": "s"}, told=told or Told())


def value(found, outcome, variant=""):
    return found.table.set_index(["outcome", "variant"]).loc[(outcome, variant), "value"]


@pytest.mark.parametrize("tilt", [0, 12])
def test_a_ring_of_bone_fills_its_share_of_the_plane_not_of_the_volume(tilt):
    """A tube of bone six voxels thick around a cylinder, in a region of 15: 40 % of every plane, less of the volume."""
    fixture = Fixture(radius=13, length=42, thread=0, tilt=tilt)
    inner, width, region = 16, 6, 15

    def ring(of):
        # it begins within the band, whose end cuts it
        return inside(of.radius - inner - width) * (1 - inside(of.radius - inner + 2))

    found = read(fixture, ring, section_degrees=[0, 45, 130])
    radius = np.array([inner, inner + width, inner + region])
    squares = radius**2
    assert value(found, "ba_ta") == pytest.approx(100 * width / region, abs=3)  # 0.4 voxels
    solid = 100 * (squares[1] - squares[0]) / (squares[2] - squares[0])
    assert value(found, "bvtv") == pytest.approx(solid, abs=2.5)
    for degrees in (0, 45, 130):
        assert value(found, "bic_2d", f"plane={degrees}deg") == pytest.approx(100, abs=2)
    thin = read(fixture, lambda of: inside(np.abs(of.radius - inner - 1) - 1), section_degrees=[20])
    assert value(thin, "bic_2d") == pytest.approx(100 * 2 / 4, abs=6)  # two of four voxels


@pytest.mark.parametrize("told", [None, Told(30, 120), Told(30, -60)])
def test_a_plane_meets_the_sides_at_its_angle(told):
    """Bone stands in a wedge of 60 degrees about one direction of the slices."""
    ahead = 80 if told is None else 30 + (80 if told.mesial_degrees == 120 else -80)
    fixture = Fixture(radius=13, length=42, thread=0, off=(2, -3))

    def wedge(of):
        y, x = np.indices(SHAPE[1:]) - np.array(SHAPE[1:]).reshape(2, 1, 1) / 2 + 0.5
        y, x = y - fixture.off[0], x - fixture.off[1]
        off = (np.degrees(np.arctan2(y, x)) - ahead + 180) % 360 - 180
        rows = (np.arange(SHAPE[0]) % 4 > 0).reshape(-1, 1, 1)
        return np.broadcast_to(np.abs(off) < 30, SHAPE) * rows.astype(float)

    voi = {**SECTION["voi"], "parts": ["sides"] if told else []}
    found = read(fixture, wedge, told, voi=voi, section_degrees=[80, 260, 170, 20])
    # a plane has two sides: one of them lies in the wedge, or none
    for outcome in ("bic_2d", "ba_ta"):
        planes = [value(found, outcome, f"plane={d}deg") for d in (80, 260, 170, 20)]
        assert planes == pytest.approx([37.5, 37.5, 0, 0], abs=3)
        assert value(found, outcome) == pytest.approx(75 / 4, abs=1)
    if told is None:
        assert len(overlay(found, band_um=54).axes) >= 12


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"implant": "none"}, "needs an implant"),
        ({"section_degrees": [1, 1]}, "names a plane twice"),
    ],
)
def test_planes_that_cannot_be_are_refused(changed, match):
    with pytest.raises(InputError, match=match):
        Microct.of({**SECTION, "section_degrees": [1], **changed}, "microct")
