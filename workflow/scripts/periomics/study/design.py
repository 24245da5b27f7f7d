"""The design of a study as contrasts see it: weights of arms, and whether batches leave them apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from periomics.study.study import Study


def arm_weights(study: Study, weights: Mapping[str, float]) -> dict[str, float]:
    """Weights of a contrast with healthy and disease replaced by the arms they stand for; an arm
    named twice has the sum."""
    roles = study.config.get("roles")
    roles = roles if isinstance(roles, Mapping) else {}
    names = {r: str(roles[r]) for r in ("healthy", "disease") if roles.get(r)}
    out: dict[str, float] = {}
    for arm, weight in weights.items():
        name = names.get(str(arm), str(arm))
        out[name] = out.get(name, 0.0) + float(weight)
    return out


def estimable(design: pd.DataFrame, contrast: Mapping[str, float]) -> bool:
    """Whether a contrast of arms can be told apart from batches.

    Parameters
    ----------
    design
        Columns `arm` and `batch`, one row per specimen.
    contrast
        Weights by arm, summing to zero.

    Notes
    -----
    The contrast is estimable when it lies in the row space of the model matrix [batch | arm].
    """
    arms = sorted(set(design["arm"]))
    if any(a not in arms for a in contrast):
        return False
    batch = pd.get_dummies(design["batch"], dtype=float).to_numpy()
    arm = np.stack([(design["arm"] == a).to_numpy(float) for a in arms], axis=1)
    model = np.hstack([batch, arm])
    weights = np.concatenate(
        [np.zeros(batch.shape[1]), [float(contrast.get(a, 0.0)) for a in arms]]
    )
    return int(np.linalg.matrix_rank(np.vstack([model, weights]))) == int(
        np.linalg.matrix_rank(model)
    )


def only_in(design: pd.DataFrame, arms: Iterable[str]) -> str:
    """Which batches each arm of a contrast is in, in words; `design` as for `estimable`."""
    pairs = design[design["arm"].isin(list(arms))].groupby("arm")["batch"].unique()
    return "; ".join(
        f"{arm} only in {', '.join(sorted(batches))}" for arm, batches in pairs.items()
    )
