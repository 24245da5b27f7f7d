"""Segmentation, shells, morphometry and the whole measurement on bodies whose numbers are known; and what is refused."""

import numpy as np
import pytest
from microct_arrays import find_regions, measure, segment_implant, thickness
from microct_bodies import layered_rod

from periomics.core.errors import InputError, SpecimenError
from periomics.microct.formats.header import isotropic_voxel
from periomics.microct.masks import LABELS
from periomics.microct.measure import outcomes
from periomics.microct.periimplant import height_um, implant_axis, shell
from periomics.microct.picture import overlay
from periomics.microct.render import render
from periomics.microct.segment import smooth
from periomics.study.settings.microct import Microct, Voi

SECTION = {
    "bone_threshold": 100,
    "implant_threshold": 1000,
    "prefilter_sigma_voxels": 0,
    "closing_voxels": 0,
    "voi": {"inner_um": 30, "outer_um": 120, "axial_um": [0, 400]},
    "ovtv_offset_um": 30,
    "ovtv_width_um": 30,
    "ovtv_curve_um": [0, 30],
    "shells_um": [[30, 60], [60, 120]],
}
COMMON = {"specimen_id": "s", "animal_id": "a"}
SPACING = (10.0, 10.0, 10.0)


def phantom():
    return layered_rod(60).astype(np.int16)


def values(found):
    return found.table.set_index(["outcome", "variant"])["value"]


def test_layers_around_a_rod():
    """In whole periods of layers BV/TV is 40 % and thickness 4 voxels; marrow is 6 voxels thick."""
    section = {
        **SECTION,
        "voi": {**SECTION["voi"], "axial_um": [45, 345]},
    }  # 30 planes: three periods
    found = measure(phantom(), SPACING, Microct.of(section), COMMON)
    got = values(found)
    assert got["bvtv", ""] == pytest.approx(40)
    assert got["ovtv", ""] == pytest.approx(40)
    assert got["bvtv", "shell=60-120um"] == pytest.approx(40)
    assert got["tbth", ""] == pytest.approx(0.04)
    assert got["tbth_sd", ""] == pytest.approx(0, abs=1e-9)
    assert got["tbsp", ""] == pytest.approx(
        0.06, rel=0.005
    )  # the band cuts a corner here and there
    assert got["bv", ""] == pytest.approx(0.4 * got["tv", ""])
    assert got["tv", ""] == pytest.approx(found.regions.voi.sum() * 1e-6)
    row = found.table.set_index(["outcome", "variant"]).loc[("bvtv", "")]
    assert row["numerator"] / row["denominator"] == pytest.approx(0.4)
    assert row["denominator_unit"] == "mm3"
    assert set(found.table["qc"]) == {"pass"}


def test_shell_volume_and_counts():
    found = measure(phantom(), SPACING, Microct.of(SECTION), COMMON)
    z, y, x = np.indices((60, 60, 60))
    outside = np.maximum(np.abs(np.stack([y, x]) - 30) - 5, 0)  # distance to the rod across z
    away = np.sqrt((outside**2).sum(0)) * 10
    expected = (away > 30) & (away <= 120) & (z <= 54) & (z >= 14)
    np.testing.assert_array_equal(found.regions.voi, expected)
    part = found.labels
    assert np.count_nonzero(part == LABELS["implant"]) == 50 * 121
    assert np.count_nonzero(part == LABELS["bone in VOI"]) == np.count_nonzero(
        expected & (z % 10 < 4)
    )


def test_thickness_sees_bone_outside_the_voi():
    """A plate that leaves the VOI keeps its thickness: distances are not cut at the VOI."""
    bone = np.zeros((40, 40, 40), bool)
    bone[10:20] = True
    voi = np.zeros_like(bone)
    voi[18:30, 15:25, 15:25] = True
    found = thickness(bone, voi, 1.0)
    assert (found.mean, found.n_voxels) == (10.0, 200)
    assert found.clipped_share == 0
    zone = np.zeros_like(bone)
    zone[:, 19:21, 19:21] = True
    cut = thickness(bone & ~zone, voi, 1.0, zone)
    assert 0.05 < cut.clipped_share < 0.5
    assert thickness(np.ones_like(bone), voi, 1.0) is None
    assert thickness(bone, ~bone, 1.0) is None


def test_threshold_sweep_moves_the_right_way():
    grey = phantom()
    grey[np.arange(60) % 10 == 4] = np.where(
        grey[np.arange(60) % 10 == 4] > 1000, 3000, 95
    )  # a layer just too thin
    got = values(measure(grey, SPACING, Microct.of(SECTION), COMMON))
    assert got["bvtv", "threshold=-10%"] > got["bvtv", ""]
    assert got["bvtv", "threshold=+10%"] == got["bvtv", ""]
    assert got["ovtv", "threshold=-10%"] > got["ovtv", ""]


def test_curve_inside_the_band_shows_the_artefact():
    """Bright halo within 30 µm: the curve at offset 0 must show it, the default shell and BV/TV must not."""
    grey = phantom()
    plain = values(measure(grey, SPACING, Microct.of(SECTION), COMMON))
    halo = (find_regions(grey, 10.0, Microct.of(SECTION)).distance <= 30) & (grey < 1000)
    grey[halo] = 500
    got = values(measure(grey, SPACING, Microct.of(SECTION), COMMON))
    assert got["ovtv", "offset=0um,width=30um"] == 100
    for key in (("bvtv", ""), ("ovtv", ""), ("tbth", ""), ("tbsp", "")):
        assert got[key] == plain[key]


def test_results_do_not_depend_on_threads_or_number_type():
    grey, settings = phantom(), Microct.of(SECTION)
    one = measure(grey, SPACING, settings, COMMON, threads=1)
    two = measure(grey.astype(np.float32), SPACING, settings, COMMON, threads=2)
    assert one.table.equals(two.table)
    np.testing.assert_array_equal(one.thickness_mm, two.thickness_mm)


def test_axis_of_a_tilted_rod():
    z, y, x = np.indices((80, 60, 60))
    direction = np.array([-np.cos(0.1), np.sin(0.1), 0])
    rel = np.stack([z - 40, y - 30, x - 30])
    along = np.tensordot(direction, rel, 1)
    rod = (np.abs(along) <= 30) & ((rel**2).sum(0) - along**2 <= 64)
    axis = implant_axis(rod)
    assert axis.direction == pytest.approx(direction, abs=0.01)
    assert axis.tilt_degrees == pytest.approx(np.degrees(0.1), abs=0.5)
    assert np.linalg.norm(axis.head - axis.apex) == pytest.approx(60, abs=1)
    assert axis.apex[0] > axis.head[0]
    assert implant_axis(rod, "low_z").apex[0] < 40
    height = height_um(rod.shape, axis, 10.0)
    assert height[40, 30, 30] == pytest.approx(300, abs=10)
    with pytest.raises(SpecimenError, match="no long axis"):
        implant_axis(np.ones((10, 10, 10), bool))


def test_shell_faces():
    distance = np.array([0, 30, 30.0001, 40, 60, 60.1], np.float32)
    voi = Voi(inner_um=30, outer_um=60)
    assert shell(distance, 30, 60, None, voi).tolist() == [False, False, False, True, True, False]


def test_closing_fills_a_void_but_not_the_surroundings():
    grey = phantom()
    grey[30, 30, 30] = 0
    closed = segment_implant(grey, Microct.of({**SECTION, "closing_voxels": 1}))
    assert closed.sum() == 50 * 121


def test_smoothing_keeps_the_sum_and_the_type():
    grey = phantom()
    assert smooth(grey, 1.0).dtype == np.float32
    assert smooth(grey, 0).sum() == grey.sum()
    assert smooth(grey, 1.0).mean() == pytest.approx(grey.mean(), rel=0.01)


def test_without_implant_the_voi_is_the_scan():
    grey = np.where(phantom() > 1000, 0, phantom())
    found = measure(grey, SPACING, Microct.of({**SECTION, "implant": "none"}), COMMON)
    assert set(found.table["outcome"]) == set(outcomes(Microct.of({**SECTION, "implant": "none"})))
    assert not {"ovtv", "bic_ct", "ridge", "insertion"} & set(found.table["outcome"])
    assert found.curves.empty
    assert values(found)["bvtv", ""] == pytest.approx(100 * (grey >= 100).mean())
    overlay(found.measured)


def test_other_refusals():
    settings = Microct.of(SECTION)
    with pytest.raises(SpecimenError, match="VOI is empty"):
        measure(
            phantom(),
            SPACING,
            settings.but(voi=Voi(inner_um=30, outer_um=120, axial_um=(700, 800))),
            COMMON,
        )
    with pytest.raises(SpecimenError, match=r"not cubes.*resample"):
        measure(phantom(), (20.0, 10.0, 10.0), settings, COMMON)
    hole = phantom().astype(np.float32)
    hole[0, 0, 0] = np.nan
    with pytest.raises(SpecimenError, match="not finite"):
        measure(hole, SPACING, settings, COMMON)
    assert isotropic_voxel((10.05, 10.0, 10.0)) == pytest.approx(10.0166, abs=1e-3)


def test_warnings_reach_every_row():
    grey = phantom().astype(np.uint8)
    grey[phantom() > 1000] = 250
    grey[np.arange(60) % 10 == 1] = np.where(grey[np.arange(60) % 10 == 1] == 250, 250, 255)
    settings = Microct.of({**SECTION, "implant_threshold": 1000})
    grey = np.where(phantom() > 1000, 255, grey).astype(np.uint8)
    with pytest.raises(SpecimenError, match="no implant"):
        measure(grey, SPACING, settings, COMMON)
    wide = phantom().astype(np.uint16)
    wide[10:12, 50:] = 65535
    section = {**SECTION, "second_implant_share": 1.0}
    found = measure(
        wide, SPACING, Microct.of({**section, "voi": {"inner_um": 30, "outer_um": 300}}), COMMON
    )
    assert set(found.table["qc"]) == {"hold"}
    assert found.table["qc_reason"].str.contains("saturated").all()
    assert found.table["qc_reason"].str.contains("VOI meets the border").all()


def test_overlay_shows_all_layers():
    found = measure(phantom(), SPACING, Microct.of(SECTION), COMMON)
    fig = overlay(found.measured, "s", 30)
    assert len(fig.axes) == 10  # three slices, 3-D, two maps with colour bars, two panels of curves
    assert [len(ax.collections) for ax in fig.axes[:3]] == [
        2,
        3,
        3,
    ]  # the first slice lies in marrow
    assert any("µm" in t.get_text() for t in fig.axes[0].texts)
    assert len(fig.axes[6].lines) == 3
    picture = render(found.labels, found.regions.axis.direction)
    metal = picture[..., 2] > picture[..., 0] + 0.05
    bone = picture[..., 0] > picture[..., 2] + 0.05
    assert metal.sum() > 300 and bone.sum() > 1000
    rows = np.flatnonzero(metal.any(axis=1))
    assert np.ptp(rows) == pytest.approx(
        50 * np.cos(np.radians(20)), abs=8
    )  # 50 voxels long, seen from 20 degrees above


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"bone_treshold": 5}, "did you mean 'bone_threshold'"),
        ({"bone_threshold": 2000}, "bone_threshold: is at or above the implant threshold"),
        ({"voi": {"iner_um": 30}}, "voi/iner_um: unknown key - did you mean 'inner_um'"),
        (
            {"voi": {"inner_um": 130, "outer_um": 120}},
            "voi/inner_um: the volume of interest ends before it starts",
        ),
        ({"voi": {"inner_um": 1, "outer_um": 2, "apex": "up"}}, "high_z, low_z"),
        ({"shells_um": [[5, 2]]}, "shells_um: the range ends before it starts"),
        ({"shells_um": [5]}, "shells_um/0"),
        ({"implant": "maybe"}, "required, none"),
        ({"sweep_percent": 100}, "sweep_percent"),
    ],
)
def test_settings_are_checked(change, text):
    with pytest.raises(InputError, match=text):
        Microct.of({**SECTION, **change})


def test_settings_need_thresholds():
    for key, text in (
        ("bone_threshold", "is needed where threshold_rule is fixed"),
        ("implant_threshold", "this key is needed"),
    ):
        with pytest.raises(InputError, match=f"column {key}: {text}"):
            Microct.of({k: v for k, v in SECTION.items() if k != key})


@pytest.mark.slow
@pytest.mark.data
def test_human_bone_as_measured_elsewhere(data):
    """Figures of another build on the same scan: Gaussian sigma 1, grey >= 80.9257 (Otsu)."""
    from periomics.microct.formats.readers import read_volume

    scan = read_volume(data / "microct/lhdl_3155_D_4_bc", voxel_um=19.5)
    section = {
        "bone_threshold": 80.9257,
        "implant_threshold": 300,
        "prefilter_sigma_voxels": 1,
        "implant": "none",
        "voi": SECTION["voi"],
        "sweep_percent": 0,
    }
    got = values(measure(scan.array, scan.spacing_um, Microct.of(section), COMMON))
    assert got["bvtv", ""] == pytest.approx(19.37, abs=0.005)
    assert got["tbth", ""] == pytest.approx(0.2367, abs=1e-4)
    assert got["tbth_sd", ""] == pytest.approx(0.1031, abs=1e-4)
    assert got["tbsp", ""] == pytest.approx(0.8194, abs=1e-4)
    assert got["tbsp_sd", ""] == pytest.approx(0.2513, abs=1e-4)
