"""Numbers, units and verdicts as a reader sees them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

from periomics.core.errors import PeriomicsError
from periomics.study import modalities
from periomics.study.dictionary import entry, is_score

MISSING = "–"
MOST_PLACES = 6
# Words of a verdict → (tone, mark); tone is a class of the style sheet, the mark is read where colour is not.
TONES = {
    "supported": ("good", "✓"),
    "supported, small": ("good", "✓"),
    "refuted": ("bad", "✗"),
    "improved but below the margin": ("part", "◐"),
    "improved, size unclear": ("part", "◐"),
    "inconclusive": ("open", "?"),
}
OTHER_TONE = ("none", MISSING)
SCALES = {"logit": "log odds", "log": "log ratio", "count": "log ratio", "identity": ""}
RANKS, RISK = "ranks:", "risk difference"
# What verdicts on grades and on yes or no are counted in, by the kind of the outcome.
EXACT_UNITS = {"ordinal": "P(better) − ½", "binary": RISK}
SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
AREA_NAMES = {**modalities.TITLES, "outcomes": "Composites"}


def number(value: Any, digits: int = 3) -> str:
    """A number with some significant digits, `–` where it is missing; text as it is."""
    if isinstance(value, str):
        return value or MISSING
    if value is None or (isinstance(value, float) and math.isnan(value)) or pd.isna(value):
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    x = float(value)
    if math.isinf(x):
        return "∞" if x > 0 else "−∞"
    if x == round(x) and abs(x) < 1e12:
        # Thousands apart from five digits on, as SI writes them.
        return f"{x:,.0f}".replace(",", "\u202f" if abs(x) >= 1e4 else "").replace("-", "−")
    size = abs(x)
    if 10**digits <= size < 1e12:
        return number(float(round(x)))
    if 1e-3 <= size < 10**digits:
        text = f"{x:.{digits - 1 - math.floor(math.log10(size))}f}"
    else:
        text = re.sub(
            r"e([+-])0*(\d+)", lambda m: f"e{m[1].replace('+', '')}{m[2]}", f"{x:.{digits}g}"
        )
    return text.replace("-", "−")


def said(value: object) -> str:
    """A cell as text, '' where it is missing."""
    return "" if value is None or (not isinstance(value, str) and pd.isna(value)) else str(value)


def interval(lower: float, upper: float) -> str:
    """`[lower, upper]` with the digits that its width warrants, empty where there is none."""
    if pd.isna(lower) and pd.isna(upper):
        return ""
    places = decimals(lower, upper)
    return f"[{_end(lower, places)}, {_end(upper, places)}]"


def _end(value: float, places: int | None) -> str:
    """An end of an interval; one that lies too near 0 to be written says on which side."""
    if places is not None and value != 0 and round(float(value), places) == 0:
        return "> 0" if value > 0 else "< 0"
    return fixed(value, places)


def decimals(lower: float, upper: float) -> int | None:
    """Decimal places that show two digits of half the width of an interval, and, where two more are
    enough for that, on which side of 0 each end lies.

    None where the interval has no width.
    """
    half = (float(upper) - float(lower)) / 2
    if not (math.isfinite(half) and 1e-6 < half < 1e6):
        return None
    places = max(0, 1 - math.floor(math.log10(half)))
    ends = [float(end) for end in (lower, upper) if end != 0]
    for more in range(places, places + 3):
        if all(round(end, more) for end in ends):
            return more
    return places


def fixed(value: float, places: int | None) -> str:
    """A number with a given number of decimal places."""
    if places is None or pd.isna(value) or math.isinf(value):
        return number(value)
    text = f"{value:.{places}f}"
    return (text.lstrip("-") if float(text) == 0 else text).replace("-", "−")


def p_value(p: float) -> str:
    """A p-value, never written as 0."""
    if pd.isna(p):
        return ""
    digits = 3 if f"{p:.2g}" == "0.05" and p != 0.05 else 2  # on which side of .05 it lies
    text = (
        "p < .0001"
        if p < 1e-4
        else f"p = {p:.{digits}g}".replace("0.", ".", 1)
        if p < 0.995
        else "p = 1"
    )
    return text.replace(" ", "\u00a0")


def tone(verdict: str) -> tuple[str, str]:
    """Class and mark of a verdict."""
    return TONES.get(verdict, OTHER_TONE)


def unit_words(unit: str) -> str:
    """A unit as it is printed: mm³ for mm3, µm for um."""
    text = re.sub(r"(?<=[A-Za-zµ])([23])\b", lambda m: m[1].translate(SUPERSCRIPTS), str(unit))
    text = re.sub(r"\bum(?=\b|[²³])", "µm", text)
    return "" if text in ("1", "0/1") else text


def known(dictionary: pd.DataFrame, outcome: str) -> Mapping[str, object]:
    """The dictionary's row of an outcome; a score names its cell type; an outcome that it does not know stands for itself."""
    try:
        row = entry(dictionary, outcome).to_dict()
    except PeriomicsError:
        return dict.fromkeys(dictionary.columns, "") | {
            "outcome": outcome,
            "symbol": outcome,
            "name": outcome,
        }
    cell_type = outcome.partition("@")[2]
    return row | {"name": f"{row['name']} in {cell_type}"} if cell_type else row


def symbol(dictionary: pd.DataFrame, outcome: str) -> str:
    """Symbol of an outcome (ASBMR style where there is one)."""
    return str(known(dictionary, outcome)["symbol"]) or outcome


def axis_label(dictionary: pd.DataFrame, outcome: str, unit: str = "") -> str:
    """Symbol and unit for an axis; scores have long names, which stand in the title instead."""
    row = known(dictionary, outcome)
    words = unit_words(unit or str(row["unit"]))
    name = "score" if is_score(outcome) else str(row["symbol"] or outcome)
    return f"{name} ({words})" if words else name


def unvalidated(dictionary: pd.DataFrame, outcome: str) -> str:
    """The mark that stands beside a verdict on a readout that was only tested on simulated data; else empty."""
    row = known(dictionary, outcome)
    if row.get("validated") != "simulated":
        return ""
    if row["modality"] == "histology":
        return "not validated on real stain"
    return (
        ""
        if row["modality"] in ("clinical", "imports", "outcomes")
        else "not validated on real data"
    )


def scale_words(scale: str, unit: str) -> str:
    """What an estimate on a scale is counted in: a difference of logits is a log odds ratio, never a number of percent."""
    return SCALES.get(scale, scale) or unit_words(unit)


def estimate_words(scale: str, unit: str, kind: str, threshold: Any = None) -> str:
    """What the estimate of a verdict is counted in.

    Rescue: how far the arm lies beyond its threshold, on the outcome's own scale; R itself is another number.
    """
    base = scale_words(scale, unit)
    if kind == "rescue" and threshold is not None:
        return f"{base} beyond R = {float(threshold):g}".strip()
    return f"{base} per doubling of dose + 1".strip() if kind == "dose_trend" else base


def contrast_words(scale: str, unit: str, method: str, *, trend: bool = False) -> str:
    """What the estimate of a contrast is counted in; grades and yes or no have units of their own."""
    if method.startswith(RANKS):
        return "P(first higher) − ½"
    if method.startswith(RISK):
        return RISK
    return estimate_words(scale, unit, "dose_trend" if trend else "")


def bayes_words(bf01: Any, ceiling: Any, highest: Any = None) -> str:
    """`BF01 1.8 of at most 2.1`: evidence for no effect, with the most that these numbers of animals allow; '' where there is none."""
    if any(pd.isna(x) or x == "" for x in (bf01, ceiling)):
        return ""
    low, high = number(float(bf01), 2), number(float(bf01 if highest is None else highest), 2)
    return (
        f"BF₀₁ {low if low == high else f'{low} to {high}'} of at most {number(float(ceiling), 2)}"
    )


def area_name(area: str) -> str:
    """Heading of a modality."""
    return AREA_NAMES.get(area, area or "Other")


def counted(n: int, unit: str) -> str:
    """`3 animals`, `1 isolation`, `9 technical replicates`: units of analysis in words."""
    name = "technical replicate" if unit == "technical" else unit
    return f"{n} {name}{'s' * (n != 1)}"
