"""Series that change as wells do are measured and not held back; noise that grows is."""

import dish
import numpy as np
import pytest
from scipy import ndimage

from periomics.culture.scratch import closure_percent, find_gap

WIDTHS = (320, 260, 200, 140)


def drawn(widths=WIDTHS, **looks):
    """Frames and masks; a look is a value a frame."""
    masks = np.stack([dish.wound(w) for w in widths])
    each = [{k: v[i] for k, v in looks.items()} for i in range(len(widths))]
    return np.stack(
        [dish.well(m, i, **e) for i, (m, e) in enumerate(zip(masks, each, strict=True))]
    ), masks


def fringed(frames, masks):
    """Phase contrast: a bright fringe along the fronts."""
    far = np.stack([ndimage.distance_transform_edt(~m) for m in masks])
    bright = frames + 40 * np.exp(-(((far - 4) / 4) ** 2)) * ~masks
    return np.clip(bright, 0, 255).astype(np.uint8), masks


SOUND = {
    "cells that crowd": lambda: drawn(spacing=(13, 11, 9, 8)),
    "cells of more contrast": lambda: drawn(contrast=(1, 1.17, 1.33, 1.5)),
    "another medium": lambda: drawn(light=(120, 120, 145, 145), contrast=(1, 1, 0.85, 0.85)),
    "fringes": lambda: fringed(*drawn()),
    "three frames": lambda: drawn((320, 240, 160)),
    "a noisy camera": lambda: drawn(noise=(10, 10, 10, 10)),
}


@pytest.mark.parametrize("name", SOUND)
def test_what_changes_in_a_sound_series_holds_nothing_back(name):
    frames, masks = SOUND[name]()
    gap, area = find_gap(frames, dish.PIXEL_UM), masks.sum(axis=(1, 2))
    truth = 100 * (1 - area / area[0])
    assert gap.kept.all() and gap.holds == ()
    assert np.abs(closure_percent(gap.area_mm2) - truth).max() < 1


@pytest.mark.parametrize("last", [8, 14])
def test_noise_that_grows_is_held_back(last):
    """Of SD 14 the last frame shows no gap at all: 100 % for 56."""
    gap = find_gap(drawn(noise=np.linspace(2, last, 4))[0], dish.PIXEL_UM)
    assert any(h.startswith("frame 4 has ") and "noise" in h for h in gap.holds)
