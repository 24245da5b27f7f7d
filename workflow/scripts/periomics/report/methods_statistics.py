"""Methods text of the statistics: a sentence for what this study's claims and tables hold, none for what they do not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from periomics.report.calibrated import COLUMNS as CALIBRATION_COLUMNS
from periomics.report.calibrated import methods_sentence as calibration_sentence
from periomics.report.declared import methods_sentence as frozen_sentence
from periomics.report.estimates import CONTRAST_COLUMNS, RESCUE_COLUMNS
from periomics.report.sources import Sources
from periomics.report.told import NOT_REPORTED, Config, value
from periomics.report.words import SCALES, said, symbol
from periomics.study.claims import COMPOSITE, CORRECTIONS, NO_BENEFIT

MARGIN_WORDS = {
    "deficit": "of the healthy − diseased difference",
    "sd": "SD (between animals, or of the differences within units)",
    "raw": "in the outcome's own unit",
}
ESTIMATED = {
    "group-wise variances": "Contrasts of different animals used group-wise variances with Satterthwaite degrees of freedom.",
    "t on differences": "Arms within a unit were compared by t on the differences within units.",
    "t on slopes": "Trends with dose are slopes on log2(dose + 1) within units, compared by t.",
    "risk difference": "Yes or no was compared by exact tests of the risk difference, within blocks where animals had them.",
    "weighted sum of shares, exact": "Yes or no over three or more arms was compared by exact "
    "unconditional limits of the sum of shares.",
    "weighted sum of shares, Clopper": "Where too many outcomes of such a sum were possible, Clopper "
    "and Pearson's limits of the arms were put together by squares.",
    "ranks:": "Grades were compared by ranks (Brunner and Munzel, studentised permutation).",
}
SECONDARY = {"bh": "Benjamini and Hochberg, exploratory", "none": "none, exploratory"}
ADJUSTED = "adjusted for "
SCALE_NAMES = {
    "logit": "logit",
    "log": "logarithm",
    "count": "logarithm of the density of counts",
    "identity": "as measured",
}
UNKNOWN = "estimates the direction of benefit"
Rows = Sequence[Mapping[str, Any]]


def statistics_sentences(sources: Sources, claims: Config) -> list[str]:
    """Sentences in reading order: estimation, margins, claims, rescue, index, evidence of absence, checks, losses, calibration."""
    contrasts = sources.table("contrasts", CONTRAST_COLUMNS)
    entries: Rows = claims.get("claims") or []
    verdicts = sources.table("verdicts", ("outcome", "bf01", "kind"))
    rescue = sources.table("rescue", RESCUE_COLUMNS)
    return [
        *_estimation(contrasts, claims),
        *_margins(claims, entries, rescue),
        *_order(claims, entries),
        frozen_sentence(sources),
        *_rescue(rescue, entries),
        *_index(sources, contrasts, claims),
        *_absence(verdicts),
        *_checks(contrasts),
        *_losses(sources),
        f"Correction of secondary outcomes: {SECONDARY.get(str((claims.get('secondary') or {}).get('correction')), NOT_REPORTED)}.",
        calibration_sentence(sources.table("calibration", CALIBRATION_COLUMNS)),
    ]


def _estimation(contrasts: pd.DataFrame, claims: Config) -> Iterator[str]:
    methods = list(dict.fromkeys(said(m) for m in contrasts["method"]))
    for names in dict.fromkeys(
        m.removeprefix(ADJUSTED).split(",")[0] for m in methods if m.startswith(ADJUSTED)
    ):
        yield (
            f"Contrasts of different animals were adjusted for {names} by least squares with the "
            f"HC2 variance, corrected for "
            "arms of unlike variance (by what it should be over what it is expected to be, within "
            "2/3 and 3/2), and Bell–McCaffrey "
            "degrees of freedom."
        )
    yield from (
        text for start, text in ESTIMATED.items() if any(m.startswith(start) for m in methods)
    )
    if any("skewness of means" in m for m in methods):
        yield (
            "Where values at a limit of the scale made arithmetic means the estimand, what blocks leave in a contrast was counted in "
            "its standard error (blocks − 1 degrees of freedom), and the end of the interval on the skewed side was stretched."
        )
    found = [SCALE_NAMES[s] for s in SCALES if (contrasts["scale"] == s).any()]
    where = f" on each outcome's own scale ({', '.join(found)})" if found else ""
    yield (
        f"Estimates stand{where}; α = {value(claims, 'alpha')}."
        if where
        else f"α = {value(claims, 'alpha')}."
    )
    if contrasts["variant"].astype(str).str.startswith("summary=").any():
        yield "Outcomes that were measured at three times or more were also brought to one slope and one mean level a unit."


def _margins(claims: Config, entries: Rows, rescue: pd.DataFrame) -> Iterator[str]:
    margin = claims.get("margin") or {}
    own: dict[str, list[str]] = {}
    for c in entries:
        if c.get("margin"):
            own.setdefault(_margin(c["margin"]), []).append(str(c.get("id")))
    others = "; ".join(f"of {_listed(ids)}: {size}" for size, ids in own.items())
    yield f"Smallest effect of interest: {_margin(margin)}{f'; {others}' if others else ''}."
    shares = margin.get("kind") == "deficit" or any(
        (c.get("margin") or {}).get("kind") == "deficit" for c in entries
    )
    what = [
        *(["margins in shares of the deficit"] if shares else []),
        *(["rescue"] if len(rescue) else []),
    ]
    if what:
        text = f"{' and '.join(what)} compare natural positions"
        yield (
            f"{text[:1].upper()}{text[1:]}: the typical animal of each arm in the outcome's unit (its mean on the outcome's scale, taken "
            "back), tested on that scale by the delta method."
        )
    directions = ", ".join(f"{o} {s}" for o, s in (claims.get("directions") or {}).items())
    yield f"Declared directions: {directions or NOT_REPORTED}."


def _margin(margin: Mapping[str, Any]) -> str:
    if margin.get("value") is None:
        return NOT_REPORTED
    return f"{float(margin['value']):g} {MARGIN_WORDS.get(str(margin.get('kind')), '')}".strip()


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)


def _order(claims: Config, entries: Rows) -> Iterator[str]:
    order = ", ".join(str(c.get("id")) for c in entries) or NOT_REPORTED
    yield f"Claims were judged in the declared order ({order}); a verdict comes from the interval at the adjusted level."
    gates = [str(c.get("id")) for c in entries if c.get("kind") == "gate"]
    if gates:
        yield f"Outcomes whose deficit was not shown ({_listed(gates)}) take no part in claims that need one."
    after = [f"{c.get('id')} after {_earlier(c['after'])}" for c in entries if c.get("after")]
    if after:
        yield f"Tested for an outcome only where an earlier claim held: {_listed(after)}."
    for name, text in CORRECTIONS.items():
        here = [str(c.get("id")) for c in entries if c.get("correction") == name]
        if here:
            yield f"{text} over the outcomes that were tested: {_listed(here)}{_SAID.get(name, '')}."
    plain = [str(c.get("id")) for c in entries if _uncorrected(c)]
    if plain:
        yield f"No correction over outcomes: {_listed(plain)}."
    if any(c.get("correction", "none") != "none" for c in entries):
        yield "What was refuted, and what improved below a margin, was corrected over the same outcomes on its own."
    whole = [str(c.get("id")) for c in entries if c.get("combine") == "all"]
    if whole:
        yield f"Over all outcomes by intersection–union: {_listed(whole)}."
    one_sided = [str(c.get("id")) for c in entries if c.get("kind") in NO_BENEFIT]
    if one_sided:
        yield f"One-sided at α: {_listed(one_sided)}."
    pairs = [str(c.get("id")) for c in entries if c.get("kind") == "association"]
    if pairs:
        yield f"Associations within arms, which say nothing of causes: {_listed(pairs)}."


def _uncorrected(claim: Mapping[str, Any]) -> bool:
    """Whether each outcome of a claim is judged at α on its own."""
    if claim.get("combine") == "all" or claim.get("kind") == "association":
        return False
    return str(claim.get("correction", "none")) == "none"


_SAID = {
    "bh": "; intervals at the level that it gave",
    "dunnett": "; several arms against one, and Bonferroni's correction over outcomes",
}


def _earlier(after: str | Sequence[str]) -> str:
    return after if isinstance(after, str) else " and ".join(map(str, after))


def _rescue(rescue: pd.DataFrame, entries: Rows) -> Iterator[str]:
    if rescue.empty:
        return
    claimed = [
        f"{c.get('id')} R > {float(c.get('threshold', 0.5)):g} in {c.get('arm')}"
        for c in entries
        if c.get("kind") == "rescue"
    ]
    yield "Rescue R = (arm − diseased) / (healthy − diseased) carries Fieller sets, unbounded where the deficit is not established."
    if claimed:
        yield f"Rescue claims were judged as linear forms, without division: {_listed(claimed)}."


def _index(sources: Sources, contrasts: pd.DataFrame, claims: Config) -> Iterator[str]:
    own = contrasts[contrasts["outcome"] == COMPOSITE]
    if own.empty:
        return
    settings = claims.get("composite") or {}
    wanted = settings.get("outcomes", "primary")
    primary = (claims.get("domains") or {}).values()
    names = [
        symbol(sources.dictionary, str(o)) for o in (primary if isinstance(wanted, str) else wanted)
    ]
    share = 100 * float(settings.get("min_domains", 0.6))
    yield (
        f"The healing index is the mean over domains of benefit-signed z scores ({_listed(names) or NOT_REPORTED}, as far as "
        f"measured) against the diseased mean, in SD over all animals of all arms; an animal needs {share:g} % of the domains."
    )
    if own["variant"].astype(str).str.startswith("without=").any():
        yield "It was repeated without each domain and with weights by the first principal component within arms."


def _absence(verdicts: pd.DataFrame) -> Iterator[str]:
    if pd.to_numeric(verdicts["bf01"], errors="coerce").notna().any():
        yield (
            "Evidence of absence stands beside non-superiority and equivalence: two one-sided tests, and the Bayes factor BF₀₁ (Cauchy "
            "prior of width .707, one-sided for non-superiority) with the most that these numbers of animals allow."
        )


def _checks(contrasts: pd.DataFrame) -> Iterator[str]:
    def there(column: str) -> bool:
        return bool(pd.to_numeric(contrasts[column], errors="coerce").notna().any())

    names = [
        text
        for column, text in (
            ("perm_p", "permutation within blocks"),
            ("rank_p", "ranks (Brunner and Munzel)"),
            ("p_dunnett", "Dunnett's comparison of the treated arms with the diseased one"),
            ("bf01", "a two-sided Bayes factor"),
        )
        if there(column)
    ]
    if names:
        yield f"Checks beside each contrast, never a verdict: {_listed(names)}."
    if contrasts["method"].astype(str).str.contains(UNKNOWN).any():
        yield "Where no direction of benefit is declared the permutation test estimates it anew each time."
    if there("outlier_p"):
        yield "Grubbs' test flags the residual farthest from its arm; no value was left out for its size."


def _losses(sources: Sources) -> Iterator[str]:
    if len(sources.table("losses", ("outcome",))):
        yield "Animals that lost their implant: measured animals are primary, a rank comparison with the lost ranked worst stands beside."
