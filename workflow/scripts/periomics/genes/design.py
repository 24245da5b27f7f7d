"""Which libraries enter a differential test, with which arm and blocks; and the model matrix of their design."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from periomics.core.errors import InputError, nearest

MIN_PER_ARM = 3


@dataclass(frozen=True)
class Model:
    """A model matrix with what its columns mean.

    Attributes
    ----------
    matrix
        (samples, coefficients): intercept, arms but the first, blocks that add something.
    arms
        Arms, sorted; the first is the reference.
    dropped
        Names of block levels that the arms or other blocks already determine.
    """

    matrix: pd.DataFrame
    arms: tuple[str, ...]
    dropped: tuple[str, ...]

    def vector(self, weights: Mapping[str, float]) -> np.ndarray:
        """A contrast of arms (weights summing to 0) as a vector over the coefficients."""
        out = np.zeros(self.matrix.shape[1])
        for i, arm in enumerate(self.arms[1:], start=1):
            out[i] = weights.get(arm, 0.0)
        return out

    def arm_of(self, samples: Sequence[str]) -> np.ndarray:
        """Number of each sample's arm in `arms`."""
        names = [f"arm:{arm}" for arm in self.arms[1:]]
        columns = self.matrix.loc[list(samples), names].to_numpy(float)
        return (columns @ np.arange(1, len(self.arms))).astype(int)

    @property
    def freedom(self) -> int:
        """Residual degrees of freedom."""
        return len(self.matrix) - self.matrix.shape[1]


def sample_table(
    libraries: pd.DataFrame, animals: pd.DataFrame, exclusions: pd.DataFrame, modality: str
) -> pd.DataFrame:
    """Libraries with what their unit adds: unit, group, block; without exclusions, replaced libraries and controls.

    Parameters
    ----------
    libraries, animals, exclusions
        The sheets.
    modality
        bulk or singlecell.
    """
    df = libraries[(libraries["assay"] == modality) & (libraries["role"] == "sample")]
    gone = set(df["replaces"]) - {""}
    for rule in exclusions[exclusions["modality"].isin(["", modality])].to_dict("records"):
        column = {"animal": "animal_id", "specimen": "specimen_id"}.get(str(rule["level"]))
        if column:
            gone |= set(df.loc[df[column] == rule["id"], "specimen_id"])
    df = df[~df["specimen_id"].isin(gone)]
    units = animals.drop_duplicates("animal_id").set_index("animal_id")[["unit", "group", "block"]]
    return (
        df.join(units, on="animal_id")
        .fillna({"unit": "", "group": "", "block": ""})
        .reset_index(drop=True)
    )


def select(samples: pd.DataFrame, where: Mapping[str, object], name: str) -> pd.DataFrame:
    """Samples that match the `select` of an analysis.

    Raises
    ------
    InputError
        If a column is unknown, or no library has the value (the nearest known one is named).
    """
    for column, wanted in where.items():
        if column not in samples.columns:
            raise InputError(
                f"analysis {name} selects by an unknown column{nearest(str(column), samples.columns)}",
                column="select",
                value=column,
            )
        values = [str(v) for v in (wanted if isinstance(wanted, list | tuple) else [wanted])]
        cells = samples[column].map(_text)
        hit = cells.isin(values)
        if not hit.any():
            known = sorted(set(cells))
            raise InputError(
                f"analysis {name} selects no library{nearest(values[0], known)}",
                file="libraries",
                column=str(column),
                value=", ".join(values),
                allowed=", ".join(known),
            )
        samples = samples[hit]
    return samples.reset_index(drop=True)


def _text(value: object) -> str:
    if isinstance(value, float):
        return "" if value != value else f"{value:g}"
    return str(value)


def with_design(samples: pd.DataFrame, arm: str, blocks: Sequence[str], name: str) -> pd.DataFrame:
    """Samples with `arm` and `block_*` columns; libraries without an arm are left out.

    Parameters
    ----------
    samples
        Of `select`.
    arm
        group or condition.
    blocks
        Columns such as block, batch or animal_id.
    name
        Of the analysis, for errors.

    Raises
    ------
    InputError
        If a column is unknown, a block cell is empty, or libraries of several times or species are
        mixed.
    """
    for column in (arm, *blocks):
        if column not in samples.columns:
            raise InputError(
                f"analysis {name} names an unknown column{nearest(column, samples.columns)}",
                column="arm, block",
                value=column,
            )
    df = samples[samples[arm] != ""].copy()
    df["arm"] = df[arm]
    one_species(df, name)
    if df["time"].map(_text).nunique() > 1:
        times = ", ".join(sorted(set(df["time"].map(_text))))
        raise InputError(
            f"analysis {name} mixes libraries of several times",
            column="time",
            value=times,
            allowed="one time, by select: {time: ...}",
        )
    for i, column in enumerate(blocks):
        if (df[column] == "").any():
            first = df.loc[df[column] == "", "specimen_id"].iloc[0]
            raise InputError(
                f"analysis {name}: block column is empty for {first}",
                column=column,
                allowed="a block for every library",
            )
        df[f"block_{i}"] = df[column]
    return df.sort_values("specimen_id").reset_index(drop=True)


def one_species(samples: pd.DataFrame, name: str) -> str:
    """Species of the libraries of an analysis, '' where none is stated.

    Raises
    ------
    InputError
        If there are several: their genes are not the same, so that no model holds them together.
    """
    found = sorted(set(samples.get("species", pd.Series(dtype=str)).map(_text)) - {""})
    if len(found) > 1:
        first = samples.drop_duplicates("species").sort_values("species")
        shown = zip(first["specimen_id"], first["species"], strict=True)
        raise InputError(
            f"analysis {name} mixes libraries of several species",
            file="libraries",
            column="species",
            value=", ".join(f"{i} {s}" for i, s in shown if s),
            allowed="one species, by select: {species: ...}",
        )
    return found[0] if found else ""


def collapse(counts: pd.DataFrame, samples: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Sum libraries of the same unit, arm and blocks, so that the unit enters once.

    Parameters
    ----------
    counts
        Genes × specimens.
    samples
        Of `with_design`.

    Returns
    -------
    counts, samples
        Genes × units under an arm, with one row of samples each (`n_libraries` says how many were summed).
    """
    grouped = samples.groupby(["animal_id", "arm"], sort=True)
    first = grouped.first().assign(n_libraries=grouped.size())
    for block in [c for c in samples.columns if c.startswith("block_")]:
        # A unit that was sequenced in two batches belongs to neither: it forms a block with others like it.
        first[block] = grouped[block].agg(lambda values: "|".join(sorted(set(values))))
    first = first.reset_index()
    summed = {
        row.specimen_id: counts[
            list(grouped.get_group((row.animal_id, row.arm))["specimen_id"])
        ].sum(axis=1)
        for row in first.itertuples()
    }
    return pd.DataFrame(summed, index=counts.index), first


def collapse_lengths(
    lengths: pd.DataFrame, counts: pd.DataFrame, samples: pd.DataFrame
) -> pd.DataFrame:
    """Transcript lengths of the units that `collapse` gives: of summed libraries, reads over reads per length.

    Parameters
    ----------
    lengths, counts
        Genes × specimens.
    samples
        Of `with_design`.
    """
    weight = counts.loc[lengths.index, lengths.columns] + 1e-9
    reads, _ = collapse(weight, samples)
    molecules, _ = collapse(weight / lengths, samples)
    return reads / molecules


def model_matrix(samples: pd.DataFrame) -> Model:
    """Intercept, arms and block levels, without block levels that add nothing to the columns before them."""
    arms = tuple(sorted(set(samples["arm"])))
    columns = {"intercept": np.ones(len(samples))}
    for arm in arms[1:]:
        columns[f"arm:{arm}"] = (samples["arm"] == arm).to_numpy(float)
    matrix, dropped = pd.DataFrame(columns, index=samples["specimen_id"]), []
    for block in [c for c in samples.columns if c.startswith("block_")]:
        levels = sorted(set(samples[block]))
        for level in levels[1:]:
            wider = matrix.assign(**{f"{block}:{level}": (samples[block] == level).to_numpy(float)})
            if np.linalg.matrix_rank(wider.to_numpy()) > matrix.shape[1]:
                matrix = wider
            else:
                dropped.append(level)
    return Model(matrix, arms, tuple(dropped))


def estimable(model: Model, samples: pd.DataFrame, weights: Mapping[str, float]) -> bool:
    """Whether a contrast of arms can be told apart from the blocks (it lies in the row space of the full design)."""
    arm = np.column_stack([(samples["arm"] == a).to_numpy(float) for a in model.arms])
    blocks = [
        pd.get_dummies(samples[c], dtype=float).to_numpy()
        for c in samples.columns
        if c.startswith("block_")
    ]
    full = np.hstack([arm, *blocks])
    row = np.concatenate(
        [[weights.get(a, 0.0) for a in model.arms], np.zeros(full.shape[1] - len(model.arms))]
    )
    return int(np.linalg.matrix_rank(np.vstack([full, row]))) == int(np.linalg.matrix_rank(full))


def contrast_weights(
    claims: Mapping[str, object], roles: Mapping[str, object] | None, name: str
) -> dict[str, float]:
    """Weights of a named contrast of claims.yaml with the roles healthy and disease replaced by their arms, without those of 0.

    An arm that is named by itself and by its role has both weights together.

    Raises
    ------
    InputError
        If no such contrast is declared, or its weights do not sum to 0 over two arms or more.
    """
    contrasts = claims.get("contrasts")
    contrasts = contrasts if isinstance(contrasts, Mapping) else {}
    entry = contrasts.get(name)
    if not isinstance(entry, Mapping) or not isinstance(entry.get("weights"), Mapping):
        raise InputError(
            f"unknown contrast{nearest(name, map(str, contrasts))}",
            file="claims",
            value=name,
            allowed=", ".join(map(str, contrasts)),
        )
    arms = {r: str((roles or {})[r]) for r in ("healthy", "disease") if (roles or {}).get(r)}
    found: dict[str, float] = {}
    for key, weight in entry["weights"].items():
        arm = arms.get(str(key), str(key))
        found[arm] = found.get(arm, 0.0) + float(weight)
    found = {arm: weight for arm, weight in found.items() if weight}
    if not found or abs(sum(found.values())) > 1e-9:
        message = f"weights of contrast {name} must sum to 0 over two arms or more"
        raise InputError(message, file="claims", value=dict(entry["weights"]))
    return found


def missing_arms(model: Model, weights: Mapping[str, float]) -> list[str]:
    """Arms of a contrast that no library is in."""
    return [a for a in weights if a not in model.arms]


def standing(
    samples: pd.DataFrame,
    model: Model,
    weights: Mapping[str, float],
    min_per_arm: int = MIN_PER_ARM,
) -> tuple[str, str]:
    """What a contrast may be called: `tested`, `descriptive` (estimates without p-values) or `refused`, with the reason."""
    if missing := missing_arms(model, weights):
        return "refused", f"no library in arm {', '.join(missing)}"
    if not estimable(model, samples, weights):
        return "refused", "blocks and arms are confounded: the contrast cannot be estimated"
    if model.freedom < 1:
        return (
            "refused",
            f"{len(samples)} samples for {model.matrix.shape[1]} coefficients leave no degrees of freedom",
        )
    if (samples["unit"] == "technical").any():
        return "descriptive", "technical replicates: no inference beyond this one biological sample"
    sizes = samples.groupby("arm")["animal_id"].nunique().reindex(list(weights))
    if (sizes < min_per_arm).any():
        shown = ", ".join(f"{a} {n}" for a, n in sizes.items())
        return "descriptive", f"fewer than {min_per_arm} units per arm ({shown})"
    return "tested", ""
