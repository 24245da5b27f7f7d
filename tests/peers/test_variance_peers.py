"""Components of variance by analysis of variance beside REML of statsmodels MixedLM: same where balanced, less biased where not."""

import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "unit" / "outcomes"))

from test_variance import PLANTED, draw, nest  # noqa: E402

from periomics.outcomes.variance import nested_components  # noqa: E402

smf = pytest.importorskip("statsmodels.formula.api")


def reml(labels, y):
    arm, animal, section = labels
    df = pd.DataFrame({"y": y, "arm": arm, "animal": arm * 100 + animal, "section": section})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = smf.mixedlm(
            "y ~ C(arm)", df, groups="animal", re_formula="1", vc_formula={"s": "0 + C(section)"}
        )
        fit = model.fit(
            reml=True, method="powell"
        )  # the default optimiser may stop below the maximum
    return np.array([fit.cov_re.iloc[0, 0], fit.vcomp[0], fit.scale])


def test_balanced_components_are_those_of_reml():
    rng = np.random.default_rng(21)
    labels = nest(rng)
    y = draw(rng, labels)
    found = nested_components(y, labels[1:], labels[0]).variance
    assert (found > 0).all()
    np.testing.assert_allclose(found, reml(labels, y), rtol=2e-3)


def bias(studies, sections, fields, seed=22):
    """Mean error over the planted value of both estimators, and its Monte Carlo error."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(studies):
        labels = nest(rng, sections=sections, fields=fields)
        y = draw(rng, labels)
        found.append([nested_components(y, labels[1:], labels[0]).variance, reml(labels, y)])
    found = np.array(found)
    return found.mean(axis=0) / PLANTED - 1, found.std(axis=0, ddof=1) / np.sqrt(studies) / PLANTED


if __name__ == "__main__":
    for sections, fields in (((3, 3), (5, 5)), ((1, 5), (2, 9)), ((1, 3), (1, 2))):
        mean, error = bias(int(sys.argv[1]) if len(sys.argv) > 1 else 200, sections, fields)
        print(f"sections {sections}, fields {fields}")
        for name, m, e in zip(("analysis of variance", "REML"), mean, error, strict=True):
            print(
                f"  {name:20s}",
                "  ".join(f"{a:+.3f} ({b:.3f})" for a, b in zip(m, e, strict=True)),
                flush=True,
            )
