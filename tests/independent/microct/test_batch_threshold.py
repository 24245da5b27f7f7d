"""Otsu's threshold of a batch beside plain search over all cuts of a histogram written out by hand."""

import numpy as np
import pytest

from periomics.microct.batch import pooled_otsu
from periomics.microct.formats.lazy import in_memory
from periomics.study.settings.microct import Microct

SCANS = {
    "a": np.random.default_rng(1).normal(100, 12, (9, 10, 11)),
    "b": np.random.default_rng(2).choice([90.0, 160.0], (14, 8, 9)),
}


def by_search(pools, bins):
    """Cut with the largest variance between the two sides, every scan of the same weight."""
    values = np.concatenate(pools)
    weights = np.concatenate([np.full(p.size, 1 / p.size) for p in pools])
    low, width = values.min(), (values.max() - values.min()) / bins
    at = np.minimum(((values - low) / width).astype(int), bins - 1)
    best, where = -1.0, None
    for cut in range(1, bins):
        left = at < cut
        w = weights[left].sum(), weights[~left].sum()
        if min(w) > 0:
            means = [np.average(at[m], weights=weights[m]) for m in (left, ~left)]
            between = w[0] * w[1] * (means[0] - means[1]) ** 2
            if between > best * (1 + 1e-12):
                best, where = between, cut
    return low + (where - 0.5) * width  # the middle of the last bin below


@pytest.mark.parametrize("bins", [16, 100, 256])
def test_threshold_of_a_batch_is_that_of_a_plain_search(bins):
    settings = Microct.of(
        {
            "threshold_rule": "otsu",
            "implant": "none",
            "implant_threshold": 1e6,
            "prefilter_sigma_voxels": 0,
            "otsu_bins": bins,
        }
    )
    rows = [{"specimen_id": n} for n in SCANS]
    found, used = pooled_otsu(
        rows,
        settings,
        lambda r: in_memory(SCANS[r["specimen_id"]].astype(np.float32), (18.0,) * 3),
        [],
    )
    assert used == 2
    wanted = by_search([s.astype(np.float32).astype(float).ravel() for s in SCANS.values()], bins)
    assert found == pytest.approx(wanted, abs=1e-4)
