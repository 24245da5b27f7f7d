"""What the check says of linkage before anything runs: scores that will not exist, axes and tests unknown, too few shared units."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from periomics.core.errors import InputError, nearest
from periomics.core.problems import Problem
from periomics.genes import footprints, regulons
from periomics.genes.axes import AXIS, SetTables
from periomics.genes.score_opening import known_scores
from periomics.linkage.association import MIN_ANIMALS, MIN_UNITS
from periomics.linkage.expression import read_secretome
from periomics.linkage.network_opening import check_networks
from periomics.linkage.pairs import WITHIN, design_of, family_of
from periomics.study.dictionary import score_parts
from periomics.study.modalities import OF_SHEET
from periomics.study.plan import bulk_contrasts
from periomics.study.settings.linkage import Linkage, Pair
from periomics.study.settings.section import read_section, section_of
from periomics.study.study import Study

# Kinds of scores of configured tables, and the resource that names them.
_TABLES = {footprints.KIND: "progeny", regulons.KIND: "regulons"}


def check_links(study: Study, dictionary: pd.DataFrame, tables: Mapping[str, str]) -> list[Problem]:
    """Everything in the section `linkage` that names what the study will not have.

    Parameters
    ----------
    study
        The study.
    dictionary
        The outcome dictionary.
    tables
        Paths of the team's `signatures`, `responses` and `signalling`.
    """
    settings = read_section(Linkage, section_of(study.config, "linkage"), "config", "linkage")[0]
    if settings is None:
        return []
    sets = SetTables.read(tables["signatures"], tables["responses"])
    known = known_scores(study, tables)
    return [
        *_scores(study, settings.pairs, known),
        *_seen(settings, known),
        *_outcomes(study, settings, dictionary),
        *_tests(study, settings),
        *_senders(study, settings),
        *_axes(settings, sets),
        *_secretome(study, sets),
        *_shared_units(study, settings, dictionary),
        *check_networks(study, settings.networks, sets, tables["signalling"]),
    ]


def _unknown(
    where: str, what: str, name: str, known: Collection[str], level: str = "error"
) -> Problem:
    shown = sorted(known)
    allowed = ", ".join(shown) if len(shown) <= 12 else ""
    return Problem(
        "config", 0, f"linkage/{where}", f"{what}{nearest(name, shown)}", name, allowed, level=level
    )


def _scores(
    study: Study, pairs: Sequence[Pair], known: Mapping[str, Collection[str]]
) -> Iterator[Problem]:
    libraries = study.sheets["libraries"]
    assays = set(libraries["assay"])
    for i, pair in enumerate(pairs):
        kind, name, cell = score_parts(pair.score)
        where = f"pairs/{i}/score"
        if kind in _TABLES and kind not in known:
            table = section_of(study.config, "resources").get(_TABLES[kind])
            if not table:  # one that cannot be read is told where it is named
                message = f"{kind}s need a table: resources/{_TABLES[kind]} names none"
                yield Problem("config", 0, f"linkage/{where}", message, pair.score)
        elif kind not in known:
            message = "a score is written score:<kind>:<name>, or with @<cell type> behind it"
            allowed = ", ".join(sorted({*known, *_TABLES}))
            yield Problem("config", 0, f"linkage/{where}", message, pair.score, allowed)
        elif name not in known[kind]:
            yield _unknown(where, f"no {kind} of this name is scored", name, known[kind])
        elif libraries.empty or ("singlecell" if cell else "bulk") not in assays:
            assay = "single-cell" if cell else "bulk"
            message = f"there are no {assay} libraries that could be scored"
            yield Problem("config", 0, f"linkage/{where}", message, pair.score, level="warning")


def _seen(settings: Linkage, known: Mapping[str, Collection[str]]) -> Iterator[Problem]:
    """Kinds of scores of the views that there are none of."""
    kinds = {*known, *_TABLES}
    for i, kind in enumerate(settings.views.scores):
        if kind not in kinds:
            yield _unknown(f"views/scores/{i}", "there is no such kind of score", kind, kinds)


def _outcomes(study: Study, settings: Linkage, dictionary: pd.DataFrame) -> Iterator[Problem]:
    known, animals = set(dictionary["outcome"]), study.sheets["animals"].columns
    named = [(f"pairs/{i}/outcome", p.outcome) for i, p in enumerate(settings.pairs)]
    for i, q in enumerate(settings.questions):
        named += [(f"questions/{i}/outcomes", o) for o in q.outcomes]
    named += [
        (f"perturbations/{i}/outcome", p.outcome) for i, p in enumerate(settings.perturbations)
    ]
    named += [("covariates", c) for c in settings.covariates if c not in animals]
    for where, outcome in named:
        if outcome not in known and not score_parts(outcome)[0]:
            yield _unknown(where, "the dictionary has no such outcome", outcome, known)
    asked = {o for q in settings.questions for o in q.outcomes}
    for i, q in enumerate(settings.questions):
        if not any(p.outcome in q.outcomes for p in settings.pairs):
            message = "no pair is declared with any of its outcomes: no axis can reach L4"
            where = f"linkage/questions/{i}/outcomes"
            yield Problem(
                "config",
                0,
                where,
                message,
                ", ".join(sorted(asked & set(q.outcomes))),
                level="warning",
            )


def _tests(study: Study, settings: Linkage) -> Iterator[Problem]:
    tests = set(bulk_contrasts(study))
    for key in ("responses", "timing"):
        for test in getattr(settings, key):
            if test not in tests:
                yield _unknown(key, "no analysis has this test", test, tests)
    declared = study.claims.get("contrasts")
    contrasts = set(declared) if isinstance(declared, Mapping) else set()
    named = [("mediation", c) for c in settings.mediation]
    named += [
        (f"perturbations/{i}/contrast", p.contrast) for i, p in enumerate(settings.perturbations)
    ]
    for where, contrast in named:
        if contrast not in contrasts:
            yield _unknown(where, "the claims have no such contrast", contrast, contrasts)


def _senders(study: Study, settings: Linkage) -> Iterator[Problem]:
    if not settings.questions:
        return
    libraries = study.sheets["libraries"]
    group = study.sheets["animals"].set_index("animal_id")["group"]
    grouped = libraries["animal_id"].map(group[~group.index.duplicated()]).fillna("") != ""
    tissue = set(libraries.loc[grouped & (libraries["assay"] == "bulk"), "compartment"]) - {""}
    for place in settings.senders:
        if place in tissue:
            message = "animals' tissue holds sender and receiver together: no ligand is shown by it"
            yield Problem("config", 0, "linkage/senders", message, place)
    sources = set(libraries.loc[grouped & (libraries["assay"] == "bulk"), "cell_source"]) - {""}
    for place in sorted(sources & set(settings.senders) - tissue):
        message = "libraries of animals' tissue hold sender and receiver together unless cells were sorted"
        yield Problem("config", 0, "linkage/senders", message, place, level="warning")
    if (libraries["assay"] == "singlecell").any():
        return  # cell types are not known before the atlas is built
    places = set(libraries["compartment"]) | set(libraries["cell_source"])
    for i, q in enumerate(settings.questions):
        if len(libraries) and not places & set(q.receivers):
            message = "no library is of these receivers: no axis can reach L2"
            where = f"linkage/questions/{i}/receivers"
            allowed = ", ".join(sorted(places - {""}))
            yield Problem(
                "config", 0, where, message, ", ".join(q.receivers), allowed, level="warning"
            )


def _axes(settings: Linkage, sets: SetTables) -> Iterator[Problem]:
    known = {s for s in sets.signatures["set"] if s.startswith(AXIS)}
    for i, p in enumerate(settings.perturbations):
        if p.axis not in known:
            yield _unknown(
                f"perturbations/{i}/axis", "the signatures have no such axis", p.axis, known
            )


def _secretome(study: Study, sets: SetTables) -> Iterator[Problem]:
    path = section_of(study.config, "resources").get("secretome")
    if not isinstance(path, str) or not path or "$" in path:
        return
    if not Path(path).is_file():
        yield Problem("config", 0, "resources/secretome", "there is no such file", path)
        return
    try:
        read_secretome(path, sets.ligands())
    except InputError as error:
        row, value = error.row or 0, "" if error.value is None else str(error.value)
        yield Problem(path, row, error.column, error.message, value, error.allowed)


def _shared_units(study: Study, settings: Linkage, dictionary: pd.DataFrame) -> Iterator[Problem]:
    """Pairs too few of whose units have both, and families that no p can pass."""
    animals = study.sheets["animals"].drop_duplicates("animal_id").set_index("animal_id")
    modality = dictionary.drop_duplicates("outcome").set_index("outcome")["modality"]
    sheets = {m: s for s, m in OF_SHEET.items()}
    few: dict[tuple[str, str, int, int], list[str]] = {}
    best: dict[str, list[float]] = {}
    questions = {q.name: q.outcomes for q in settings.questions}
    for pair in settings.pairs:
        sheet = sheets.get(str(modality.get(pair.outcome, "")))
        if sheet is None or study.sheets["libraries"].empty or study.sheets[sheet].empty:
            continue
        both = _both(study, pair, sheet, animals)
        within = pair.units in WITHIN
        units = both["animal_id"].nunique()
        least = MIN_UNITS if within else MIN_ANIMALS
        if units < least:
            few.setdefault((pair.units, sheet, units, least), []).append(
                f"{pair.score} with {pair.outcome}"
            )
        elif len(both) > 3:
            design = design_of(both, animals, within)
            family = family_of(pair.outcome, within, questions)
            best.setdefault(family, []).append(design.floor(settings.permutations))
    for (unit, _, n, least), names in few.items():
        message = f"{n} {unit}s have both, {least} are needed for a test: {'; '.join(names[:3])}"
        message += f" and {len(names) - 3} more" if len(names) > 3 else ""
        yield Problem(
            "config", 0, "linkage/pairs", message, str(n), f"{least} or more", level="warning"
        )
    for family, floors in best.items():
        smallest = min(floors) * len(floors)
        if smallest > settings.alpha:
            message = (
                f"{len(floors)} pairs of {family}: the smallest p that this design can give is "
                f"{min(floors):.2g}, {smallest:.2g} after Holm; none can pass {settings.alpha:g}"
            )
            yield Problem("config", 0, "linkage/pairs", message, level="warning")


def _both(study: Study, pair: Pair, sheet: str, animals: pd.DataFrame) -> pd.DataFrame:
    libraries = study.sheets["libraries"]
    assay = "singlecell" if score_parts(pair.score)[2] else "bulk"
    key = ["animal_id", "condition"] if pair.units in WITHIN else ["animal_id"]
    first = libraries[libraries["assay"] == assay][key].drop_duplicates()
    second = study.sheets[sheet]
    both = first.merge(second[[k for k in key if k in second]].drop_duplicates())
    group = both["animal_id"].map(animals["group"]).fillna("")
    both = both[(group == "") == (pair.units in WITHIN)]
    if "condition" not in both:
        both = both.assign(condition="")
    return both.assign(dose=float("nan")).reset_index(drop=True)
