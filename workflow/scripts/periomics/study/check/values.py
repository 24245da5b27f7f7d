"""Checks of what is measured and of numbers that people wrote: outcomes, their ranges, times and sizes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from periomics.core.errors import InputError, nearest
from periomics.core.problems import Problem
from periomics.study.check.claims import claim_outcomes
from periomics.study.check.design import sheet_name
from periomics.study.check.settings import section
from periomics.study.claims import COMPOSITE
from periomics.study.dictionary import RANGE, entry
from periomics.study.modalities import SHEET_OF
from periomics.study.sheets import CONDITION_SHEETS
from periomics.study.study import Study

# The sheet whose rows give the outcomes of a modality; imports and readings name their outcomes themselves.
_SOURCES = {m: s for m, s in SHEET_OF.items() if s not in ("imports", "readings")}
# Part of a value by which it may differ from numerator over denominator.
OFF = 0.1
# What a table of CTAn may give.
CTAN_OUTCOMES = (
    *("bvtv", "bv", "tv", "tbth", "tbsp", "tbn"),
    *("conn", "bs_bv", "bs_tv", "smi", "da"),
)


def check_measured(study: Study, dictionary: pd.DataFrame) -> list[Problem]:
    """Outcomes of claims that nothing gives, each once.

    A claim none of whose outcomes is measured is refused where the study has no sheet for them. A claim over several domains
    of a study that has some of them is judged on these: a warning names the others.
    """
    file = str(study.config.get("claims") or "claims")
    claims = study.claims.get("claims")
    asked: dict[str, list[str]] = {}
    empty: set[str] = set()  # outcomes of claims that have nothing to be judged on
    for claim in claims if isinstance(claims, list) else []:
        if isinstance(claim, Mapping) and claim.get("id"):
            outcomes = claim_outcomes(study, claim)
            for outcome in outcomes:
                asked.setdefault(outcome, []).append(str(claim["id"]))
            if all(_unmeasured(study, o, dictionary) for o in outcomes):
                empty.update(outcomes)
    problems = []
    for outcome, (first, *others) in asked.items():
        found = _unmeasured(study, outcome, dictionary)
        if found:
            message, level, allowed = found
            level = level if outcome in empty else "warning"
            message += f"; claims {', '.join(others)} ask for it too" if others else ""
            where = f"claims/{first}"
            problems.append(
                Problem(
                    file=file,
                    row=0,
                    column=where,
                    message=message,
                    value=outcome,
                    allowed=allowed,
                    level=level,
                )
            )
    return problems


def _unmeasured(
    study: Study, outcome: str, dictionary: pd.DataFrame
) -> tuple[str, str, str] | None:
    """Message, level and what is allowed where nothing gives an outcome."""
    try:
        modality = str(entry(dictionary, outcome)["modality"])
    except InputError:
        return None  # told as unknown
    if modality not in _SOURCES or outcome == COMPOSITE or outcome in _written(study):
        return None
    sheet = _SOURCES[modality]
    rows = study.sheets[sheet]
    rows = rows[rows["assay"] == modality] if sheet == "libraries" else rows
    if sheet != "clinical" and len(rows):
        return _no_stain(study, outcome) if modality == "histology" else None
    # Data may still come where the sheet is declared; scenarios share claims and lack modalities on purpose.
    coming = study.simulated or bool(section(study, "sheets").get(sheet))
    message = f"nothing in the study measures this outcome ({modality})"
    allowed = f"rows in {sheet}" if sheet == "clinical" else f"rows in {sheet} or readings"
    return message, "warning" if coming else "error", allowed


def _written(study: Study) -> set[str]:
    """Outcomes that sheets name themselves."""
    listed = {o for s in ("clinical", "readings") for o in study.sheets[s]["outcome"]}
    imports = study.sheets["imports"]
    listed |= {p.split("=")[0].strip() for t in imports["outcomes"] for p in str(t).split("|")}
    listed |= set(CTAN_OUTCOMES) if (imports["format"] == "ctan").any() else set()
    return listed | set(study.sheets["cultures"]["readout"])


def _no_stain(study: Study, outcome: str) -> tuple[str, str, str] | None:
    stains = section(study, "histology").get("stains")
    used = set(study.sheets["sections"]["stain"])
    maps = [
        s.get("outcomes")
        for n, s in (stains.items() if isinstance(stains, Mapping) else ())
        if isinstance(s, Mapping) and n in used
    ]
    if not maps or not all(isinstance(m, Mapping) and m for m in maps):
        return None  # a stain without a list gives what its detector gives
    named = {str(o) for m in maps if m for o in m.values()}
    if outcome in named:
        return None
    message = f"no stain of the sections gives this outcome{nearest(outcome, named)}"
    return message, "warning", ", ".join(sorted(named))


def check_values(study: Study, dictionary: pd.DataFrame) -> list[Problem]:
    """Numbers of the clinical and readings sheets against their outcomes, and times against those beside them."""
    problems: list[Problem] = []
    for sheet in ("clinical", "readings"):
        file = sheet_name(study, sheet)
        for outcome, rows in study.sheets[sheet].groupby("outcome")["value"]:
            try:
                about = entry(dictionary, str(outcome))
            except InputError:
                continue
            problems += _range(file, str(outcome), about, rows.dropna())
    problems += _parts(sheet_name(study, "readings"), study.sheets["readings"], dictionary)
    for sheet in CONDITION_SHEETS:
        look = _times_of_libraries if sheet == "libraries" else _times
        problems += look(sheet_name(study, sheet), study.sheets[sheet])
    return problems


def _range(file: str, outcome: str, about: pd.Series, values: pd.Series) -> Iterator[Problem]:
    kind, unit = about["kind"], about["unit"]
    if kind == "binary":
        for row, value in values[~values.isin([0, 1])].items():
            message = f"{outcome} is a yes/no outcome"
            yield Problem(file, int(row), "value", message, f"{value:g}", "0 (no) or 1 (yes)")
        return
    high = 100.0 if unit == "%" else 1.0 if kind == "proportion" else None
    low = 0.0 if high is not None or about["scale"] in ("log", "count") else None
    # A range that the study declares for an outcome of its own.
    low, high = (
        float(about[k]) if pd.notna(about[k]) else x
        for k, x in zip(RANGE, (low, high), strict=True)
    )
    if high is None and low is None:
        return
    start = f"from {low:g}" if low is not None else ""
    allowed = " ".join(x for x in (start, f"to {high:g}" if high is not None else "") if x)
    allowed += " %" if unit == "%" else ""
    least, most = -np.inf if low is None else low, np.inf if high is None else high
    bad = (values < least) | (values > most)
    for row, value in values[bad].items():
        message = f"out of the range of {outcome}"
        yield Problem(file, int(row), "value", message, f"{value:g}", allowed)
    if unit == "%":
        yield from _written_as_share(file, outcome, values[~bad])


def _parts(file: str, rows: pd.DataFrame, dictionary: pd.DataFrame) -> Iterator[Problem]:
    """Readings of nothing, and values that are not what their numerator and denominator say."""
    for row, of in rows.loc[rows["denominator"] == 0, "denominator"].items():
        message = "nothing was measured in: leave the row out, or say what was looked at"
        yield Problem(file, int(row), "denominator", message, f"{of:g}", "above 0")
    given = rows[rows["denominator"] > 0].dropna(subset=["value", "numerator"])
    unit = given["outcome"].map(dictionary["unit"])
    area = given["denominator_unit"].map({"mm2": 1.0, "um2": 1e6})
    times = area.where(unit == "1/mm2").mask(unit == "%", 100.0)
    expected = times * given["numerator"] / given["denominator"]
    # By hand a value may be rounded, or a mean over fields; another number altogether it is not.
    off = (expected > 0) & ((given["value"] / expected - 1).abs() > OFF)
    for row in given.index[off]:
        message = f"numerator over denominator is {expected[row]:.3g}"
        yield Problem(
            file, int(row), "value", message, f"{given.at[row, 'value']:g}", level="warning"
        )


def _written_as_share(file: str, outcome: str, values: pd.Series) -> Iterator[Problem]:
    """Values below 1 among percents: shares, in all likelihood."""
    small = values[(values > 0) & (values < 1)]
    if small.empty or (len(small) < len(values) and values.median() < 5):
        return
    for row, value in small.items():
        message = f"{outcome} is in %: is this a share - did you mean {100 * value:g}?"
        yield Problem(
            file=file,
            row=int(row),
            column="value",
            message=message,
            value=f"{value:g}",
            allowed="percent, 0 to 100",
            level="warning",
        )


# Columns that say what is measured; numbers of times are compared within it.
_MEASURED = ("assay", "outcome", "readout", "stain")
# Assays and readouts whose jobs bring times to one unit.
_CONVERTED = ("scratch", "papp")


def _times(file: str, df: pd.DataFrame) -> Iterator[Problem]:
    """Times of one outcome in several units: they are compared, pooled and put in order by their
    numbers."""
    known = df[df["time"].notna() & (df["time"] > 0) & (df["time_unit"] != "")]
    told = known[[c for c in _MEASURED if c in known]].astype(str)
    known = known[~told.isin(_CONVERTED).any(axis=1)]
    names = [" ".join(filter(None, row)) for row in told.loc[known.index].to_numpy()]
    for name, rows in known.groupby(np.array(names, object)) if len(known) else ():
        counts = rows["time_unit"].value_counts()
        if len(counts) < 2:
            continue
        odd = rows[rows["time_unit"] != counts.index[0]]
        for row, time, unit in odd[["time", "time_unit"]].itertuples():
            of = f" of {name}" if name else ""
            message = f"{counts.iloc[0]} times{of} are in {counts.index[0]}: one unit is needed"
            yield Problem(file, int(row), "time_unit", message, f"{time:g} {unit}", counts.index[0])


def _times_of_libraries(file: str, df: pd.DataFrame) -> Iterator[Problem]:
    """The same number in another unit than most others have: 28 weeks among 28 days."""
    known = df[df["time"].notna() & (df["time"] > 0) & (df["time_unit"] != "")]
    for time, units in known.groupby("time")["time_unit"]:
        counts = units.value_counts()
        if len(counts) < 2 or counts.iloc[0] < 3 * counts.iloc[1]:
            continue
        for row, unit in units[units != counts.index[0]].items():
            message = (
                f"{counts.iloc[0]} other rows say {time:g} {counts.index[0]}: is the unit right?"
            )
            value = f"{time:g} {unit}"
            yield Problem(file, int(row), "time_unit", message, value, level="warning")
