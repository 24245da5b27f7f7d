"""Small discs laid row by row are those of distances, pixel by pixel."""

import numpy as np
import pytest
from edt import edt

from periomics.histology.detection import dilate, erode


@pytest.mark.parametrize("pixel", [0.25, 0.4987, 1.0])
@pytest.mark.parametrize("radius", [0.7, 2.5, 3.0, 5.0])
def test_small_discs_are_those_of_distances(pixel, radius):
    rng = np.random.default_rng(int(10 * radius))
    for share, shape in (
        (0.002, (300, 170)),
        (0.4, (131, 90)),
        (0.998, (260, 140)),
        (0.1, (1, 40)),
    ):
        mask = rng.random(shape) < share
        mask.flat[3], mask.flat[5] = True, False
        size = (pixel, pixel)
        near = edt(~mask, anisotropy=size, black_border=False) <= radius
        deep = edt(mask, anisotropy=size, black_border=False) > radius
        if radius < pixel / 2:
            near = deep = mask
        np.testing.assert_array_equal(dilate(mask, radius, pixel), near)
        np.testing.assert_array_equal(erode(mask, radius, pixel), deep)
