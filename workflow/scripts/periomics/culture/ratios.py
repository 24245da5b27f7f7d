"""Relative amounts from tables of a cycler or a densitometer: a gene over reference genes, a band over the loading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from periomics.core.errors import InputError, nearest
from periomics.core.tables import decimal_commas, read_table
from periomics.study.settings.culture import Culture

Fact = Mapping[str, object]
ASSAYS = ("qpcr", "western")
_NUMBERS = {"qpcr": "cq", "western": "volume"}
_NONE = ("", "undetermined", "n/a", "na", "nan", "-", "no ct", "nd")
_EFFICIENCY = (1.5, 2.2)  # amplification a cycle; 2 doubles
_CONTROLS = ("vehicle", "control")
_ALL, _SATURATED = ("sample", "target"), ("", "0", "no", "1", "yes")


def read_ratios(path: str | Path, assay: str) -> pd.DataFrame:
    """A long table: `sample`, `target` and `cq` (qpcr; `efficiency` too) or `volume` (western; `background`, `saturated`, `membrane` too).

    Returns
    -------
    DataFrame
        Indexed by the row of the file; numbers as floats, a Cq that was not determined missing.

    Raises
    ------
    InputError
        Naming row, column and value of the first cell that cannot be read.
    """
    table = read_table(path, Path(path).name)
    wrong = [p for p in table.problems if p.level == "error"]
    if wrong:
        raise InputError(wrong[0].message, file=path, row=wrong[0].row or None)
    data = table.data.rename(columns=str.casefold)
    number = _NUMBERS[assay]
    for column in (*_ALL, number):
        if column not in data.columns:
            message = f"lacks the column {column}{nearest(column, data.columns)}"
            raise InputError(message, file=path, row=1, allowed=", ".join((*_ALL, number)))
    for column in (number, "background", "efficiency"):
        if column in data.columns:
            data[column] = _floats(data[column], path, column == "cq")
    if assay == "western" and "saturated" in data.columns:
        said = data["saturated"].str.casefold()
        for row in data.index[~said.isin(_SATURATED)]:
            cell = data.at[row, "saturated"]
            _refuse("yes or no", path, row, "saturated", cell, "yes, no, 1, 0 or empty")
        data["saturated"] = said.isin(_SATURATED[3:])
    if "efficiency" in data.columns:
        low, high = _EFFICIENCY
        for row, value in data["efficiency"].dropna().items():
            if not low <= value <= high:
                allowed = f"{low} to {high}, 2 where a cycle doubles"
                _refuse("no efficiency", path, int(row), "efficiency", value, allowed)
    return data


def _refuse(message: str, path: object, row: int, column: str, value: object, allowed: str) -> None:
    raise InputError(
        message, file=str(path), row=int(row), column=column, value=value, allowed=allowed
    )


def _floats(cells: pd.Series, path: str | Path, undetermined: bool) -> pd.Series:
    cells, problems = decimal_commas(cells, Path(path).name)
    wrong = [p for p in problems if p.level == "error"]
    if wrong:
        raise InputError(
            wrong[0].message,
            file=path,
            row=wrong[0].row,
            column=wrong[0].column,
            value=wrong[0].value,
        )
    out = pd.to_numeric(cells, errors="coerce").astype(float)
    for row in cells.index[out.isna() | (out < 0)]:
        cell = str(cells[row])
        if cell == "" or (undetermined and cell.casefold() in _NONE):
            continue
        _refuse("not a number from 0", path, row, str(cells.name), cell, "a number")
    return out


def parts(fact: Fact) -> tuple[str, str, list[str]]:
    """Sample and target of a row of the sheet, and the targets that it is divided by."""
    over = [p.strip() for p in str(fact.get("over", "")).split("|") if p.strip()]
    return str(fact.get("sample") or fact["specimen_id"]), str(fact.get("target", "")), over


def lacks(fact: Fact, table: pd.DataFrame) -> tuple[str, str] | None:
    """Column of the sheet and message where a row names nothing, or what its table does not hold."""
    sample, target, over = parts(fact)
    if sample not in set(table["sample"]):
        return (
            "sample",
            f"the table has no sample {sample!r}{nearest(sample, set(table['sample']))}",
        )
    if fact.get("role") == "blank":
        return None
    if not target:
        return "target", "needs its target"
    if not over:
        return "over", "needs what it is divided by"
    held = set(table.loc[table["sample"] == sample, "target"])
    for column, names in (("target", [target]), ("over", over)):
        for name in names:
            if name not in held:
                return column, f"sample {sample!r} has no target {name!r}{nearest(name, held)}"
    return None


def ratio_files(facts: Sequence[Fact]) -> list[list[Fact]]:
    """Rows of the sheet by assay and file."""
    out: dict[tuple[str, str], list[Fact]] = {}
    for fact in facts:
        if fact["assay"] in ASSAYS:
            out.setdefault((str(fact["assay"]), str(fact["path"])), []).append(fact)
    return [out[key] for key in sorted(out)]


def ratio_rows(facts: Sequence[Fact], settings: Culture) -> list[dict[str, object]]:
    """Measurements of one table: each row of the sheet is one sample's target over other targets.

    qpcr: 2 to the mean log2 of E^Cq of the references less that of the target, E the efficiency; technical repeats are averaged
    as Cq.
    western: (volume − background) over the geometric mean of the loading's on the same membrane, over the mean of that of the
    vehicle's (else the control's) lanes there.

    Raises
    ------
    InputError
        If the table cannot be read, or lacks what a row names.
    """
    first = facts[0]
    path, assay = str(first["path"]), str(first["assay"])
    table = read_ratios(path, assay)
    for fact in facts:
        lost = lacks(fact, table)
        if lost:
            raise InputError(lost[1], file=path, column=lost[0])
    make = _expression if assay == "qpcr" else _band
    rows = []
    for fact in facts:
        if fact.get("role") == "blank":
            continue
        value, number, hold, notes = make(fact, facts, table, settings)
        rows.append(
            {
                "specimen_id": fact["specimen_id"],
                "outcome": fact.get("readout"),
                "value": value if value == value else None,
                "unit": "ratio",
                "level": "well",
                "method": "qPCR" if assay == "qpcr" else "densitometry",
                "role": fact.get("role", "sample"),
                "time": fact.get("time"),
                "time_unit": fact.get("time_unit", ""),
                "n_sub": number,
                "qc": "fail" if value != value else "hold" if hold else "warn" if notes else "pass",
                "qc_reason": "; ".join([*hold, *notes]),
            }
        )
    return rows


Made = tuple[float, int, list[str], list[str]]
_NAN = float("nan")


def _expression(fact: Fact, facts: Sequence[Fact], table: pd.DataFrame, settings: Culture) -> Made:
    """Relative expression, number of Cq of the target, why it is held, and remarks."""
    sample, target, over = parts(fact)
    notes, logs = [], {}
    if len(over) == 1:
        notes.append(f"one reference gene only: {over[0]}")
    for name in (target, *over):
        own = table[(table["sample"] == sample) & (table["target"] == name)]
        cq = own["cq"].dropna()
        if len(cq) < len(own):
            lost = f"{len(own) - len(cq)} of {len(own)} Cq of {name} not determined"
            if cq.empty or name == target:
                return _NAN, len(cq), [], [lost]
            notes.append(lost)
        if len(cq) > 1 and cq.std(ddof=1) > settings.max_cq_sd:
            notes.append(f"Cq of {name} differ: SD {cq.std(ddof=1):.2f}")
        notes += _template(name, float(cq.mean()), facts, table, settings)
        efficiency, stated = _efficiency(table, name)
        if not stated:
            notes.append(f"efficiency of {name} taken as 2")
        logs[name] = float(cq.mean()) * np.log2(efficiency)
    value = 2.0 ** (float(np.mean([logs[n] for n in over])) - logs[target])
    number = int(((table["sample"] == sample) & (table["target"] == target)).sum())
    return value, number, [], notes


def _efficiency(table: pd.DataFrame, target: str) -> tuple[float, bool]:
    """Mean of what the table states for a target; 2 where it states none."""
    if "efficiency" not in table.columns:
        return 2.0, False
    stated = table.loc[table["target"] == target, "efficiency"].dropna()
    return (float(stated.mean()), True) if len(stated) else (2.0, False)


def _template(
    target: str, cq: float, facts: Sequence[Fact], table: pd.DataFrame, settings: Culture
) -> list[str]:
    """Whether wells without template come up within a few cycles of a sample."""
    blanks = {parts(f)[0] for f in facts if f.get("role") == "blank"}
    own = table[table["sample"].isin(blanks) & (table["target"] == target)]["cq"].dropna()
    if len(own) and own.min() - cq < settings.least_ntc_cycles:
        return [f"{target} without template at Cq {own.min():.1f}, the sample at {cq:.1f}"]
    return []


def _band(fact: Fact, facts: Sequence[Fact], table: pd.DataFrame, settings: Culture) -> Made:
    """Band over loading over the reference lanes of its membrane."""
    sample, target, over = parts(fact)
    lanes = table[table["sample"] == sample]
    membranes = sorted(set(lanes.get("membrane", pd.Series("", index=lanes.index))))
    values, notes, hold = [], [], []
    for membrane in membranes:
        own = table if "membrane" not in table else table[table["membrane"] == membrane]
        value, saturated = _loaded(own, sample, target, over)
        references: dict[str, float] = {}
        for role in _CONTROLS:
            for other in facts:
                name, what, by = parts(other)
                if other.get("role") == role and (what, by) == (target, over):
                    found, clipped = _loaded(own, name, target, over)
                    if found == found:
                        references[name] = found
                        saturated += [s for s in clipped if s not in saturated]
            if references:
                break
        where = f" on membrane {membrane}" if membrane else ""
        if saturated:
            hold.append(f"saturated{where}: {', '.join(saturated)}")
        if value != value:
            notes.append(f"a band{where} is not above its background")
        elif not references:
            notes.append(f"no lane of a vehicle or control{where}")
        else:
            values.append(value / float(np.mean(list(references.values()))))
    if not values:
        return _NAN, 0, hold, notes
    return float(np.exp(np.mean(np.log(values)))), len(values), hold, notes


def _loaded(
    table: pd.DataFrame, sample: str, target: str, over: Sequence[str]
) -> tuple[float, list[str]]:
    """Band over the geometric mean of its loading, missing where one is not above its background; and saturated bands."""
    net, saturated = {}, []
    for name in (target, *over):
        own = table[(table["sample"] == sample) & (table["target"] == name)]
        level = own["volume"] - (own["background"].fillna(0) if "background" in own else 0)
        net[name] = float(level.mean()) if len(own) else _NAN
        if "saturated" in own and own["saturated"].any():
            saturated.append(f"{sample} {name}")
    if not all(v > 0 for v in net.values()):
        return _NAN, saturated
    loading = float(np.exp(np.mean([np.log(net[n]) for n in over])))
    return net[target] / loading, saturated
