"""A small bone and a round VOI that is not the whole of it, for what is measured by slabs."""

import numpy as np
import pytest
from microct_bodies import SHAPE, grid

from periomics.simulate.trabeculae import random_field


@pytest.fixture(scope="session")
def field():
    return random_field(SHAPE, 14.0, np.random.default_rng(4))


@pytest.fixture(scope="session")
def bone(field):
    return field > np.quantile(field, 0.7)


@pytest.fixture(scope="session")
def voi():
    z, y, x = grid(SHAPE)
    return ((z - 20) / 18.0) ** 2 + ((y - 25) / 20.0) ** 2 + ((x - 22) / 19.0) ** 2 <= 1
