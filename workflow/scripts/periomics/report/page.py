"""The page: sections filled into the template, everything escaped, nothing loaded from a network."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import yaml

from periomics import __version__
from periomics.core.commit import git_state
from periomics.core.files import atomic, write_text
from periomics.report import flow, linked, recovered
from periomics.report.answers import answers
from periomics.report.arrive import arrive
from periomics.report.calibrated import calibrated
from periomics.report.claims import VERDICT_COLUMNS, claim_groups
from periomics.report.declared import declared
from periomics.report.estimates import (
    CONTRAST_COLUMNS,
    RESCUE_COLUMNS,
    claim_figures,
    statistics_grids,
    usual_method,
)
from periomics.report.excluded import judged_with_all, left_out
from periomics.report.explained import TERMS, Coded, meanings, of_study
from periomics.report.explorer import explorer
from periomics.report.genes import gene_pages
from periomics.report.given import given_figure
from periomics.report.grids import Grid, grid
from periomics.report.measured import measured_figure
from periomics.report.methods import as_markdown, blinding, methods, software
from periomics.report.modality import VALUE_COLUMNS, pages
from periomics.report.moved import changes_of
from periomics.report.own import own_units
from periomics.report.pictures import PLACES, STUDY_PICTURES, Picture, embedded, find, svg_address
from periomics.report.planning import next_study
from periomics.report.robustness import index_forms, losses
from periomics.report.sources import Sources
from periomics.report.words import counted
from periomics.study.arms import arm_order
from periomics.study.interface.arms import COLUMNS as ARM_COLUMNS

TEMPLATES = Path(__file__).parent / "templates"
ROOT = Path(__file__).resolve().parents[4]
# What the template asks for, where a study or its record does not say it.
ABOUT = {"title": "", "name": "", "description": "", "randomised": ""}
RECORD = {
    "periomics": "",
    "git": {"commit": "", "changed": []},
    "claims_sha256": "",
    "seed": "",
    "system": "",
    "machine": "",
    "third_party_tables": {},
}


def environment(known: Mapping[str, str] | None = None) -> jinja2.Environment:
    """Templates of the report; every value is escaped unless it was made here as markup.

    Parameters
    ----------
    known
        What codes mean (`explained.meanings`): cells and figures explain them on hover.
    """
    loader = jinja2.FileSystemLoader(TEMPLATES)
    made = jinja2.Environment(
        loader=loader,
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    coded = Coded(known or {})
    made.filters |= {"coded": coded.words, "meaning": coded.title, "coded_drawing": coded.drawing}
    made.filters |= {"coded_line": coded.sentence}
    made.globals["terms"] = TERMS
    return made


def write_report(sources: Sources, page: Path, methods_file: Path, figures: Path) -> int:
    """Write page, methods and figures, each whole or not at all; returns the size of the page in bytes."""
    with atomic(figures) as folder:
        folder.mkdir()
        content = contents(sources, folder)
        known = meanings(content["glossary"], sources.sheets["animals"]["group"])
        text = environment(known).get_template("report.html.j2").render(content)
    write_text(as_markdown(content["methods"], str(content["title"])), methods_file)
    write_text(text, page)
    return len(text.encode())


def contents(sources: Sources, figures: Path) -> dict[str, Any]:
    """Everything the template shows.

    Parameters
    ----------
    sources
        What the study has.
    figures
        Folder in which figures and their tables are written.
    """
    config = sources.config
    about = ABOUT | (config.get("study") or {})
    return {
        "title": str(about["title"] or about["name"] or "Study without a title"),
        "about": about,
        "simulated": bool(config.get("simulate")),
        "blinding": blinding(config),
        "stamp": stamp(sources, git_state(ROOT)),
        "units": unit_line(sources),
        "declared": declared(sources),
        "left_out": left_out(sources),
        "glossary": of_study(sources),
        **results_sections(sources, figures),
        **study_sections(sources),
        "measured": measured_figure(sources, figures),
        "given": given_figure(sources, figures),
    }


def results_sections(sources: Sources, figures: Path) -> dict[str, object]:
    """Claims, statistics, a page for each readout, linkage, recovery."""
    claimed = sources.mapping("claims")
    verdicts = sources.table("verdicts", VERDICT_COLUMNS)
    values = sources.table("animals_values", VALUE_COLUMNS)
    contrasts, rescue = (
        sources.table("contrasts", CONTRAST_COLUMNS),
        sources.table("rescue", RESCUE_COLUMNS),
    )
    associations = sources.table("associations", linked.ASSOCIATION_COLUMNS)
    own = own_units(verdicts, sources.table("arms", ARM_COLUMNS), claimed, sources.dictionary)
    groups = claim_groups(
        verdicts,
        contrasts,
        rescue,
        claimed,
        sources.dictionary,
        associations,
        own=own,
        change=changes_of(verdicts, contrasts, left_out=judged_with_all(sources)),
    )
    claims = [c for g in groups for c in g.claims]
    grids, pairs = statistics_grids(sources), linked.linkage(sources)
    images = all_pictures(sources)
    return {
        "answers": answers(
            verdicts,
            claimed,
            sources.dictionary,
            list(sources.sheets["animals"]["unit"].unique()),
            own,
        ),
        "groups": groups,
        "verdicts": [
            v for c in claims for v in [*c.verdicts.values(), *([c.whole] if c.whole else [])]
        ],
        "no_claims": no_claims(verdicts, claimed),
        **claim_figures(verdicts, claimed, sources, figures),
        "statistics": grids,
        "usual_method": usual_method(contrasts),
        "index_forms": index_forms(contrasts, claimed, figures),
        "losses": losses(sources),
        "calibrated": calibrated(sources, figures),
        "shown_anchors": shown_anchors(
            [*grids, *([pairs.associations] if pairs and pairs.associations else [])]
        ),
        "pages": pages(sources, images, figures, [v for c in claims for v in c.verdicts.values()]),
        "gene_pages": gene_pages(sources, images, figures),
        "linkage": pairs,
        "recovery": recovered.recovery(sources),
        "next_study": next_study(sources),
        "recovery_figure": svg_address(sources.path("recovery_figure")),
        "explorer": explorer(values, sources.dictionary, sources.arms),
    }


def study_sections(sources: Sources) -> dict[str, object]:
    """Units, batches, exclusions, plan, methods and provenance."""
    plan = sources.text("plan") or flow.checked_plan(sources)
    columns = {"kind": "Kind", "name": "File", "bytes": "Bytes", "sha256": "SHA-256"}
    inputs = grid(
        sources.table("inputs", list(columns)),
        columns,
        title="Inputs and their checksums",
        file="provenance/inputs.tsv",
        reason="No input was recorded.",
        limit=60,
    )
    packages = grid(
        software(sources),
        {"name": "Package", "version": "Version"},
        title="Software",
        file="provenance/software.tsv",
        reason="Versions were not recorded.",
    )
    return {
        "flow": flow.flow(sources),
        "overlap": flow.overlap(sources),
        "batches": flow.batches(sources),
        "arrive": arrive(sources),
        "exclusions": flow.exclusions(sources),
        "corrections": flow.corrections(sources),
        "plan": plan,
        "plan_notes": flow.plan_notes(plan),
        "methods": methods(sources, sources.mapping("claims")),
        "software": packages,
        "inputs": inputs,
        "seeds": seeds(sources),
        "record": RECORD | sources.record,
        "config_text": yaml.safe_dump(sources.config, sort_keys=True, allow_unicode=True)
        if sources.config
        else "",
    }


def shown_anchors(grids: list[Grid]) -> set[str]:
    """Rows that the page has, so that every link leads somewhere."""
    return {a for g in grids for a in g.anchors}


def all_pictures(sources: Sources) -> dict[str, tuple[list[Picture], str]]:
    """Embedded pictures by modality; the budget of bytes is shared among all."""
    found = {
        a: find(a, sources.sheets, sources.results, sources.arms)
        for a in (*PLACES, *STUDY_PICTURES)
    }
    total = sum(len(f) for f in found.values())
    return {a: embedded(f, sources.results, total) for a, f in found.items()}


def unit_line(sources: Sources) -> str:
    """Units by kind and arm in one line."""
    animals = sources.sheets["animals"].drop_duplicates("animal_id")
    parts = []
    for unit, part in animals.groupby("unit", sort=True):
        arms = part.loc[part["group"] != "", "group"]
        order = arm_order(sources.config, sorted(set(arms)))
        each = ", ".join(f"{a} {int((arms == a).sum())}" for a in order)
        parts.append(counted(len(part), unit) + (f" ({each})" if each else ""))
    return "; ".join(parts) or "no units"


def _commit(git: Mapping[str, Any]) -> str:
    """`commit abcdef012 with 2 changed files`, or why there is none; '' where nothing is known."""
    commit, changed = str(git.get("commit") or ""), len(git.get("changed") or ())
    if not commit or " " in commit:
        return commit
    return f"commit {commit[:9]}" + (f" with {changed} changed files" if changed else "")


def stamp(sources: Sources, own: Mapping[str, Any]) -> str:
    """When, by which code and from which configuration the page was written.

    Parameters
    ----------
    sources
        Its record says which code was there when inputs and software were last recorded; it is
        named where that is another.
    own
        State of the code that writes the page (`git_state`).
    """
    record = RECORD | sources.record
    now = _commit(own)
    then = _commit(record["git"] if isinstance(record["git"], dict) else {})
    code = ", ".join(t for t in (f"periomics {__version__}", now) if t)
    recorded = f"; inputs and software were recorded at {then}" if then not in ("", now) else ""
    text = yaml.safe_dump(sources.config, sort_keys=True, allow_unicode=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    return f"Written {today} by {code}{recorded}; configuration {digest}."


def no_claims(verdicts: pd.DataFrame, declared: dict) -> str:
    """Why the first screen has no claim, '' if it has."""
    if len(verdicts):
        return ""
    if not declared.get("claims"):
        return "This study declared no claim; estimates without verdicts stand under Statistics."
    return "No claim could be judged: nothing was measured that a claim names."


def seeds(sources: Sources) -> Grid:
    """Seed of every rule that draws."""
    found = sources.record.get("seeds_by_rule") or {}
    rows = pd.DataFrame({"rule": list(found), "seed": [str(v) for v in found.values()]})
    columns = {"rule": "Rule", "seed": "Seed"}
    return grid(
        rows, columns, title="Seeds", file="provenance/run.json", reason="No seed was recorded."
    )
