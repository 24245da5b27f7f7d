"""Intervals of means with zeros in one arm cover .93 to .97 where no blocks are declared; drawn by
numpy alone."""

import numpy as np
import pytest

from periomics.statistics.kernels.contrasts import Bounded, interval, summarise, without_events
from periomics.statistics.kernels.means import of_means

STUDIES = 4000
# Three standard errors.
SLACK = 3 * (0.95 * 0.05 / STUDIES) ** 0.5


def shares(rng, n):
    """Percent of 150 objects, beta-binomial about 8, 38 and 18 %."""
    mean = np.array([0.08, 0.38, 0.18])[:, None]
    share = rng.beta(20 * mean, 20 * (1 - mean), (STUDIES, 3, n))
    return 100 * rng.binomial(150, share) / 150, np.array([8.0, 38.0, 18.0]), 100.0


def counts(rng, n):
    """Negative binomial about 3, 20 and 8."""
    mean = np.array([3.0, 20.0, 8.0])[:, None]
    values = rng.negative_binomial(2, 2 / (2 + mean), (STUDIES, 3, n))
    return values.astype(float), mean[:, 0], np.inf


@pytest.mark.parametrize("law", [shares, counts])
@pytest.mark.parametrize(("n", "zeros"), [(5, 0.6), (6, 0.3), (8, 1.0), (10, 0.6)])
def test_means_with_zeros_cover_what_they_say(law, n, zeros):
    rng = np.random.default_rng([n, int(10 * zeros), 9])
    values, true, most = law(rng, n)
    values[:, 0][rng.random((STUDIES, n)) < zeros] = 0.0
    true = true * [1 - zeros, 1, 1]
    flat, arm = values.reshape(STUDIES, -1), np.repeat(range(3), n)
    means = of_means(summarise(flat, arm, 3), flat, arm, (0.0, most))
    arms = Bounded(means, *without_events(flat, arm, 3, (0.0, most)))
    R = (true[2] - true[1]) / (true[0] - true[1])
    for weights in ([1, -1, 0], [0, -1, 1], [-1, 0, 1], [-R, R - 1, 1]):
        lower, upper = interval(arms.form(weights), 0.95)
        truth = np.dot(weights, true)
        above, below = (lower > truth).mean(), (upper < truth).mean()
        held = 1 - above - below
        assert held >= 0.93 - SLACK, (weights, held)
        if zeros < 1:
            assert held <= 0.97 + SLACK, (weights, held)
        elif weights[0]:
            # The bound of the arm without events holds: at .025 on the other side .975 are covered.
            assert min(above, below) < 0.005 < max(above, below)
