"""What was measured beside what was simulated: `python -m periomics.simulate.recovery CONFIG` prints it and exits 0 only if all passes."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from periomics.core.results import read_result

COLUMNS = (
    "outcome",
    "specimen_id",
    "section_id",
    "variant",
    "time",
    "measured",
    "truth",
    "error",
    "tolerance",
    "pass",
)
PERCENT_OF_VEHICLE = "% of vehicle"
# Over how many specimens, and over what spread of truth, a slope says anything.
MIN_SLOPE_N = 8
SLOPE_TOLERANCE = 0.05


def join_truth(measurements: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Every row of truth with the measurement that should match it (missing where there is none).

    Rows match by specimen, section, field, outcome and variant, and by time where the truth states one.
    """
    keys = ["specimen_id", "section_id", "field_id", "outcome", "variant"]
    measured = measurements[(measurements["source"] == "measured") & (measurements["qc"] != "fail")]
    with_time, without = truth[truth["time"].notna()], truth[truth["time"].isna()]
    columns = [*keys, "value"]
    parts = [
        with_time.merge(measured[[*columns, "time"]], on=[*keys, "time"], how="left"),
        without.merge(measured[columns], on=keys, how="left"),
    ]
    return pd.concat([p for p in parts if len(p)], ignore_index=True)


def vehicle_truth(
    truth: pd.DataFrame, specimens: pd.DataFrame, units: pd.DataFrame
) -> pd.DataFrame:
    """Plate readouts as percent of the own isolation's vehicle: true beside aggregated, per isolation and condition.

    Parameters
    ----------
    truth
        Realised signal above the empty well, one row per well.
    specimens
        The cultures sheet.
    units
        outcomes/animals.tsv.
    """
    wells = truth.merge(
        specimens[["specimen_id", "animal_id", "condition", "role", "cue"]],
        on=["specimen_id", "animal_id"],
    )
    wells = wells[wells["role"].isin(["sample", "vehicle"])]
    vehicle = (
        wells[wells["role"] == "vehicle"]
        .groupby(["animal_id", "outcome", "cue"])["truth"]
        .mean()
        .rename("vehicle")
    )
    means = (
        wells.groupby(["animal_id", "outcome", "cue", "condition"])["truth"].mean().reset_index()
    )
    means = means.join(vehicle, on=["animal_id", "outcome", "cue"])
    means["truth"] = 100 * means["truth"] / means["vehicle"]
    measured = units.loc[units["variant"] == "", ["animal_id", "outcome", "condition", "value"]]
    out = means.merge(measured, on=["animal_id", "outcome", "condition"], how="left")
    out["specimen_id"] = out["animal_id"] + ":" + out["condition"]
    return out.assign(section_id="", variant="")[
        ["animal_id", "specimen_id", "section_id", "outcome", "variant", "truth", "value"]
    ]


def recovery_table(joined: pd.DataFrame, dictionary: pd.DataFrame, arm: pd.Series) -> pd.DataFrame:
    """Errors with tolerance and verdict, followed by slope and arm rows per outcome and variant.

    Parameters
    ----------
    joined
        Columns of `join_truth`: truth, value, specimen_id, animal_id, section_id, outcome, variant, time.
    dictionary
        resources/outcomes.tsv: tolerance = max(tolerance_abs, tolerance_rel x |truth|).
    arm
        animal_id → arm, for the check that errors do not follow arms.
    """
    df = joined.rename(columns={"value": "measured"}).copy()
    df["tolerance"] = [
        _tolerance(dictionary.loc[o], t) for o, t in zip(df["outcome"], df["truth"], strict=True)
    ]
    df["error"] = df["measured"] - df["truth"]
    df["pass"] = (df["error"].abs() <= df["tolerance"]).map({True: "yes", False: "no"})
    df["arm"] = df["animal_id"].map(arm).fillna("")
    rows = []
    for (outcome, variant), part in df.groupby(["outcome", "variant"]):
        rows += _slope(outcome, variant, part) + _arms(outcome, variant, part)
    table = pd.concat([df, pd.DataFrame(rows)], ignore_index=True) if rows else df
    return table.reindex(columns=list(COLUMNS)).sort_values(
        ["outcome", "variant", "specimen_id", "section_id", "time"]
    )


def _tolerance(entry: pd.Series, truth: float) -> float:
    parts = [entry["tolerance_abs"], entry["tolerance_rel"] * abs(truth)]
    known = [float(p) for p in parts if p == p]
    if not known:
        raise ValueError(f"outcome {entry['outcome']} has no tolerance in the dictionary")
    return max(known)


def _slope(outcome: str, variant: str, part: pd.DataFrame) -> list[dict[str, object]]:
    """Slope of measured against true values, where the range of truth is wide against the tolerance."""
    part = part.dropna(subset=["measured", "truth"])
    if len(part) < MIN_SLOPE_N or np.ptp(part["truth"]) < 5 * part["tolerance"].median():
        return []
    slope = float(np.polyfit(part["truth"], part["measured"], 1)[0])
    return [_summary(outcome, variant, "(slope)", slope, 1.0, SLOPE_TOLERANCE)]


def _arms(outcome: str, variant: str, part: pd.DataFrame) -> list[dict[str, object]]:
    """Largest distance of an arm's mean error from the overall mean error: errors must not follow arms."""
    part = part[(part["arm"] != "") & part["error"].notna()]
    if part["arm"].nunique() < 2 or part.groupby("arm").size().min() < 3:
        return []
    means = part.groupby("arm")["error"].mean()
    spread = float((means - part["error"].mean()).abs().max())
    return [
        _summary(outcome, variant, "(arms)", spread, 0.0, float(part["tolerance"].median()) / 2)
    ]


def _summary(
    outcome: str, variant: str, name: str, measured: float, truth: float, tolerance: float
) -> dict[str, object]:
    error = measured - truth
    return {
        "outcome": outcome,
        "variant": variant,
        "specimen_id": name,
        "section_id": "",
        "measured": measured,
        "truth": truth,
        "error": error,
        "tolerance": tolerance,
        "pass": "yes" if abs(error) <= tolerance else "no",
    }


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """One line per outcome and variant: number, bias, largest error against tolerance, slope, how many pass."""
    rows = []
    for (outcome, variant), part in table.groupby(["outcome", "variant"], sort=True):
        single = part[~part["specimen_id"].str.startswith("(")]
        slope = part.loc[part["specimen_id"] == "(slope)", "measured"]
        rows.append(
            {
                "outcome": outcome,
                "variant": variant,
                "n": len(single),
                "bias": single["error"].mean(),
                "worst": (single["error"].abs() / single["tolerance"]).max(),
                "slope": slope.iloc[0] if len(slope) else np.nan,
                "passed": f"{int((part['pass'] == 'yes').sum())}/{len(part)}",
            }
        )
    return pd.DataFrame(rows)


def recovery_figure(table: pd.DataFrame):
    """Measured against true values, one panel per outcome (default variant), with the tolerance band."""
    from periomics.core.figures import PALETTE, new_figure

    single = table[~table["specimen_id"].str.startswith("(") & (table["variant"] == "")]
    outcomes = sorted(single["outcome"].unique())
    columns = min(4, max(1, len(outcomes)))
    rows = -(-max(1, len(outcomes)) // columns)
    fig, axes = new_figure(2.6 * columns, 2.4 * rows, nrows=rows, ncols=columns, squeeze=False)
    for ax in axes.ravel()[len(outcomes) :]:
        ax.axis("off")
    for ax, outcome in zip(axes.ravel(), outcomes, strict=False):
        part = single[single["outcome"] == outcome].sort_values("truth")
        ax.fill_between(
            part["truth"],
            part["truth"] - part["tolerance"],
            part["truth"] + part["tolerance"],
            color="0.9",
        )
        ax.plot(part["truth"], part["truth"], color="0.5", lw=0.8)
        good = part["pass"] == "yes"
        ax.plot(part["truth"][good], part["measured"][good], "o", ms=3, color=PALETTE[0])
        ax.plot(part["truth"][~good], part["measured"][~good], "x", ms=5, color=PALETTE[1])
        ax.set_title(outcome, fontsize=8)
        ax.set(xlabel="truth", ylabel="measured")
    return fig


def main(config: str) -> int:
    from periomics.study.run import results_folder

    path = results_folder(["--configfile", config]) / "recovery.tsv"
    if not Path(path).is_file():
        print(
            f"{path} does not exist: this study is not simulated, or was not run", file=sys.stderr
        )
        return 1
    table = read_result(path)
    print(summary(table).to_string(index=False, float_format=lambda v: f"{v:.3g}"))
    bad = table[table["pass"] != "yes"]
    if len(bad):
        print(
            f"\n{len(bad)} of {len(table)} rows outside their tolerance:\n{bad.to_string(index=False)}",
            file=sys.stderr,
        )
    return int(len(bad) > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
