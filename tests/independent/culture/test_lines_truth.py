"""Tubes and junctions drawn from their corners: lengths, nodes, branches and meshes as counted by hand."""

import lines
import numpy as np
import pytest
import tifffile
from PIL import Image

from periomics.core.errors import InputError
from periomics.culture.measure import measure_culture
from periomics.culture.network import find_network
from periomics.culture.planes import read_plane
from periomics.study.settings.culture import Culture

SHAPE, WIDTH, PIXEL = (320, 360), 6, 2.0
SETTINGS = Culture()
COMB = lines.hexagons(40, 4, 3, (70, 60))
# Twelve cells; corners of the rim at which two edges meet join them to one branch.
MESHES, NODES = 12, lines.meetings(COMB)
BENDS = len({c for e in COMB for c in e}) - NODES
HEXAGON = 1.5 * np.sqrt(3) * 40**2


def found(picture, dark=False):
    return find_network(picture, PIXEL, WIDTH * PIXEL, SETTINGS, dark)


@pytest.mark.parametrize(
    "look",
    [{}, {"noise": 15}, {"front": 75}, {"shade": 35}, {"blur": 3}, {"width": 4}, {"width": 12}],
    ids=str,
)
def test_a_honeycomb_is_counted_and_measured(look):
    width = look.get("width", WIDTH)
    more = {k: v for k, v in look.items() if k != "width"}
    got = found(lines.drawn(COMB, SHAPE, width, **more))
    assert (got.meshes, got.nodes, got.branches) == (MESHES, NODES, len(COMB) - BENDS)
    assert got.length_um == pytest.approx(PIXEL * lines.length(COMB), rel=0.02)
    assert got.mesh_um2 / MESHES == pytest.approx(PIXEL**2 * HEXAGON, rel=0.02)
    assert got.area_mm2 == pytest.approx(SHAPE[0] * SHAPE[1] * PIXEL**2 / 1e6)
    assert got.holds == got.warnings == ()


def test_dark_lines_turned_and_mirrored_pictures_give_the_same():
    picture = lines.drawn(COMB, SHAPE, WIDTH)
    first = found(picture)
    for other, dark in ((255 - picture, True), (picture[:, ::-1], False), (picture.T, False)):
        got = found(np.ascontiguousarray(other), dark)
        assert (got.meshes, got.nodes, got.branches) == (MESHES, NODES, first.branches)
        assert got.length_um == pytest.approx(first.length_um, rel=0.01)


@pytest.mark.parametrize("angle", [0, 10, 22.5, 30, 45, 60, 80, 90])
def test_a_line_is_as_long_at_every_angle(angle):
    turn = np.deg2rad(angle)
    middle, half = np.array([180.0, 160.0]), 120 * np.array([np.cos(turn), np.sin(turn)])
    edge = {(tuple(middle - half), tuple(middle + half))}
    got = found(lines.drawn(edge, SHAPE, WIDTH))
    assert got.length_um == pytest.approx(PIXEL * 240, rel=0.03)
    assert (got.branches, got.nodes, got.meshes) == (1, 0, 0)


def test_specks_and_stubs_are_no_branches():
    picture = lines.drawn(COMB, SHAPE, WIDTH)
    rng = np.random.default_rng(0)
    for row, column in zip(rng.integers(5, 310, 30), rng.integers(5, 350, 30), strict=True):
        picture[row : row + 3, column : column + 3] = 230
    got = found(picture)
    assert got.meshes == MESHES and abs(got.branches - (len(COMB) - BENDS)) <= 3
    assert got.length_um == pytest.approx(PIXEL * lines.length(COMB), rel=0.03)


@pytest.mark.parametrize("look", [{}, {"shade": 30}, {"noise": 20}, {"back": 0, "noise": 1}])
def test_a_bare_picture_has_no_lines(look):
    got = found(lines.drawn(set(), SHAPE, WIDTH, **look))
    assert got.length_um == 0 and "no lines" in got.warnings[0]


def test_a_sheet_of_cells_is_held():
    picture = lines.drawn(set(), SHAPE, WIDTH, back=160)
    picture[:60] = picture[:, :60] = 40
    assert "sheets of cells" in found(picture).holds[0]


def test_twelve_bits_are_read_as_they_are(tmp_path):
    """Lines of 300 over 200 in 4,095 levels: in 8 bits both would be 1 of 255."""
    deep = np.rint(200 + lines.drawn(COMB, SHAPE, WIDTH, back=0, front=100, noise=0))
    both = np.stack([np.full(SHAPE, 7.0), deep + np.random.default_rng(1).normal(0, 3, SHAPE)])
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, both.astype(np.uint16), metadata={"axes": "CYX"}, ome=False)
    with pytest.raises(InputError, match="which channel"):
        read_plane(path, "", PIXEL)
    got = found(read_plane(path, "2", PIXEL).values)
    assert (got.meshes, got.nodes) == (MESHES, NODES)
    assert got.length_um == pytest.approx(PIXEL * lines.length(COMB), rel=0.02)


def test_rows_of_both_assays_and_their_colours(tmp_path):
    grey = lines.drawn(COMB, SHAPE, WIDTH)
    green = np.zeros((*SHAPE, 3), np.uint8)
    green[..., 1] = grey
    Image.fromarray(green).save(tmp_path / "green.png")
    green[..., 2] = grey[::-1]
    Image.fromarray(green).save(tmp_path / "two.png")
    fact = {"animal_id": "I1", "assay": "tubes", "specimen_id": "t", "pixel_um": 3.3}
    facts = [
        fact | {"path": str(tmp_path / "green.png")},
        fact | {"path": str(tmp_path / "two.png"), "specimen_id": "u"},
        fact | {"path": str(tmp_path / "two.png"), "specimen_id": "w", "channel": "green"},
        fact | {"path": str(tmp_path / "green.png"), "specimen_id": "j", "assay": "junctions"},
    ]
    out = measure_culture(facts, SETTINGS)
    table = out.table.set_index(["specimen_id", "outcome"])
    area = SHAPE[0] * SHAPE[1] * 3.3**2 / 1e6
    for specimen in ("t", "w"):
        length = table.loc[(specimen, "tube_length")]
        assert length["value"] == pytest.approx(3.3 * lines.length(COMB) / 1000 / area, rel=0.02)
        assert table.at[(specimen, "tube_meshes"), "numerator"] == MESHES
        assert table.at[(specimen, "tube_mesh_size"), "value"] == pytest.approx(
            3.3**2 * HEXAGON, rel=0.02
        )
    assert "several colours" in table.at[("u", "tube_length"), "qc_reason"]
    assert "too coarse" in table.at[("j", "junc_length"), "qc_reason"]
    assert sorted(out.networks) == ["j", "t", "w"]
