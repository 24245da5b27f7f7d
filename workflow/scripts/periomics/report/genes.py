"""Bulk and single-cell RNA-seq on the page: libraries, changed genes, set rankings, scores, composition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from periomics.core.figures import PALETTE
from periomics.report.cells import cell_words
from periomics.report.claims import anchor
from periomics.report.dots import dot_plot
from periomics.report.drawing import Drawn, canvas, keep
from periomics.report.grids import Grid, grid
from periomics.report.libraries import Q, library_pictures, quality_words, set_levels
from periomics.report.modality import VALUE_COLUMNS
from periomics.report.pictures import Picture
from periomics.report.sources import Sources, complete
from periomics.report.words import area_name, interval
from periomics.study.dictionary import scores_among
from periomics.study.interface.genes import COMPETITIVE, GENE_COLUMNS, SET_TEST_COLUMNS

TOP_GENES, TOP_SETS, MOST_SCORES, MOST_VOLCANOES = 12, 8, 12, 16
MOST_TYPES = 20
LONGEST = 16  # characters of a gene's name in a figure
GENE_HEADER = {
    "gene": "Gene",
    "baseMean": "Mean count",
    "log2FC": "log₂ fold change",
    "lfcSE": "SE",
    "padj": "adjusted p",
}
MARGIN_FACTS = ("margin", "n_beyond", "n_within")
NO_TEST = "no test was made"


@dataclass(frozen=True)
class Test:
    """One differential test: what it is, how many genes changed or why it was not made, its best genes and its sets."""

    name: str
    anchor: str
    changed: str
    volcano: Drawn | None
    genes: Grid
    sets: Grid | None


@dataclass(frozen=True)
class GenePage:
    """Bulk or single-cell RNA-seq on the page."""

    area: str
    title: str
    anchor: str
    facts: str
    pictures: Sequence[Picture]
    picture_note: str
    tests: Sequence[Test]
    scores: tuple[Sequence[Drawn], Sequence[Drawn]]
    shares: Sequence[Drawn]
    tables: Sequence[Grid]
    words: Sequence[str] = ()
    libraries: Sequence[Drawn] = ()
    folded: str = ""


def gene_pages(
    sources: Sources, pictures: dict[str, tuple[list[Picture], str]], figures: Path
) -> list[GenePage]:
    """Pages of bulk and single cell, each only where the study has its tables."""
    out = []
    if any(sources.files.get(k) for k in ("bulk_qc", "bulk_scores", "de")):
        out.append(_bulk(sources, pictures, figures))
    if any(sources.files.get(k) for k in ("sc_composition", "sc_scores", "sc_de")):
        out.append(_single(sources, pictures, figures))
    return out


def _bulk(sources: Sources, pictures: dict, figures: Path) -> GenePage:
    qc = sources.table("bulk_qc")
    tests = differential(sources, ("de", "sets", "bulk_tests"), figures, "bulk")
    heading = {c: c.replace("_", " ") for c in qc.columns} or {"specimen_id": "library"}
    libraries = grid(
        qc, heading, file="bulk/qc.tsv", title="Libraries", reason="No library could be read."
    )
    scores = score_plots(sources, "bulk", figures)
    respond = responding_sets(sources.table("set_tests", SET_TEST_COLUMNS)) if tests else None
    tables = [
        libraries,
        *([respond] if respond else []),
        *_unscored(sources, "bulk_scores", "bulk"),
    ]
    facts = f"{_count(len(qc), 'library', 'libraries')}, {_count(len(tests), 'differential test')}"
    images, note = pictures.get("bulk", ([], ""))
    return GenePage(
        area="bulk",
        title=area_name("bulk"),
        anchor=anchor("page", "bulk"),
        facts=facts,
        pictures=images,
        picture_note=note,
        tests=tests,
        scores=scores,
        shares=[],
        tables=tables,
        words=quality_words(qc),
        libraries=library_pictures(sources, figures),
    )


def _single(sources: Sources, pictures: dict, figures: Path) -> GenePage:
    composition = sources.table("sc_composition", ("row", "cell_type"))
    tests = differential(sources, ("sc_de", "", "sc_tests"), figures, "singlecell")
    qc = sources.table("sc_qc")
    libraries = (
        [
            grid(
                qc,
                {c: c.replace("_", " ") for c in qc.columns},
                file="singlecell/qc.tsv",
                title="Libraries",
            )
        ]
        if len(qc)
        else []
    )
    tables = [
        *composition_grids(composition),
        *libraries,
        *_clusters(sources.table("sc_clusters")),
        *_unscored(sources, "sc_scores", "singlecell"),
    ]
    scores = score_plots(sources, "singlecell", figures)
    shares = composition_plots(composition, sources, figures)
    facts = f"{_count(composition['cell_type'].nunique(), 'cell type')}, {_count(len(tests), 'pseudobulk test')}"
    images, note = pictures.get("singlecell", ([], ""))
    return GenePage(
        area="singlecell",
        title=area_name("singlecell"),
        anchor=anchor("page", "singlecell"),
        facts=facts,
        pictures=images,
        picture_note=note,
        tests=tests,
        scores=scores,
        shares=shares,
        tables=tables,
        words=cell_words(sources, composition),
        folded="Maps of cells, their markers and types, and the quality of libraries",
    )


def _clusters(clusters: pd.DataFrame) -> list[Grid]:
    """Clusters with their label, how sure it is, how stable they are and how many libraries they hold."""
    header = {
        "cluster": "Cluster",
        "cells": "Cells",
        "libraries": "Libraries",
        "largest_library_percent": "Largest library, %",
        "label": "Label",
        "confidence": "Confidence",
        "cells_labelled_percent": "Cells with this label, %",
        "stability": "Found again",
    }
    if clusters.empty:
        return []
    return [grid(clusters, header, file="singlecell/clusters.tsv", title="Clusters")]


def _count(n: int, one: str, many: str = "") -> str:
    return f"{n} {one if n == 1 else many or one + 's'}"


def composition_grids(table: pd.DataFrame) -> list[Grid]:
    """Contrasts of cell types' shares, and the shares of every unit."""
    file = "singlecell/composition.tsv"
    tested = table[table["row"] == "contrast"]
    rows = complete(
        tested, ("lower", "upper", "estimate", "padj", "n_units", "status", "reason", "contrast")
    )
    rows = rows.assign(
        interval=[interval(a, b) for a, b in zip(rows["lower"], rows["upper"], strict=True)]
    )
    columns = {
        "contrast": "Contrast",
        "cell_type": "Cell type",
        "estimate": "Difference of log shares",
        "interval": "95 % interval",
        "padj": "adjusted p",
        "n_units": "n",
        "status": "Status",
        "reason": "Reason",
    }
    contrasts = grid(
        rows,
        columns,
        file=file,
        title="Composition by contrast",
        reason="No contrast was declared for cell types.",
    )
    units = table[table["row"] != "contrast"]
    columns = {
        "animal_id": "Unit",
        "arm": "Arm",
        "cell_type": "Cell type",
        "count": "Cells",
        "proportion": "Share",
        "clr": "Centred log ratio",
    }
    each = grid(
        units,
        columns,
        file=file,
        title="Composition of every unit",
        reason="No cell was typed.",
        limit=300,
    )
    return [contrasts, each]


def composition_plots(table: pd.DataFrame, sources: Sources, figures: Path) -> list[Drawn]:
    """Share of each cell type in every unit, by arm."""
    units = complete(table, ("animal_id", "arm", "proportion"))
    units = units[
        (units["row"] != "contrast") & pd.to_numeric(units["proportion"], errors="coerce").notna()
    ]
    rows = pd.DataFrame(
        {
            "animal_id": units["animal_id"],
            "condition": units["arm"],
            "value": 100 * units["proportion"].astype(float),
            "cell_type": units["cell_type"],
            "unit": "% of cells",
            "dose": np.nan,
            "dose_unit": "",
            "time": np.nan,
            "time_unit": "",
            "batch": "",
        }
    )
    order = sources.arms
    parts = list(rows.groupby("cell_type", sort=True))[:MOST_TYPES]
    return [
        dot_plot(part, str(name), sources.dictionary, order, figures, anchor("composition", name))
        for name, part in parts
    ]


def differential(
    sources: Sources, names: tuple[str, str, str], figures: Path, area: str
) -> list[Test]:
    """Every differential test of a modality.

    Parameters
    ----------
    sources
        What the study has.
    names
        Names of the tests' tables, of the rankings of sets of the same file names, and of the overview of the tests.
    figures
        Where volcano plots go.
    area
        bulk or singlecell.
    """
    de, sets, overview = names
    rankings = {path.stem: table for path, table in sources.tables(sets).items()} if sets else {}
    said = (
        sources.table(overview, ("test", "status", "reason", "n_per_arm", *MARGIN_FACTS))
        .drop_duplicates("test")
        .set_index("test")
    )
    out: list[Test] = []
    for path, table in sources.tables(de).items():
        table = complete(table, GENE_COLUMNS)
        name, ranking = path.stem, rankings.get(path.stem)
        drawn = (
            volcano(table, name, figures, area)
            if sum(t.volcano is not None for t in out) < MOST_VOLCANOES
            else None
        )
        sets_of = None if ranking is None else top_sets(ranking, name)
        text = changed(table, said.loc[name].to_dict() if name in said.index else {})
        out.append(
            Test(name, anchor(area, name), text, drawn, top_genes(table, area, path), sets_of)
        )
    return out


def changed(table: pd.DataFrame, overview: Mapping[str, object] | None = None) -> str:
    """How many genes changed at the false discovery rate of the page, or why nothing was tested; on how many units."""
    overview = overview or {}
    padj = pd.to_numeric(table["padj"], errors="coerce")
    units = f" (n: {overview['n_per_arm']})" if overview.get("n_per_arm") else ""
    if padj.notna().sum() == 0:
        reasons = [str(overview.get("reason") or "")] + [
            str(r)
            for c in ("reason", "note")
            if c in table.columns and not overview.get("reason")
            for r in table[c].unique()
        ]
        told = "; ".join(r for r in dict.fromkeys(reasons) if r and r != "nan")
        return f"{NO_TEST}: {told or 'the table holds no adjusted p-value'}{units}"
    hit = padj <= Q
    up = int((hit & (pd.to_numeric(table["log2FC"], errors="coerce") > 0)).sum())
    total, many = int(padj.notna().sum()), int(hit.sum())
    text = f"{many} of {total} genes changed (q ≤ {Q}): {up} up, {many - up} down{units}"
    margin, beyond, within = (
        pd.to_numeric(str(overview.get(c, "")), errors="coerce") for c in MARGIN_FACTS
    )
    if pd.isna(margin) or pd.isna(beyond) or pd.isna(within):
        return text
    fold = f"{2**margin:.3g}-fold"
    shown = f"{within:.0f} shown to change by less than {fold}, {beyond:.0f} by more"
    return f"{text}; {shown}; of the others neither is shown"


def top_genes(table: pd.DataFrame, area: str, path: Path) -> Grid:
    """Genes with the smallest adjusted p, or with the largest shrunken change where nothing was tested."""
    df = table.copy()
    for column in GENE_COLUMNS[2:]:
        df[column] = pd.to_numeric(df[column], errors="coerce")
    df["gene"] = df["symbol"].where(df["symbol"].astype(str) != "", df["gene_id"])
    tested = df["padj"].notna().any()
    df["_size"] = -df["log2FC_shrunk"].abs().fillna(df["log2FC"].abs())
    df = df.sort_values(["padj", "p", "_size"] if tested else ["_size"], kind="stable").head(
        TOP_GENES
    )
    title = (
        "Genes with the smallest adjusted p"
        if tested
        else "Genes with the largest change (descriptive)"
    )
    df = df[df["log2FC"].notna()]
    return grid(
        df,
        GENE_HEADER,
        file=f"{area}/de/{path.name}",
        title=title,
        reason="The table holds no gene.",
    )


def top_sets(ranking: pd.DataFrame, name: str) -> Grid:
    """Sets at both ends of the ranking; a description, not a test."""
    df = ranking.copy()
    if "NES" in df.columns and len(df) > 2 * TOP_SETS:
        df["NES"] = pd.to_numeric(df["NES"], errors="coerce")
        df = df.sort_values("NES", ascending=False, kind="stable")
        df = pd.concat([df.head(TOP_SETS), df.tail(TOP_SETS)])
    columns = {
        "set": "Set",
        "NES": "NES",
        "n_genes": "Genes",
        "share_mapped": "Share mapped",
        "leading": "Leading genes",
    }
    if "set" not in df.columns and len(df.columns):
        columns = {c: c for c in df.columns[:8]}
    return grid(
        df,
        columns,
        file=f"bulk/sets/{name}.tsv",
        title="Gene sets: descriptive ranking, no inference",
        reason="No set was ranked.",
    )


def responding_sets(table: pd.DataFrame) -> Grid:
    """Sets whose mean changes in a contrast, also with a variance for each arm; what the test against all other genes says beside."""
    keys = ["test", "set_id"]
    competitive = table[table["method"] == COMPETITIVE].set_index(keys)["p_adj"]
    others = pd.to_numeric(competitive, errors="coerce").rename("p_others")
    df = set_levels(table)
    df = df[df["level"] <= Q].join(others, on=keys)
    columns = {
        "test": "Test",
        "set_id": "Set",
        "direction": "Direction",
        "n_genes": "Genes",
        "p_adj": "adjusted p",
        "p_groupwise": "p with a variance for each arm",
        "p_others": "adjusted p against other genes",
        "r_between_genes": "Correlation between genes",
    }
    return grid(
        df.sort_values(["test", "p_adj", "set_id"], kind="stable"),
        columns,
        file="bulk/set_tests.tsv",
        title="Gene sets that respond (samples as units; Benjamini-Hochberg over sets)",
        reason="No set responds at 5 % false discoveries in any contrast that is tested.",
    )


def volcano(table: pd.DataFrame, name: str, figures: Path, area: str) -> Drawn | None:
    """Change against evidence of every gene; None where nothing was tested."""
    df = table.assign(
        **{c: pd.to_numeric(table[c], errors="coerce") for c in ("log2FC", "p", "padj")}
    )
    df = df[df["p"].notna() & df["log2FC"].notna()]
    if df.empty:
        return None
    y = -np.log10(df["p"].clip(lower=1e-300))
    hit = df["padj"] <= Q
    with canvas(4.6, 3.5) as (fig, ax):
        fig.set_layout_engine(None)
        ax.set_position((0.16, 0.17, 0.8, 0.76))
        ax.plot(df["log2FC"][~hit], y[~hit], ".", ms=2, color="#b6bfc8", rasterized=True)
        ax.plot(df["log2FC"][hit], y[hit], ".", ms=3.2, color=PALETTE[1], rasterized=True)
        ax.axvline(0, color="#9aa5b1", lw=0.7)
        for row in df[hit].sort_values("p").head(6).itertuples():
            ax.annotate(
                str(row.symbol or row.gene_id)[:LONGEST],
                (row.log2FC, -np.log10(max(row.p, 1e-300))),
                fontsize=9,
                xytext=(2, 2),
                textcoords="offset points",
            )
        ax.set_xlabel("log₂ fold change", fontsize=9.5)
        ax.set_ylabel("−log₁₀ p", fontsize=9.5)
        ax.tick_params(labelsize=9)
        drawn = df[["gene_id", "symbol", "log2FC", "p", "padj"]].assign(
            changed=np.where(hit, "yes", "no")
        )
        return keep(
            fig, figures, anchor(area, name), drawn, title=name, caption=f"Orange: q ≤ {Q}."
        )


def score_plots(sources: Sources, area: str, figures: Path) -> tuple[list[Drawn], list[Drawn]]:
    """Scores by arm, animals and isolations apart: those that a claim or a declared pair names, and those that differ most.

    A score whose arms all have a single unit is not drawn, nor are those of units without arms (donors of the cells).
    """
    values = sources.table("animals_values", VALUE_COLUMNS)
    rows = values[scores_among(values["outcome"]) & (values["modality"] == area)]
    rows = rows[(rows["status"] == "measured") & rows["value"].notna() & (rows["variant"] == "")]
    units = sources.sheets["animals"].drop_duplicates("animal_id").set_index("animal_id")["unit"]
    rows = rows.assign(unit_of_analysis=rows["animal_id"].map(units).fillna(""))
    pairs = (sources.config.get("linkage") or {}).get("pairs") or []
    named = {str(p.get("score")) for p in pairs} | set(
        sources.table("verdicts", ("outcome",))["outcome"]
    )
    first: list[Drawn] = []
    further: list[Drawn] = []
    for unit, part in rows.groupby("unit_of_analysis", sort=True):
        if part["condition"].nunique() < 2:
            continue
        several = (
            part.groupby(["outcome", "condition"])["animal_id"].nunique().groupby("outcome").max()
            > 1
        )
        part = part[part["outcome"].map(several)]
        order = sources.arms
        ranked = [s for s in sorted(named) if s in set(part["outcome"])]
        others = [s for s in separation(part).index if s not in ranked][:MOST_SCORES]
        for score in [*ranked, *others]:
            drawn = dot_plot(
                part[part["outcome"] == score],
                score,
                sources.dictionary,
                order,
                figures,
                anchor(score, unit),
            )
            (first if score in ranked else further).append(drawn)
    return first, further


def separation(rows: pd.DataFrame) -> pd.Series:
    """Share of a score's variance that lies between arms, falling; a description that orders the plots."""
    total = rows.groupby("outcome")["value"].var(ddof=0)
    means = rows.groupby(["outcome", "condition"])["value"].transform("mean")
    between = means.groupby(rows["outcome"]).var(ddof=0)
    return (between / total.where(total > 0)).fillna(0).sort_values(ascending=False, kind="stable")


def _unscored(sources: Sources, name: str, area: str) -> list[Grid]:
    """Scores without a value and the reason, once a score."""
    scores = sources.table(name, ("score_id", "kind", "value", "reason", "share_mapped"))
    lost = scores[pd.to_numeric(scores["value"], errors="coerce").isna() & (scores["reason"] != "")]
    if lost.empty:
        return []
    table = (
        lost.groupby(["score_id", "kind", "reason"], sort=True)
        .size()
        .rename("libraries")
        .reset_index()
    )
    columns = {"score_id": "Score", "kind": "Kind", "libraries": "Libraries", "reason": "Reason"}
    return [grid(table, columns, file=f"{area}/scores.tsv", title="Scores that could not be given")]
