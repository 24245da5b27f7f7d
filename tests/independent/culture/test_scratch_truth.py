"""Scratches painted cell by cell: closure and speed within 5 %, or named; what is no scratch is refused."""

import dish
import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy import ndimage

from periomics.core.errors import SpecimenError
from periomics.culture.scratch import closure_percent, find_gap, front_speed

HOURS = np.arange(4) * 6.0
WIDTHS = [320, 260, 200, 140]  # 5 µm an hour and front
ROW, COLUMN = np.indices(dish.SHAPE)
SMALL = (ROW - 130) ** 2 + (COLUMN - 200) ** 2 < 125**2
LARGE = (ROW - 130) ** 2 + (COLUMN - 200) ** 2 < 210**2
INNER = (np.minimum(ROW, ROW[::-1]) >= 24) & (np.minimum(COLUMN, COLUMN[:, ::-1]) >= 24)


@pytest.fixture(scope="module")
def clean():
    return dish.series(WIDTHS)


@pytest.fixture(scope="module")
def confluent():
    return dish.well(np.zeros(dish.SHAPE, bool), 9)


def closures(frames, masks):
    """What was found, and the closure that was painted, of the frames that were kept."""
    gap = find_gap(frames, dish.PIXEL_UM)
    area = masks.sum(axis=(1, 2))
    truth = 100 * (1 - area / area[0])
    return gap, closure_percent(gap.area_mm2)[gap.kept], truth[gap.kept]


def speed(gap):
    return front_speed(HOURS[gap.kept], gap.width_um[gap.kept])[0]


def framed(frames, inside, grey):
    out = frames.copy()
    out[:, ~inside] = grey
    return out


def littered(frames, masks, n, radius):
    """Dead cells dropped into the gap: bright rings `radius` pixels wide."""
    rng = np.random.default_rng(1)
    out = []
    for frame, mask in zip(frames, masks, strict=True):
        picture = Image.fromarray(frame)
        pen = ImageDraw.Draw(picture)
        rows, columns = np.nonzero(mask)
        for k in rng.integers(len(rows), size=n):
            x, y = int(columns[k]), int(rows[k])
            pen.ellipse([x - radius, y - radius, x + radius, y + radius], fill=60, outline=230)
        out.append(np.asarray(picture))
    return np.stack(out)


@pytest.mark.parametrize(
    "look", [{"jpeg": 60}, {"shade": 40}, {"noise": 6}, {"contrast": 0.35}, {"light": 180}], ids=str
)
def test_closure_and_speed_however_the_picture_looks(look):
    gap, found, truth = closures(*dish.series(WIDTHS, **look))
    assert np.abs(found - truth).max() < 2 and speed(gap) == pytest.approx(5, rel=0.05)
    assert gap.holds == gap.warnings == ()


@pytest.mark.parametrize(
    ("inside", "grey"), [(SMALL, 3), (LARGE, 0), (INNER, 0), (INNER, 255), (COLUMN > 40, 0)]
)
def test_a_frame_and_a_round_field_are_no_cells(clean, inside, grey):
    frames, masks = clean
    gap, found, truth = closures(framed(frames, inside, grey), masks & inside)
    assert np.abs(found - truth).max() < 2 and speed(gap) == pytest.approx(5, rel=0.05)
    assert gap.area_mm2[0] / (masks[0] & inside).sum() == pytest.approx(2.56e-6, rel=0.03)
    assert gap.holds == gap.warnings == ()


def test_a_tilted_scratch_has_the_speed_across_itself():
    big = [dish.wound(w, shape=(520, 800)) for w in WIDTHS]
    masks = np.stack(
        [np.asarray(Image.fromarray(b).rotate(15))[130:390, 200:600] for b in big]
    ).astype(bool)
    gap, found, truth = closures(np.stack([dish.well(m, i) for i, m in enumerate(masks)]), masks)
    assert np.abs(found - truth).max() < 2 and speed(gap) == pytest.approx(5, rel=0.05)


def test_two_scratches_are_named_and_measured_together():
    masks = np.stack([dish.wound(w / 2, 0.3) | dish.wound(w / 2, 0.7, seed=4) for w in WIDTHS])
    gap, found, truth = closures(np.stack([dish.well(m, i) for i, m in enumerate(masks)]), masks)
    assert np.abs(found - truth).max() < 2 and speed(gap) == pytest.approx(2.5, rel=0.05)
    assert "2 cell-free gaps" in gap.warnings[0]


def test_no_scratch_is_no_number(confluent):
    with pytest.raises(SpecimenError, match="differ too little in texture"):
        find_gap(np.stack([confluent] * 2), dish.PIXEL_UM)


def test_flat_cells_are_no_gap(confluent):
    """Half of a confluent field holds cells of 40 % of the contrast: no bare glass anywhere."""
    flat = dish.well(np.zeros(dish.SHAPE, bool), 9, contrast=0.4)
    frames = np.stack([np.where(COLUMN < 200, flat, confluent)] * 2)
    assert any("not bare" in h for h in find_gap(frames, dish.PIXEL_UM).holds)


def test_little_debris_changes_nothing_and_much_is_held(clean):
    frames, masks = clean
    gap, found, truth = closures(littered(frames, masks, 5, 5), masks)
    assert np.abs(found - truth).max() < 2 and gap.holds == ()
    for n, radius in ((15, 5), (40, 5), (10, 10), (4, 18)):
        gap = find_gap(littered(frames, masks, n, radius), dish.PIXEL_UM)
        assert any("debris" in h for h in gap.holds), (n, radius)


@pytest.mark.parametrize(
    ("moves", "named"), [((0, 10, 0, 10), 0), ((0, 30, 0, 30), 3), ((0, 25, 50, 75), 3)]
)
def test_a_moved_field_changes_nothing_and_is_named(clean, moves, named):
    frames, masks = clean
    moved = np.stack([np.roll(f, m, axis=1) for f, m in zip(frames, moves, strict=True)])
    gap, found, truth = closures(moved, masks)
    assert np.abs(found - truth).max() < 2 and speed(gap) == pytest.approx(5, rel=0.05)
    assert sum("may have moved" in w for w in gap.warnings) == named


def test_a_frame_of_another_place_is_left_out_by_name(clean, confluent):
    frames, masks = clean
    for other in (confluent, dish.well(np.ones(dish.SHAPE, bool), 3)):
        spoilt = frames.copy()
        spoilt[2] = other
        gap, found, truth = closures(spoilt, masks)
        assert gap.kept.tolist() == [True, True, False, True]
        assert np.abs(found - truth).max() < 2 and speed(gap) == pytest.approx(5, rel=0.05)
        assert "frame 3" in gap.warnings[0]


def test_a_scratch_cut_by_the_side_is_held():
    gap = find_gap(dish.series(WIDTHS[:2], middle=0.15)[0], dish.PIXEL_UM)
    assert any("side of the picture" in h for h in gap.holds)


@pytest.mark.parametrize(("share", "held"), [(0.2, False), (0.4, False), (0.7, True)])
def test_a_lamp_that_fails_over_the_series_holds_it_back(clean, share, held):
    """Each front is moved by the texture of its own cells: of light that falls by 40 % before, 3 %
    too slow."""
    frames, masks = clean
    light = np.linspace(1, 1 - share, len(frames))[:, None, None]
    gap, found, truth = closures((frames * light).round().astype(np.uint8), masks)
    assert any("cells' texture" in h for h in gap.holds) == held
    assert (np.abs(found - truth).max() < 1) == (not held)
    assert (speed(gap) == pytest.approx(5, rel=0.02)) == (not held)


@pytest.mark.parametrize(("blur", "held"), [(1.3, False), (2.5, True)])
def test_focus_that_is_lost_on_one_side_of_the_field(clean, blur, held):
    """Before, 45 for 56 % with a blur of 2.5 pixels, which the texture of the whole did not
    tell."""
    frames, masks = clean
    soft = [ndimage.gaussian_filter(f.astype(float), blur * i / 3) for i, f in enumerate(frames)]
    gap, found, truth = closures(np.where(COLUMN > 200, soft, frames).astype(np.uint8), masks)
    assert any("cells' texture" in h for h in gap.holds) == held
    assert (np.abs(found - truth).max() < 1.5) == (not held)


def test_light_that_falls_across_the_field_changes_nothing(clean):
    frames, masks = clean
    corners = (ROW / 130 - 1) ** 2 / 2 + (COLUMN / 200 - 1) ** 2 / 2
    for falls in (COLUMN / 400, corners):
        lit = (frames * (1 - 0.45 * falls)).round().astype(np.uint8)
        gap, found, truth = closures(lit, masks)
        assert np.abs(found - truth).max() < 2 and speed(gap) == pytest.approx(5, rel=0.05)
        assert gap.holds == ()
