"""The page: sections filled into the template, everything escaped, nothing loaded from a network."""

from __future__ import annotations

from pathlib import Path

import jinja2
import pandas as pd
import yaml

from periomics.report import claims as first_screen
from periomics.report import flow, linked, recovered
from periomics.report.claims import VERDICT_COLUMNS, claim_groups
from periomics.report.dots import arm_order
from periomics.report.explorer import explorer
from periomics.report.forest import forest, forest_table, rescue_panel, rescue_rows
from periomics.report.genes import gene_pages
from periomics.report.grids import Grid, grid
from periomics.report.methods import as_markdown, blinding, methods, software
from periomics.report.modality import VALUE_COLUMNS, pages, vehicles
from periomics.report.pictures import PLACES, STUDY_PICTURES, embedded, find
from periomics.report.sources import Sources
from periomics.report.words import interval, number, symbol, unit_words
from periomics.study.files import atomic, write_text

TEMPLATES = Path(__file__).parent / "templates"
CONTRAST_COLUMNS = (
    "outcome", "variant", "contrast", "kind", "estimate", "se", "df", "lower", "upper", "level", "p", "p_adj", "family", "scale", "n_animals",
    "method", "time", "time_unit", "unit", "sign", "hedges_g", "g_lower", "g_upper", "perm_p", "perm_floor", "n_per_arm", "confounded_with", "reason",
)  # fmt: skip
RESCUE_COLUMNS = (
    "outcome",
    "arm",
    "R",
    "lower",
    "upper",
    "bounded",
    "deficit_p",
    "scale",
    "variant",
    "set",
    "n_animals",
    "kind",
    "reason",
    "level",
)


def environment() -> jinja2.Environment:
    """Templates of the report; every value is escaped unless it was made here as markup."""
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters["number"] = number
    return env


def write_report(sources: Sources, page: Path, methods_file: Path, figures: Path) -> int:
    """Write page, methods and figures, each whole or not at all; returns the size of the page in bytes."""
    with atomic(figures) as folder:
        folder.mkdir()
        content = contents(sources, folder)
        text = (
            environment()
            .get_template("report.html.j2")
            .render(content, shown_anchors=shown_anchors(content["statistics"]))
        )
        markdown = as_markdown(content["methods"], content["title"])
    write_text(markdown, methods_file)
    write_text(text, page)
    return len(text.encode())


def contents(sources: Sources, figures: Path) -> dict[str, object]:
    """Everything the template shows."""
    config = sources.config
    about = config.get("study") or {}
    declared = sources.mapping("claims")
    verdicts = sources.table("verdicts", VERDICT_COLUMNS)
    contrasts = sources.table("contrasts", CONTRAST_COLUMNS)
    rescue = sources.table("rescue", RESCUE_COLUMNS)
    values = sources.table("animals_values", VALUE_COLUMNS)
    groups = claim_groups(verdicts, contrasts, rescue, declared, sources.dictionary)
    flat = [v for g in groups for c in g.claims for v in c.verdicts.values()]
    images = all_pictures(sources, values)
    order = arm_order(config, sorted(set(values["condition"])), vehicles(sources))
    return {
        "title": str(about.get("title") or about.get("name") or "Study without a title"),
        "about": about, "simulated": bool(config.get("simulate")), "blinding": blinding(config), "units": unit_line(sources),
        "groups": groups, "verdicts": [v for g in groups for c in g.claims for v in [*c.verdicts.values(), *([c.whole] if c.whole else [])]],
        "no_claims": no_claims(verdicts, declared), **claim_figures(contrasts, verdicts, rescue, declared, sources, figures),
        "statistics": statistics_grids(contrasts, rescue, sources),
        "pages": pages(sources, images, figures, flat), "gene_pages": gene_pages(sources, images, figures), "linkage": linked.linkage(sources),
        "recovery": recovered.recovery(sources), "recovery_figure": linked.figure(sources.results / "recovery.svg") if sources.files.get("recovery") else "",
        "explorer": explorer(values, sources.dictionary, order),
        "flow": flow.flow(sources), "overlap": flow.overlap(sources), "batches": flow.batches(sources), "exclusions": flow.exclusions(sources),
        "corrections": flow.corrections(sources), "plan": sources.text("plan"), "plan_notes": flow.plan_notes(sources.text("plan")),
        "methods": methods(sources, declared), "software": grid(software(sources), {"name": "Package", "version": "Version"}, title="Software",
                                                               file="provenance/software.tsv", reason="Versions were not recorded."),
        "inputs": grid(sources.table("inputs", ("kind", "name", "sha256", "bytes")), {"kind": "Kind", "name": "File", "bytes": "Bytes", "sha256": "SHA-256"},
                       title="Inputs and their checksums", file="provenance/inputs.tsv", reason="No input was recorded.", limit=60),
        "seeds": seeds(sources), "record": sources.record, "config_text": yaml.safe_dump(config, sort_keys=True, allow_unicode=True) if config else "",
    }  # fmt: skip


def shown_anchors(grids: list[Grid]) -> set[str]:
    """Rows that the page has, so that every link leads somewhere."""
    return {a for g in grids for a in g.anchors}


def all_pictures(sources: Sources, values: pd.DataFrame) -> dict[str, tuple[list, str]]:
    """Embedded pictures by modality; the budget of bytes is shared among all."""
    order = arm_order(sources.config, sorted(set(values["condition"])))
    found = {a: find(a, sources.sheets, sources.results, order) for a in (*PLACES, *STUDY_PICTURES)}
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
        parts.append(f"{len(part)} {unit}{'s' * (len(part) != 1)}" + (f" ({each})" if each else ""))
    return "; ".join(parts) or "no units"


def no_claims(verdicts: pd.DataFrame, declared: dict) -> str:
    """Why the first screen has no claim, '' if it has."""
    if len(verdicts):
        return ""
    if not declared.get("claims"):
        return "This study declared no claim; estimates without verdicts stand under Statistics."
    return "No claim could be judged: nothing was measured that a claim names."


def claim_figures(contrasts, verdicts, rescue, declared: dict, sources: Sources, figures: Path) -> dict[str, object]:
    """Forest of the claims' outcomes, forest of all outcomes, panel of rescue fractions."""
    table = forest_table(contrasts, verdicts, declared, sources.dictionary)
    claimed = [o for o in dict.fromkeys(verdicts["outcome"]) if not str(o).startswith(first_screen.ALL_OF)]
    drawn = []
    for how, part in table.groupby("standardised_by", sort=True):
        name = "forest" if "Hedges" in str(how) else "forest-within-units"
        drawn.append(
            forest(part, [o for o in claimed if o in set(part["outcome"])], figures, name, "Claims' outcomes in SD")
        )
    others = (
        table[~table["outcome"].isin(claimed) & ~table["outcome"].str.startswith("score:")] if len(table) else table
    )
    further = [forest(part, list(dict.fromkeys(part["outcome"])), figures, f"forest-further-{i + 1}", "Secondary outcomes in SD, exploratory")
               for i, (_, part) in enumerate(others.groupby("standardised_by", sort=True))]  # fmt: skip
    rows = rescue_rows(rescue, claimed)
    rows = rows[rows["outcome"].isin(claimed)] if claimed else rows
    return {"forests": [d for d in drawn if d], "further_forests": [d for d in further if d],
            "rescue_figure": rescue_panel(rows, sources.dictionary, figures, "rescue")}  # fmt: skip


def statistics_grids(contrasts: pd.DataFrame, rescue: pd.DataFrame, sources: Sources) -> list[Grid]:
    """Contrasts and rescue fractions, each row with the line of its file."""
    if contrasts.empty and rescue.empty:
        return []
    out = []
    kinds = (
        ("confirmatory", "Contrasts that claims rest on"),
        ("secondary", "Secondary contrasts, exploratory (BH)"),
        ("score", "Contrasts of scores (BH)"),
    )
    for kind, title in kinds:
        part = contrasts[contrasts["kind"] == kind]
        if len(part) or kind == "confirmatory":
            out.append(_contrast_grid(part, title, sources))
    if len(rescue):
        out.append(_rescue_grid(rescue[(rescue["variant"] == "") | (rescue["variant"].isna())], sources))
    return out


def _contrast_grid(part: pd.DataFrame, title: str, sources: Sources) -> Grid:
    rows = pd.DataFrame({
        "symbol": [symbol(sources.dictionary, o) for o in part["outcome"]], "contrast": part["contrast"], "estimate": part["estimate"].map(number),
        "interval": [interval(a, b) for a, b in zip(part["lower"], part["upper"], strict=True)], "scale": part["scale"],
        "unit": part["unit"].map(unit_words), "df": part["df"].map(number), "p": part["p"].map(number), "p_adj": part["p_adj"].map(number),
        "perm": part["perm_p"].map(number), "n": part["n_per_arm"], "g": part["hedges_g"].map(number), "method": part["method"],
        "reason": part["reason"], "line": [str(i + 2) for i in part.index],
    })  # fmt: skip
    columns = {"symbol": "Outcome", "contrast": "Contrast", "estimate": "Estimate", "interval": "Interval", "scale": "Scale", "unit": "Unit", "df": "df",
               "p": "p", "p_adj": "adjusted p", "perm": "permutation p", "n": "n", "g": "Hedges' g", "method": "Method", "reason": "Remark", "line": "Line"}  # fmt: skip
    file = "statistics/contrasts.tsv"
    anchors = [first_screen.anchor(file, i + 2) for i in part.index]
    return grid(
        rows,
        columns,
        file=file,
        title=title,
        anchors=anchors,
        reason="No contrast was declared or could be formed.",
        limit=600,
    )


def _rescue_grid(rescue: pd.DataFrame, sources: Sources) -> Grid:
    rows = pd.DataFrame({
        "symbol": [symbol(sources.dictionary, o) for o in rescue["outcome"]], "arm": rescue["arm"], "R": rescue["R"].map(number), "set": rescue["set"],
        "p": rescue["deficit_p"].map(number), "scale": rescue["scale"], "kind": rescue["kind"], "n": rescue["n_animals"].map(number),
        "reason": rescue["reason"], "line": [str(i + 2) for i in rescue.index],
    })  # fmt: skip
    columns = {"symbol": "Outcome", "arm": "Arm", "R": "R", "set": "Fieller set", "p": "p of the deficit", "scale": "Scale", "kind": "Kind", "n": "n",
               "reason": "Remark", "line": "Line"}  # fmt: skip
    anchors = [first_screen.anchor("statistics/rescue.tsv", i + 2) for i in rescue.index]
    return grid(rows, columns, file="statistics/rescue.tsv", title="Rescue fractions", anchors=anchors, limit=600)


def seeds(sources: Sources) -> Grid:
    """Seed of every rule that draws."""
    found = sources.record.get("seeds_by_rule") or {}
    rows = pd.DataFrame({"rule": list(found), "seed": [str(v) for v in found.values()]})
    return grid(
        rows,
        {"rule": "Rule", "seed": "Seed"},
        title="Seeds",
        file="provenance/run.json",
        reason="No seed was recorded.",
    )
