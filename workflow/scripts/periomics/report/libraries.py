"""Pictures of bulk libraries: planes and distances, how much genes vary, sets by contrast; and their quality in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from periomics.core.figures import PALETTE
from periomics.core.multiplicity import Q
from periomics.report.claims import anchor
from periomics.report.dots import arm_colour
from periomics.report.drawing import Drawn, canvas, keep
from periomics.report.sources import Sources
from periomics.study.interface.genes import (
    DISPERSION_COLUMNS,
    DISTANCE_COLUMNS,
    GROUPWISE,
    PLANE_COLUMNS,
    ROTATION,
    SET_TEST_COLUMNS,
)

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LEVELS = (Q, 0.01, 0.001)
MOST_SETS, MOST_NAMES, MOST_GENES = 40, 40, 3000
GREY = "#b6bfc8"
NO_ARM = "no arm"


def library_pictures(sources: Sources, figures: Path) -> list[Drawn]:
    """All pictures of a study's bulk libraries, in reading order."""
    arms = arms_of(sources)
    order = sources.arms
    plane = sources.table("bulk_planes", PLANE_COLUMNS)
    far = sources.table("bulk_distances", DISTANCE_COLUMNS)
    spread = sources.table("bulk_dispersion", DISPERSION_COLUMNS)
    out: list[Drawn] = []
    for name, part in plane.groupby("compared_with", sort=True):
        pairs = far[far["compared_with"] == name]
        out += [
            plane_plot(part, str(name), arms, order, figures),
            distance_map(part, pairs, str(name), arms, figures),
        ]
    out += [dispersion_plot(p, str(n), figures) for n, p in spread.groupby("analysis", sort=True)]
    sets = set_map(sources.table("set_tests", SET_TEST_COLUMNS), figures)
    return [*out, *([sets] if sets else [])]


def arms_of(sources: Sources) -> dict[str, str]:
    """Library → its condition, else the group of its animal."""
    libraries, animals = sources.sheets["libraries"], sources.sheets["animals"]
    groups = animals.drop_duplicates("animal_id").set_index("animal_id")["group"]
    own = libraries["condition"].where(
        libraries["condition"] != "", libraries["animal_id"].map(groups).fillna("")
    )
    return {str(s): str(a) or NO_ARM for s, a in zip(libraries["specimen_id"], own, strict=True)}


def plane_plot(
    part: pd.DataFrame, name: str, arms: Mapping[str, str], order: Sequence[str], figures: Path
) -> Drawn:
    """Libraries in the plane of their first two components; an arm has a colour and a shape."""
    rows = part.assign(arm=[arms.get(str(s), NO_ARM) for s in part["specimen_id"]])
    tips = []
    with canvas(5.8, 3.6) as (fig, ax):
        _place(fig, ax, (0.12, 0.15, 0.56, 0.8))
        present = [a for a in order if a in set(rows["arm"])]
        for i, arm in enumerate([*present, *sorted(set(rows["arm"]) - set(present))]):
            own = rows[rows["arm"] == arm]
            style = {"color": arm_colour(arm, order), "marker": MARKERS[i % len(MARKERS)]}
            gid = f"plane-{i}"
            ax.plot(own["pc1"], own["pc2"], ls="", ms=5, mec="white", mew=0.4, gid=gid, **style)
            ax.plot([], [], ls="", ms=5, label=arm, **style)
            tips.append((gid, [f"{s}: {arm}" for s in own["specimen_id"]]))
        ax.set_xlabel(_axis("PC1", rows["share_pc1"]), fontsize=9.5)
        ax.set_ylabel(_axis("PC2", rows["share_pc2"]), fontsize=9.5)
        ax.tick_params(labelsize=9)
        ax.legend(loc="upper left", bbox_to_anchor=(1.02, 1), fontsize=9, frameon=False)
        caption = "A dot is a library: near ones express alike (most variable genes, log counts)."
        title = f"Libraries of {name}" if name else "Libraries"
        file = anchor("plane", name or "libraries")
        return keep(fig, figures, file, rows, title=title, caption=caption, tips=tips)


def _axis(name: str, share: pd.Series) -> str:
    return f"{name} ({100 * float(share.iloc[0]):.0f} % of the variance)"


def distance_map(
    part: pd.DataFrame, pairs: pd.DataFrame, name: str, arms: Mapping[str, str], figures: Path
) -> Drawn:
    """Distances of all pairs of libraries, those that are alike beside each other."""
    names = [str(s) for s in part.sort_values("place")["specimen_id"]]
    square = pairs.pivot(index="specimen_id", columns="other", values="distance")
    values = square.reindex(index=names, columns=names).to_numpy(float)
    size = min(5.2, 2.2 + 0.11 * len(names))
    with canvas(size + 0.6, size) as (fig, ax):
        _place(fig, ax, (0.27, 0.25, 0.58, 0.7))
        image = ax.imshow(values, cmap="cividis", aspect="auto", interpolation="nearest")
        labels = [f"{s} · {arms.get(s, NO_ARM)}" for s in names]
        _names(ax, labels if len(names) <= MOST_NAMES else [], len(names))
        bar = fig.add_axes((0.88, 0.25, 0.025, 0.7))
        fig.colorbar(image, cax=bar)
        bar.tick_params(labelsize=7)
        typical = float(np.nanmedian(values))
        caption = (
            f"Dark: alike. Two libraries differ in a typical one of the most variable genes "
            f"{2**typical:.2g}-fold (median; the scale is in doublings)."
        )
        title = f"Distances between libraries of {name}" if name else "Distances between libraries"
        file = anchor("distances", name or "libraries")
        return keep(fig, figures, file, pairs, title=title, caption=caption)


def _names(ax: Any, labels: Sequence[str], number: int) -> None:
    at = range(number) if labels else []
    ax.set_xticks(at, labels, rotation=90, fontsize=6)
    ax.set_yticks(at, labels, fontsize=6)
    ax.tick_params(length=0)
    for side in ax.spines.values():
        side.set_visible(False)


def dispersion_plot(spread: pd.DataFrame, name: str, figures: Path) -> Drawn:
    """How much the counts of genes vary between units of one arm, against their mean; in percent, counting apart."""
    rows = spread.assign(
        **{c: pd.to_numeric(spread[c], errors="coerce") for c in DISPERSION_COLUMNS[2:]}
    )
    rows = rows[rows["baseMean"] > 0].sort_values("baseMean", kind="stable")
    words = variation_words(rows)
    shown = rows.iloc[np.unique(np.linspace(0, len(rows) - 1, MOST_GENES).astype(int))]
    percent = {c: 100 * np.sqrt(shown[c]) for c in ("own", "trend", "used")}
    with canvas(4.9, 3.6) as (fig, ax):
        _place(fig, ax, (0.16, 0.16, 0.8, 0.68))
        mean = shown["baseMean"]
        ax.plot(mean, percent["own"].clip(lower=1), ".", ms=1.6, color=GREY, rasterized=True)
        ax.plot([], [], "o", ms=3, color=GREY, label="a gene by itself")
        ax.plot(mean, percent["trend"], color=PALETTE[1], lw=1.6, label="genes of its mean")
        counting = 100 / np.sqrt(mean)
        ax.plot(mean, counting, color=PALETTE[0], lw=1.2, ls="--", label="counting alone")
        ax.set(xscale="log", yscale="log", ylim=(1, 1.2 * max(100.0, float(percent["own"].max()))))
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter("{x:g}")  # without formulas, which are left as text
            axis.set_minor_formatter("")
        ax.set_xlabel("mean count", fontsize=9.5)
        ax.set_ylabel("variation between units, %", fontsize=9.5)
        ax.tick_params(labelsize=9)
        ax.legend(loc="lower center", bbox_to_anchor=(0.45, 1), ncols=3, fontsize=9, frameon=False)
        table = shown.assign(**{f"{c}_percent": v for c, v in percent.items()})
        file, title = anchor("dispersion", name), f"How much genes vary: {name}"
        return keep(fig, figures, file, table, title=title, caption=words)


def variation_words(rows: pd.DataFrame) -> str:
    """What the dispersions say, for who thinks in percent."""
    near = rows[(rows["baseMean"] >= 50) & (rows["baseMean"] <= 200)]
    near, what = (near, "with about 100 reads") if len(near) >= 20 else (rows, "of this analysis")
    if near.empty:
        return "No gene could be fitted."
    low, middle, high = 100 * np.sqrt(near["used"].quantile([0.25, 0.5, 0.75]))
    chance = 100 / np.sqrt(near["baseMean"].median())
    return (
        f"Between units of one arm a typical gene {what} varies by {middle:.0f} % of its mean (half "
        f"of these genes: {low:.0f} to {high:.0f} %); the chance of counting reads adds {chance:.0f} %. "
        "The more genes vary, the more animals a change of a given size needs."
    )


def set_levels(table: pd.DataFrame) -> pd.DataFrame:
    """Rotation's row of every set and test, `p_groupwise` beside it, and `level`: its adjusted p where both say so, else 1.

    A set responds up to level `Q`. Where the test with a variance for each arm has no p it does not say so.
    """
    df = table.assign(
        **{c: pd.to_numeric(table[c], errors="coerce") for c in ("stat", "p", "p_adj")}
    )
    keys = ["set_id", "test"]
    own = df[df["method"] == GROUPWISE].set_index(keys)["p"].rename("p_groupwise")
    df = df[df["method"] == ROTATION].join(own, on=keys)
    return df.assign(level=df["p_adj"].where(df["p_groupwise"] <= Q, 1.0).fillna(1.0))


def set_map(table: pd.DataFrame, figures: Path) -> Drawn | None:
    """Sets by contrast: colour is direction and strength of the response, stars its error rate; None where none responds."""
    df = set_levels(table)
    best = df.groupby("set_id")["level"].min()
    named = best[best <= Q].sort_values(kind="stable").index[:MOST_SETS]
    if not len(named):
        return None
    df = df[df["set_id"].isin(named)].assign(stars=lambda t: t["level"].map(_stars))
    tests = list(dict.fromkeys(df["test"]))
    wide = df.pivot(index="set_id", columns="test", values="stat")[tests]
    wide = wide.loc[wide.mean(axis=1).sort_values(ascending=False, kind="stable").index]
    stars = df.pivot(index="set_id", columns="test", values="stars").reindex_like(wide).fillna("")
    height, width = 1.6 + 0.17 * len(wide), 2.9 + 0.42 * len(tests)
    with canvas(width, height) as (fig, ax):
        _place(fig, ax, (2.1 / width, 1.2 / height, 0.42 * len(tests) / width, 1 - 1.35 / height))
        most = float(np.nanmax(np.abs(wide.to_numpy(float))))
        image = ax.imshow(wide, cmap="PuOr_r", vmin=-most, vmax=most, aspect="auto")
        for i, row in enumerate(stars.to_numpy()):
            for j, text in enumerate(row):
                ax.text(j, i + 0.1, text, ha="center", va="center", fontsize=7)
        ax.set_xticks(range(len(tests)), tests, rotation=90, fontsize=7)
        ax.set_yticks(range(len(wide)), wide.index, fontsize=6.5)
        ax.tick_params(length=0)
        bar = fig.add_axes(
            (1 - 0.6 / width, 1.2 / height, 0.1 / width, min(0.8, 1 - 1.35 / height))
        )
        fig.colorbar(image, cax=bar)
        bar.tick_params(labelsize=6.5)
        caption = (
            "Orange: the set responds as it is signed (up where it has no sign), violet: against it; the "
            "scale is its t. Stars: adjusted p of its test with samples as units up to .05, .01, .001; "
            "no star: not shown to respond."
        )
        return keep(
            fig, figures, "sets-by-contrast", df, title="Gene sets by contrast", caption=caption
        )


def _stars(level: float) -> str:
    return "*" * sum(level <= at for at in LEVELS)


def quality_words(qc: pd.DataFrame) -> list[str]:
    """What the quality table says, in sentences."""
    if qc.empty or "qc" not in qc.columns:
        return []
    numbers = {
        c: pd.to_numeric(qc.get(c, pd.Series(dtype=float)), errors="coerce").dropna()
        for c in ("library_size", "detected", "top_share", "median_correlation", "assigned_share")
    }
    passed, n = int((qc["qc"] == "pass").sum()), len(qc)
    out = [f"{passed} of {n} libraries passed."]
    if len(size := numbers["library_size"]):
        out.append(
            f"Reads on genes: {_millions(size.min())} to {_millions(size.max())} a library (median "
            f"{_millions(size.median())}); genes found: {numbers['detected'].min():,.0f} to "
            f"{numbers['detected'].max():,.0f}."
        )
    if len(on := numbers["assigned_share"]):
        out.append(
            f"Of the reads that the counter tells about, {100 * on.min():.0f} to {100 * on.max():.0f} % "
            f"fell on genes (least in {qc.loc[on.idxmin(), 'specimen_id']}); the column note says where "
            "the others fell."
        )
    else:
        out.append("These files do not tell how many reads fell outside genes or were not aligned.")
    if len(top := numbers["top_share"]):
        out.append(
            f"The 50 strongest genes take {100 * top.min():.0f} to {100 * top.max():.0f} % of a library's "
            "reads; much more in one library than in others points to few molecules or contamination."
        )
    if len(like := numbers["median_correlation"]):
        out.append(
            f"A library is like the others of its kind with r = {like.min():.2f} to {like.max():.2f} "
            f"(least {qc.loc[like.idxmin(), 'specimen_id']})."
        )
    return out


def _millions(reads: float) -> str:
    return f"{reads / 1e6:.3g} million" if reads >= 1e6 else f"{reads:,.0f}"


def _place(fig: Any, ax: Any, box: tuple[float, float, float, float]) -> None:
    fig.set_layout_engine(None)
    ax.set_position(box)
