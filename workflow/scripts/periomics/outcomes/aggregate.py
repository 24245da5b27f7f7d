"""From fields and sections to the animal: one value an animal, outcome, variant, condition, dose and time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from periomics.study.dictionary import entry
from periomics.study.settings.outcomes import OutcomeRules

COLUMNS = (
    "animal_id",
    "outcome",
    "variant",
    "condition",
    "dose",
    "time",
    "value",
    "unit",
    "n_sections",
    "n_fields",
    "status",
    "reason",
    "time_unit",
    "dose_unit",
    "numerator",
    "denominator",
    "denominator_unit",
    "batch",
    "modality",
    "source",
    "level",
)
STATUSES = ("measured", "missing", "excluded", "failed")
SOURCE_ORDER = {"measured": 0, "imported": 1, "reading": 2}
USED_ROLES = ("sample", "vehicle")
_KEY = ["animal_id", "outcome", "variant", "condition", "dose", "time"]
PLACE = ["specimen_id", "section_id", "field_id"]
# value = factor × numerator / denominator; the factor that fits is one of these (percent, mm, mm² from µm² …).
_FACTORS = np.array([1.0, 100.0, 1e3, 1e6, 1e9, 1e-3, 1e-6, 1e-9])
_FIT = 0.01


def aggregate(
    joined: pd.DataFrame, dictionary: pd.DataFrame, exclusions: pd.DataFrame, rules: OutcomeRules
) -> pd.DataFrame:
    """Animal-level values of all outcomes.

    Parameters
    ----------
    joined
        Measurements with design columns (`join_design`), cultures normalised.
    dictionary
        resources/outcomes.tsv.
    exclusions
        The exclusions sheet: level (animal, specimen, section), id, modality (empty: all), reason.
    rules
        Thresholds.

    Returns
    -------
    DataFrame
        Columns `COLUMNS`, sorted. Where every row of an animal carries numerator and denominator of one outcome, the value is
        the sum over the sum; otherwise the mean of fields in a section, then of sections, then of specimens. A value that
        cannot be given has a status (missing, excluded, failed) and a reason.
    """
    df = sampled_rows(joined, exclusions)
    rows = [
        _animal(key, part, dictionary, rules)
        for key, part in df.groupby(_KEY, dropna=False, sort=True)
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    for column in ("dose", "time", "value", "numerator", "denominator"):
        table[column] = table[column].astype(float)
    return table


def sampled_rows(joined: pd.DataFrame, exclusions: pd.DataFrame) -> pd.DataFrame:
    """Rows that animals are made of: samples and vehicles, second sources and regions as variants of their own.

    Returns
    -------
    DataFrame
        With `excluded` (the reason, or '') and `superseded` (another specimen takes its place).
    """
    df = joined[joined["role"].isin(USED_ROLES) & (joined["animal_id"] != "")].copy()
    df = _regions(_sources(df))
    df["excluded"] = excluded_reasons(df, exclusions)
    held = (df["qc"] == "hold") & (df["excluded"] == "")
    if held.any():
        df.loc[held, "excluded"] = "held back by the quality gate: " + df.loc[held, "qc_reason"]
    df["superseded"] = df["specimen_id"].isin(set(df["replaces"]) - {""})
    return df


def _sources(df: pd.DataFrame) -> pd.DataFrame:
    """Keep the best source of an animal's outcome as it is; a second source becomes a variant of its own."""
    rank = df["source"].map(SOURCE_ORDER)
    best = rank.groupby(
        [df[c] for c in ("animal_id", "outcome", "variant", "condition", "dose", "time")],
        dropna=False,
    )
    second = rank > best.transform("min")
    df["variant"] = df["variant"].where(~second, _labelled(df["variant"], "source", df["source"]))
    return df


def _regions(df: pd.DataFrame) -> pd.DataFrame:
    """Where an outcome has rows of the whole and of named regions, regions become variants; regions alone are pooled."""
    whole = (df["roi"] == "").groupby([df["outcome"], df["variant"]]).transform("any")
    part = whole & (df["roi"] != "")
    df["variant"] = df["variant"].where(~part, _labelled(df["variant"], "roi", df["roi"]))
    return df


def _labelled(variant: pd.Series, name: str, value: pd.Series) -> pd.Series:
    return variant.where(variant == "", variant + ";") + f"{name}=" + value


def excluded_reasons(df: pd.DataFrame, exclusions: pd.DataFrame) -> pd.Series:
    """Reason of the exclusion that hits a row, or ''."""
    out = pd.Series("", index=df.index)
    columns = {"animal": "animal_id", "specimen": "specimen_id", "section": "section_id"}
    for rule in exclusions.to_dict("records"):
        hit = df[columns[rule["level"]]] == rule["id"]
        if rule.get("modality"):
            hit &= df["modality"] == rule["modality"]
        out[hit & (out == "")] = f"{rule['level']} {rule['id']}: {rule['reason']}"
    return out


def _animal(
    key: tuple, part: pd.DataFrame, dictionary: pd.DataFrame, rules: OutcomeRules
) -> dict[str, object]:
    row: dict[str, Any] = dict(zip(_KEY, key, strict=True))
    known = entry(dictionary, str(row["outcome"]))
    first = part.iloc[0]
    row |= {
        "unit": next((u for u in part["unit"] if u), known["unit"]),
        "time_unit": first["time_unit"],
        "dose_unit": first["dose_unit"],
        "modality": first["modality"],
        "source": first["source"],
        "denominator_unit": "",
        "value": np.nan,
        "numerator": np.nan,
        "denominator": np.nan,
        "n_sections": 0,
        "n_fields": 0,
        "batch": _joined(part["batch"]),
        "level": "",
    }
    notes: list[str] = []
    if part["superseded"].any():
        old = part[part["superseded"]]
        new = _joined(part.loc[~part["superseded"], "specimen_id"]) or "a specimen without rows"
        notes.append(f"{_joined(old['specimen_id'])} replaced by {new}")
        part = part[~part["superseded"]]
    left = _kept(part, part["excluded"] == "")
    if len(part) and left.empty:
        return row | {"status": "excluded", "reason": _reason([*notes, _joined(part["excluded"])])}
    notes += [f"excluded {text}" for text in sorted(set(part["excluded"]) - {""})]
    sound = left["qc"] != "fail"
    good, bad = _kept(left, sound & left["value"].notna()), left[~sound]
    if good.empty:
        status = "failed" if len(bad) else "missing"
        return row | {
            "status": status,
            "reason": _reason([*notes, _joined(bad["qc_reason"]) or "no value"]),
        }
    if len(bad):
        notes.append(f"{len(bad)} of {len(left)} rows failed: {_joined(bad['qc_reason'])}")
    good = one_level(good, str(known["aggregation"]))
    places = set(zip(*(good[c] for c in PLACE), strict=True))
    row["n_sections"] = len({(specimen, section) for specimen, section, _ in places if section})
    row["n_fields"] = len({place for place in places if place[2]})
    row["unit"], row["level"] = good["unit"].iloc[0], good["level"].iloc[0]
    if "S>A" in str(known["aggregation"]) and 0 < int(row["n_sections"]) < rules.min_sections:
        notes.append(f"{row['n_sections']} section(s), at least {rules.min_sections} required")
        return row | {"status": "missing", "reason": _reason(notes)}
    row |= pool(good)
    return row | {"status": "measured", "reason": _reason(notes)}


def _kept(rows: pd.DataFrame, which: pd.Series) -> pd.DataFrame:
    """Rows of a mask; the rows themselves where none falls out, as in most of thousands of animals'
    outcomes."""
    return rows if which.to_numpy().all() else rows[which]


def _joined(values: pd.Series) -> str:
    return "|".join(sorted(set(values) - {""}))


def _reason(notes: list[str]) -> str:
    return "; ".join(n for n in notes if n)


def one_level(rows: pd.DataFrame, aggregation: str) -> pd.DataFrame:
    """Rows of one level where a table holds an outcome both by field and by section, so that nothing counts twice."""
    if len(rows) == 1:
        return rows
    fields = rows["field_id"] != ""
    sections = (rows["section_id"] != "") & ~fields
    whole = ~fields & ~sections
    order = (
        (fields, sections, whole)
        if aggregation.startswith(("F", "field"))
        else (sections, fields, whole)
    )
    return next(rows[level] for level in order if level.any())


def pool(rows: pd.DataFrame) -> dict[str, object]:
    """One value from rows of one animal and outcome.

    Parameters
    ----------
    rows
        specimen_id, section_id, field_id, reader, value, numerator, denominator, denominator_unit; no missing value.

    Returns
    -------
    dict
        value, numerator, denominator, denominator_unit. Several readers of a field are averaged first. With numerators and
        denominators throughout, value = factor × Σ numerator / Σ denominator, the factor (percent, unit of area) being the one
        that the rows themselves obey; otherwise the mean over fields, then sections, then specimens.
    """
    empty = {"numerator": np.nan, "denominator": np.nan, "denominator_unit": ""}
    units = set(rows["denominator_unit"])
    factor = _factor(rows) if len(units) == 1 else np.nan
    if not np.isnan(factor):
        # Averaging over readers keeps a field from counting once a reader.
        by = rows.groupby([*PLACE, "roi"], sort=True) if len(rows) > 1 else None
        top, bottom = (
            float((rows[c] if by is None else by[c].mean()).sum())
            for c in ("numerator", "denominator")
        )
        if bottom > 0:
            return {
                "value": factor * top / bottom,
                "numerator": top,
                "denominator": bottom,
                "denominator_unit": units.pop(),
            }
    if len(rows) == 1:
        return {"value": rows["value"].iloc[0], **empty}
    values = rows.groupby(PLACE, sort=True)["value"].mean()
    return {"value": values.groupby(level=[0, 1]).mean().groupby(level=0).mean().mean(), **empty}


def _factor(rows: pd.DataFrame) -> float:
    """The factor of value = factor × numerator / denominator that all rows obey, or NaN, also where
    a row lacks a part."""
    value, top, bottom = (rows[c].to_numpy(float) for c in ("value", "numerator", "denominator"))
    if (
        np.isnan(top + bottom).any()
        or (bottom < 0).any()
        or (value[(bottom == 0) | (top == 0)] != 0).any()
    ):
        return float("nan")
    keep = (bottom > 0) & (top > 0)
    if not keep.any():
        return 1.0
    found = value[keep] * bottom[keep] / top[keep]
    fit = np.abs(found[:, None] / _FACTORS - 1).max(axis=0)
    return float(_FACTORS[fit.argmin()]) if fit.min() < _FIT else float("nan")


def add_missing(
    table: pd.DataFrame, specimens: pd.DataFrame, animals: pd.DataFrame
) -> pd.DataFrame:
    """Rows for animals whose specimen a sheet declares but no measurement came of.

    Parameters
    ----------
    table
        Animal-level values (`aggregate`).
    specimens
        `specimen_table`: an animal is declared for a modality if it has a sample or vehicle there.
    animals
        The animals sheet.

    Returns
    -------
    DataFrame
        With status "missing" for every default-variant outcome of the modality that other animals have in the same condition's
        modality; an animal that no sheet of the modality names gets no row.
    """
    groups = animals.set_index("animal_id")["group"]
    declared = specimens[specimens["role"].isin(USED_ROLES) & (specimens["animal_id"] != "")]
    rows = []
    for modality, part in table[(table["variant"] == "") & (table["modality"] != "")].groupby(
        "modality", sort=True
    ):
        want = declared[declared["modality"] == modality]
        for outcome, seen in part.groupby("outcome", sort=True):
            unit = next((u for u in seen["unit"] if u), "")
            absent = want[~want["animal_id"].isin(seen["animal_id"])].drop_duplicates("animal_id")
            for r in absent.to_dict("records"):
                rows.append(
                    dict.fromkeys(("value", "numerator", "denominator"), np.nan)
                    | {
                        "animal_id": r["animal_id"],
                        "outcome": outcome,
                        "variant": "",
                        "dose": r["dose"],
                        "unit": unit,
                        "condition": r["condition"] or groups.get(r["animal_id"], ""),
                        "time": r["time"],
                        "n_sections": 0,
                        "n_fields": 0,
                        "status": "missing",
                        "reason": "declared in the sheet, not measured",
                        "time_unit": r["time_unit"],
                        "dose_unit": r["dose_unit"],
                        "denominator_unit": "",
                        "batch": r["batch"],
                        "modality": modality,
                        "source": "",
                        "level": "",
                    }
                )
    if rows:
        table = pd.concat(
            [table, pd.DataFrame(rows)[list(COLUMNS)].astype(table.dtypes.to_dict())],
            ignore_index=True,
        )
    order = ["outcome", "variant", "animal_id", "condition", "dose", "time"]
    return table.sort_values(order, na_position="first", kind="stable").reset_index(drop=True)
