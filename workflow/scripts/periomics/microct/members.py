"""Whether a scan is as bright as the others of its batch: one scanned otherwise wins or loses bone
by the threshold of all.

Grey values of marrow and bone away from any surface are set against their medians over the batch,
so that one odd scan stands out and moves no other. Scans are compared where the sheet says one
batch, medium, tube voltage and beam filter for them. Of two scans neither can be said to be the odd
one. A difference in the mineral of bone between animals moves bone alone and stays far below the
limit; the comparison knows no arms. Where one half of a batch is brighter than the other, in marrow
and bone, the median lies between them and neither half is odd: all are held back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from periomics.study.settings.microct import Microct

# Facts by which a scan is compared.
LEVELS = ("grey value of marrow", "grey value of bone")
COLUMNS = ("specimen_id", "batch", "marrow", "bone", "scans", "beside_percent", "hold", "reason")
SETTINGS = ("batch", "medium", "kv", "filter")
LEAST = 3  # scans among which one can be odd
# Halves of a batch differ in brightness, not in mineral, where marrow differs by this share of the
# limit too.
OF_MARROW = 1 / 3


def levels_of(facts: pd.DataFrame) -> tuple[float, float]:
    """Grey values of marrow and bone from the facts of a scan; NaN where it has none."""
    said = facts.drop_duplicates("fact").set_index("fact")["value"]  # a file may say one twice
    marrow, bone = pd.to_numeric(said.reindex(list(LEVELS)), errors="coerce")
    return float(marrow), float(bone)


def away(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far (%) marrow and bone of scans, (scans, 2), lie from their medians, in the median
    contrast."""
    contrast = float(np.median(np.diff(levels, axis=1)))
    return 100 * np.abs(levels - np.median(levels, axis=0)) / contrast


def between_halves(levels: NDArray[np.float64]) -> tuple[float, float]:
    """How far (%) apart marrow and bone of the darker and the brighter half of an even number of
    scans, (scans, 2), lie in the median contrast; below 0 where the halves overlap, 0 for other
    numbers."""
    half, odd = divmod(len(levels), 2)
    if odd or half < 2:
        return 0.0, 0.0
    order = levels[np.argsort(levels[:, 1], kind="stable")]
    gap = order[half:].min(axis=0) - order[:half].max(axis=0)
    marrow, bone = 100 * gap / float(np.median(np.diff(levels, axis=1)))
    return float(marrow), float(bone)


def compared(
    rows: Sequence[Mapping[str, object]],
    levels: Mapping[str, tuple[float, float]],
    settings: Microct,
) -> pd.DataFrame:
    """Every scan beside the others of its batch.

    Parameters
    ----------
    rows
        The sheet's rows of the scans (specimen_id and SETTINGS), never of phantoms.
    levels
        Grey values of marrow and bone by specimen.

    Returns
    -------
    Columns COLUMNS: `scans` how many are compared, `beside_percent` how far the farther of both
    grey values lies from the median, in the median contrast; `hold` whether that is beyond the
    limit; `reason` what it is, or why nothing is compared.
    """
    groups: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        key = tuple(str(row.get(c) or "") for c in SETTINGS)
        groups.setdefault(key, []).append(str(row["specimen_id"]))
    found = [
        one
        for key, names in groups.items()
        for one in _group(key[0], names, np.array([levels[n] for n in names]), settings)
    ]
    return pd.DataFrame(found, columns=list(COLUMNS)).sort_values("specimen_id", kind="stable")


def _group(
    batch: str, names: Sequence[str], levels: NDArray[np.float64], settings: Microct
) -> list[dict[str, object]]:
    """Rows of scans that one batch and settings hold."""
    told = np.isfinite(levels).all(axis=1)
    n = int(told.sum())
    rows: list[dict[str, object]] = [
        {"specimen_id": name, "batch": batch, "marrow": m, "bone": b, "scans": n, "hold": "no"}
        for name, (m, b) in zip(names, levels, strict=True)
    ]
    why = "the sheet names no batch" if not batch else f"{n} scans of its batch and settings"
    if not batch or n < LEAST:
        return [row | {"reason": f"not compared: {why}, {LEAST} are needed"} for row in rows]
    for k in np.flatnonzero(~told):
        rows[k]["reason"] = "not compared: no marrow or bone away from its surface"
    limit, middle = settings.max_beside_percent, np.median(levels[told], axis=0)
    in_marrow, in_bone = between_halves(levels[told])
    parted = in_bone > limit and in_marrow > OF_MARROW * limit
    for k, beside in zip(np.flatnonzero(told), away(levels[told]), strict=True):
        at = int(beside.argmax())
        rows[k] |= {"beside_percent": float(beside[at]), "reason": ""}
        if parted:
            rows[k] |= {
                "hold": "yes",
                "reason": f"half of the {n} scans of its batch are brighter than the others by "
                f"{in_bone:.3g} % of "
                f"their contrast, marrow too (limit {limit:g} %): which half is right is not told",
            }
        elif not beside[at] <= limit:
            rows[k] |= {
                "hold": "yes",
                "reason": f"{LEVELS[at]} {levels[k, at]:.5g}, of the {n} scans of its batch "
                f"{middle[at]:.5g}: "
                f"{beside[at]:.3g} % of their contrast (limit {limit:g} %)",
            }
    return rows
