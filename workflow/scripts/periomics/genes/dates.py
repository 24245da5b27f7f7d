"""Names of genes that a spreadsheet program has turned into dates (MARCH1 into 1-Mar), numbers or errors.

Source: Ziemann et al. 2016, 10.1186/s13059-016-1044-7.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, timedelta

_MONTH = (
    "jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec|"  # English
    "mrz|märz|mär|mai|okt|dez|"  # German
    "mars|avr|juin|juil|août|déc|"  # French
    "ene|abr|ago|dic|set|ott|mag|giu|lug|gen"  # Spanish, Italian
)
_DAY, _YEAR = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:\d{2}|\d{4})"
# 1-Mar, 1-Mar-24, 01. Mrz, 01-mars, Mar-01, Sep 02; month first with capital, since sep-1 is a name
# that people give genes.
_WORDS = re.compile(
    rf"(?:{_DAY}(?:-|\. ?)(?:{_MONTH})\.?(?:[- ]{_YEAR})?|(?:{_MONTH})[- ]\d{{2}})", re.IGNORECASE
)
_NUMBERS = re.compile(
    rf"(?:\d{{4}}-\d{{2}}-\d{{2}}(?:[ T][\d:.]+)?|{_DAY}([/.])(?:0?[1-9]|1[0-2])\1{_YEAR}"
    rf"|(?:0?[1-9]|1[0-2])/{_DAY}/{_YEAR})"
)
_SERIAL = re.compile(r"[34]\d{4}(?:\.0)?")
# Days of genes that become dates: MARCH1 to 11, SEPT1 to 15 and so on.
_LATEST_DAY = 15
_GENE_MONTHS = (3, 9, 10, 12)


# 2310009E13 becomes 2.31E+13; a formula or a look-up that failed becomes an error.
_SPOILED = re.compile(r"\d(?:[.,]\d+)?E\+\d+|#(?:NAME\?|N/A|REF!|VALUE!|DIV/0!|NUM!|NULL!)")


AS_BEFORE = "gene ids, or symbols as they were before (1-Mar may be MARCH1 or MARC1)"


def spoiled_names(genes: Sequence[str]) -> tuple[list[str], str]:
    """Names of genes that a spreadsheet program has changed, dates before others, and what is wrong with them."""
    dates = dates_among(genes)
    found = dates or [g for g in genes if _SPOILED.fullmatch(g)]
    what = "dates" if dates else "numbers or errors"
    return found, f"{len(found)} gene names are {what}: a spreadsheet program has changed them"


def dates_among(genes: Sequence[str]) -> list[str]:
    """Gene names that are dates, in order.

    A bare number counts as the serial number of a day only where nearly all other names are no numbers (they are ids of
    genes else), and its day and month are such as gene names give.
    """
    numbers = [g for g in genes if g.replace(".", "", 1).isdigit()]
    few = len(numbers) <= max(1, 0.05 * len(genes)) and len(genes) > 1
    return [g for g in genes if _is_date(g) or (few and _is_serial(g))]


def _is_date(gene: str) -> bool:
    if _NUMBERS.fullmatch(gene):
        return True
    return bool(_WORDS.fullmatch(gene)) and (gene[0].isdigit() or gene != gene.lower())


def _is_serial(gene: str) -> bool:
    """Whether a number is the serial of a day that a gene's name gives, as spreadsheet programs count since 1900."""
    if not _SERIAL.fullmatch(gene):
        return False
    day = date(1899, 12, 30) + timedelta(days=int(float(gene)))
    return day.month in _GENE_MONTHS and day.day <= _LATEST_DAY
