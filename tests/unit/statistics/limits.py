"""Clopper–Pearson limits, so that a simulated rate can fail a test and a fixed seed cannot make it flake."""

from scipy import stats


def clopper_pearson(hits, draws, level=0.999):
    """Exact limits of a share of `hits` in `draws`."""
    ci = stats.binomtest(int(hits), int(draws)).proportion_ci(level)
    return ci.low, ci.high


def at_most(hits, draws, rate, level=0.999):
    """Whether a true rate of `rate` or less is compatible with what was found."""
    return clopper_pearson(hits, draws, level)[0] <= rate


def compatible(hits, draws, rate, level=0.999):
    """Whether a true rate of exactly `rate` is compatible with what was found."""
    low, high = clopper_pearson(hits, draws, level)
    return low <= rate <= high
