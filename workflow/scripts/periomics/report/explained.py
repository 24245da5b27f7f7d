"""Every code on the page in words: symbols from the dictionary, all other terms from one table; on hover and as a glossary."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup, escape

from periomics.report.sources import Sources
from periomics.report.words import MISSING, unit_words

# Terms that no table of the study explains. Verdicts are those of statistics/claims/verdicts.py.
TERMS = {
    "supported": "the interval at the adjusted level lies wholly on the claimed side "
    "(claims of no improvement or no difference: within the margin)",
    "supported, small": "better beyond doubt, and by less than the margin beyond doubt",
    "refuted": "the interval lies wholly where the claim is false",
    "improved but below the margin": "claimed as no improvement: better than 0, "
    "and by less than the margin beyond doubt",
    "improved, size unclear": "claimed as no improvement: better than 0, "
    "and whether by more than the margin is open",
    "inconclusive": "the interval holds values for the claim and against it; this is not “no effect”. "
    "What would decide: units per arm at which the interval, at today's spread, is as narrow as "
    "the margin and so cannot hold both it and 0 (rescue: the threshold and healthy)",
    "no deficit": "diseased was not shown to be worse than healthy, "
    "so that there is nothing to improve; not a proof that they are equal",
    "not tested": "an earlier claim in the declared order did not hold, or no share of alpha came",
    "not judged": "there is no interval to judge by; the reason stands beside it",
    "R": "rescue fraction: (arm − diseased) / (healthy − diseased), "
    "0 is as diseased and 1 is as healthy",
    "BF₀₁": "how many times better no improvement (equivalence: no difference) explains the data "
    "than its opposite, with the most that so few animals can say",
    "n": "units of all arms compared: animals, or isolations of cells; never sections or wells",
    "SD": "standard deviation between units",
    "log odds": "difference of logits of a share; no number of percent",
    "log ratio": "difference of logarithms: 0.69 is twice as much",
    "geometric mean": "value of the typical animal of an arm where animals are compared by logarithms; "
    "arms of unequal spread can have equal arithmetic means and other geometric ones",
    "typical animal": "mean of an arm on the scale of the analysis, taken back to the outcome's unit",
    "odds": "share over its complement: 20 % is odds of 0.25; ratios of odds are no ratios of shares",
    "permutation floor": "the least p that a permutation test can give with so few animals: where it is "
    "above alpha, “supported” rests on the t distribution and no permutation could confirm it",
    "margin": "smallest effect of interest, declared with the claims",
    "pass": "measured without a remark",
    "warn": "measured and counted, with a remark",
    "hold": "left out until the sheet says who confirmed it, and why",
    "fail": "not measured, with the reason",
    "L1": "the ligand is expressed in a sender",
    "L2": "its receptor is expressed in the receiver",
    "L3": "a response to treatment",
    "L4": "the response tracks the outcome beyond the arms",
    "L5": "a perturbation of the ligand",
    "ICC": "share of the variance of one field, section or well that lies between animals",
    "Design effect": "how many times too small a variance becomes "
    "where fields, sections or wells are taken for animals",
}
LISTED = ", "


@dataclass(frozen=True)
class Explained:
    """A code, what it is called, what it means."""

    code: str
    name: str
    meaning: str


def explained(
    dictionary: pd.DataFrame, outcomes: Sequence[str], claims: Mapping[str, object]
) -> list[Explained]:
    """Codes of the outcomes that the study has, of its contrasts, and the terms.

    Parameters
    ----------
    dictionary
        The outcome dictionary.
    outcomes
        Outcomes that have a row in the study's tables; scores explain themselves by their names.
    claims
        claims.yaml: the text of a contrast stands there.
    """
    rows = dictionary.loc[[o for o in dictionary.index if o in set(outcomes)]]
    out = []
    for outcome, row in rows.iterrows():
        unit = unit_words(str(row["unit"]))
        code = str(row["symbol"]) or str(outcome)
        other = f" ({outcome} in tables)" if code != outcome else ""
        name = f"{row['name']}{f', {unit}' if unit else ''}{other}"
        out.append(Explained(code, name, str(row["definition"])))
    contrasts = claims.get("contrasts")
    for code, entry in (contrasts if isinstance(contrasts, dict) else {}).items():
        text = str(entry.get("text") or "") if isinstance(entry, dict) else ""
        out += [Explained(str(code), "contrast", text)] if text else []
    return out + [Explained(code, "", text) for code, text in TERMS.items()]


def of_study(sources: Sources) -> list[Explained]:
    """The codes of one study."""
    found = [sources.table(n, ["outcome"])["outcome"] for n in ("animals_values", "verdicts")]
    outcomes = [str(o) for o in pd.concat(found).unique()]
    return explained(sources.dictionary, outcomes, sources.mapping("claims"))


def meanings(rows: Sequence[Explained], arms: Iterable[str] = ()) -> dict[str, str]:
    """Code → text on hover; a symbol that two outcomes share gives both; ids of outcomes too.

    A code that is also the name of an arm says nothing, since it would say it of the arm.
    """
    out: dict[str, str] = {}
    for row in rows:
        text = ": ".join(t for t in (row.name, row.meaning) if t)
        out[row.code] = f"{out[row.code]}; or {text}" if row.code in out else text
        for found in re.findall(r"\((\S+) in tables\)", row.name):
            out.setdefault(found, text)
    return {code: text for code, text in out.items() if code not in set(arms)}


class Coded:
    """Filters of the templates that put a meaning on every known code."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self.known = known

    def title(self, code: object) -> str:
        """What a code means, '' where it is none."""
        return self.known.get(str(code), "")

    def words(self, text: object) -> Markup:
        """A cell: it, or each part of a list, as an abbreviation that explains itself."""
        cell = str(text)
        if cell in self.known:
            return self._one(cell)
        parts = cell.split(LISTED)
        if cell == MISSING or not any(p in self.known for p in parts):
            return escape(cell)
        return escape(LISTED).join(self._one(p) if p in self.known else p for p in parts)

    def sentence(self, text: object) -> Markup:
        """A line of words: each that is a code explains itself."""
        parts = re.split(r"([\s,;:]+)", str(text))
        return Markup("").join(self._one(p) if p in self.known else p for p in parts)

    def drawing(self, svg: Markup) -> Markup:
        """A figure whose texts that are codes explain themselves when the pointer rests on them."""

        def titled(match: re.Match[str]) -> str:
            shown = html.unescape(match[2])
            code = shown.removesuffix(" †").split("  ")[0].partition(" (")[0]
            text = self.known.get(code)
            return f"{match[1]}<title>{escape(text)}</title>{match[2]}</text>" if text else match[0]

        # Safe as markup: matplotlib's own, to which escaped titles are added.
        return Markup(re.sub(r"(<text [^>]*>)([^<]+)</text>", titled, str(svg)))  # noqa: S704

    def _one(self, code: str) -> Markup:
        return Markup('<abbr title="{}">{}</abbr>').format(self.known[code], code)
