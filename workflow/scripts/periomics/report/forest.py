"""Forest of standardised contrasts with the smallest effect of interest, and the panel of rescue fractions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from periomics.report.dots import arm_colour
from periomics.report.drawing import PAGE_WIDTH, Drawn, canvas, keep, page_width
from periomics.report.words import symbol, tone

# Colour and marker of a tone; rows without a claim are plain dots.
TONE_STYLE = {
    "good": ("#00614f", "o"),
    "part": ("#b36b00", "D"),
    "bad": ("#b3261e", "X"),
    "open": ("#6b7785", "s"),
    "none": ("#6b7785", "|"),
    "": ("#33414f", "."),
}
BAND = "#dfe9f5"
COLUMNS = (
    "contrast",
    "outcome",
    "symbol",
    "effect",
    "lower",
    "upper",
    "standardised_by",
    "margin_from",
    "margin_to",
    "verdict",
    "signed",
    "n_animals",
    "kind",
)
BETWEEN, WITHIN = "SD between animals (Hedges' g)", "SD of the differences within units"
R_LIMITS = (-0.75, 2.0)
RESCUE_COLUMNS = (
    "outcome",
    "arm",
    "R",
    "lower",
    "upper",
    "bounded",
    "set",
    "n_animals",
    "deficit_p",
    "level",
    "reason",
)


def standardised(contrasts: pd.DataFrame) -> pd.DataFrame:
    """Contrasts in SD, positive where better, with their intervals; rows without inference are left out.

    Different animals: Hedges' g as in the table. Arms within a unit: mean difference over the SD of the differences
    (se × √n), its interval scaled alike. Rows whose outcome has no declared direction keep their own sign (`signed` = no).
    """
    df = contrasts[contrasts["kind"].isin(["confirmatory", "secondary", "composite"])].copy()
    for column in (
        "hedges_g",
        "g_lower",
        "g_upper",
        "estimate",
        "lower",
        "upper",
        "se",
        "n_animals",
        "sign",
    ):
        df[column] = pd.to_numeric(df[column], errors="coerce")
    within = df["hedges_g"].isna() & df["method"].str.contains("within units")
    scale = df["se"] * np.sqrt(df["n_animals"])
    sign = df["sign"].where(df["sign"].notna(), 1.0)
    parts = {
        "effect": ("hedges_g", "estimate"),
        "low": ("g_lower", "lower"),
        "high": ("g_upper", "upper"),
    }
    for name, (between, inside) in parts.items():
        df[name] = sign * df[between].where(~within, df[inside] / scale)
    df["lower"], df["upper"] = df[["low", "high"]].min(axis=1), df[["low", "high"]].max(axis=1)
    df["signed"] = df["sign"].notna().map({True: "yes", False: "no"})
    df["standardised_by"] = np.where(within, WITHIN, BETWEEN)
    return df[df["effect"].notna()]


def with_margins(
    df: pd.DataFrame, claims: Mapping[str, Any], gate: str, judged: Mapping[tuple[str, str], str]
) -> pd.DataFrame:
    """Add the band of effects that are too small to matter, in the units of the figure.

    The margin is that of the claim which judges the contrast of the outcome (`judged`: (contrast, outcome) → claim), else that of
    the contrast's first claim, else the study's. A margin in SD stands as it is. A share of the deficit is that share of the
    outcome's own deficit in the figure (contrast `gate`). A margin in the outcome's unit is not drawn: it has no place on a common
    axis.
    """
    effects = df[df["contrast"] == gate].drop_duplicates("outcome").set_index("outcome")["effect"]
    general = claims.get("margin") or {}
    entries = claims.get("claims") or []
    by_claim = {str(c.get("id")): c.get("margin") or general for c in entries}
    by_contrast = {str(c.get("contrast")): c.get("margin") or general for c in reversed(entries)}
    ends = []
    for row in df.itertuples():
        claim = judged.get((row.contrast, row.outcome), "")
        margin = by_claim.get(claim) or by_contrast.get(row.contrast) or general
        deficit = effects.get(row.outcome, np.nan) if row.standardised_by == BETWEEN else np.nan
        ends.append(np.nan if row.contrast == gate else _half_band(margin, float(deficit)))
    high = np.array(ends, float)
    return df.assign(margin_from=-high, margin_to=high)


def _half_band(margin: Mapping[str, Any], deficit: float) -> float:
    value, kind = margin.get("value"), margin.get("kind")
    if value is None or kind not in ("sd", "deficit"):
        return np.nan
    return float(value) if kind == "sd" else abs(float(value) * deficit)


def forest_table(
    contrasts: pd.DataFrame,
    verdicts: pd.DataFrame,
    claims: Mapping[str, Any],
    dictionary: pd.DataFrame,
) -> pd.DataFrame:
    """What the forest shows: default definitions only, with the verdict of the first claim that rests on the contrast."""
    df = (
        standardised(contrasts[contrasts["variant"] == ""])
        if len(contrasts)
        else contrasts.iloc[:0]
    )
    if df.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    gate = next(
        (str(c.get("contrast")) for c in claims.get("claims") or [] if c.get("kind") == "gate"), ""
    )
    first = verdicts.drop_duplicates(["contrast", "outcome"]).set_index(["contrast", "outcome"])
    df = with_margins(df, claims, gate, first["claim_id"].to_dict())
    first = first["verdict"]
    keys = zip(df["contrast"], df["outcome"], strict=True)
    df["verdict"] = [first.get(k, "") for k in keys]
    df["symbol"] = [symbol(dictionary, o) for o in df["outcome"]]
    return df[list(COLUMNS)].reset_index(drop=True)


def forest(
    table: pd.DataFrame, outcomes: Sequence[str], folder: Path, name: str, title: str
) -> Drawn | None:
    """One panel per contrast, one line per outcome; None where nothing could be standardised."""
    table = table[table["outcome"].isin(list(outcomes))]
    contrasts = list(dict.fromkeys(table["contrast"]))
    if not contrasts:
        return None
    shown = [o for o in outcomes if o in set(table["outcome"])]
    height = 0.95 + 0.27 * len(shown)
    with canvas(
        page_width(len(contrasts)), height, ncols=len(contrasts), sharey=True, squeeze=False
    ) as (fig, axes):
        for ax, contrast in zip(axes[0], contrasts, strict=True):
            _panel(ax, table[table["contrast"] == contrast], shown, contrast)
        labels = table.drop_duplicates("outcome").set_index("outcome")
        stars = {o: " †" if labels.at[o, "signed"] == "no" else "" for o in shown}
        axes[0][0].set_yticks(
            range(len(shown)), [labels.at[o, "symbol"] + stars[o] for o in shown], fontsize=9.5
        )
        axes[0][0].set_ylim(len(shown) - 0.4, -0.6)
        fig.supxlabel(
            f"{' / '.join(dict.fromkeys(table['standardised_by']))}; {_direction(table)}",
            fontsize=9,
        )
        _legend(fig, table)
        text = "Bar: unadjusted interval at the study's level."
        if table["margin_to"].notna().any():
            text += (
                " Pale band: effects below the smallest effect of interest (its share of the row's own deficit in SD, or SD). "
                "The verdict compares the margin in the outcome's unit."
            )
        if any(stars.values()):
            text += " † no direction declared: first minus second arm."
        return keep(
            fig, folder, name, table, title=title, caption=text, tips=_tips(table, contrasts, shown)
        )


def _direction(table: pd.DataFrame) -> str:
    """What right of 0 means; nothing is better where no direction was declared."""
    if (table["signed"] == "no").all():
        return "first minus second arm"
    return "right of 0 is better" + (" (but †)" if (table["signed"] == "no").any() else "")


def _panel(ax, part: pd.DataFrame, shown: list[str], contrast: str) -> None:
    place = {o: i for i, o in enumerate(shown)}
    ax.axvline(0, color="#9aa5b1", lw=0.8, zorder=1)
    for row in part.itertuples():
        y = place[row.outcome]
        if not np.isnan(row.margin_to):
            ax.fill_betweenx(
                [y - 0.42, y + 0.42], row.margin_from, row.margin_to, color=BAND, lw=0, zorder=0
            )
        colour, marker = TONE_STYLE[_tone(row.verdict)]
        ax.plot(
            [row.lower, row.upper], [y, y], color=colour, lw=1.4, zorder=2, solid_capstyle="butt"
        )
        ax.plot(
            [row.effect],
            [y],
            marker,
            ms=6,
            mew=1.4,
            color=colour,
            zorder=3,
            gid=f"forest-{contrast}-{y}",
        )
    ax.set_title(contrast, fontsize=10)
    ax.tick_params(axis="x", labelsize=9)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)


def _legend(fig, table: pd.DataFrame) -> None:
    from matplotlib.lines import Line2D

    words: dict[str, list[str]] = {}
    for verdict in table["verdict"]:
        words.setdefault(_tone(verdict), []).append(verdict or "no claim")
    if set(words) == {""}:
        return
    handles = [
        Line2D(
            [],
            [],
            color=colour,
            marker=marker,
            ls="",
            ms=5.5,
            mew=1.4,
            label=", ".join(dict.fromkeys(words[t])),
        )
        for t, (colour, marker) in TONE_STYLE.items()
        if t in words
    ]
    fig.legend(
        handles=handles,
        loc="outside upper left",
        ncols=min(4, len(handles)),
        fontsize=9,
        frameon=False,
        handletextpad=0.2,
    )


def _tone(verdict: str) -> str:
    return tone(verdict)[0] if verdict else ""


def _tips(
    table: pd.DataFrame, contrasts: list[str], shown: list[str]
) -> list[tuple[str, list[str]]]:
    place = {o: i for i, o in enumerate(shown)}
    out = []
    for contrast in contrasts:
        for row in table[table["contrast"] == contrast].itertuples():
            text = f"{row.symbol}, {contrast}: {row.effect:.2f} [{row.lower:.2f}, {row.upper:.2f}], n = {row.n_animals:.0f}"
            out.append(
                (
                    f"forest-{contrast}-{place[row.outcome]}",
                    [f"{text}; {row.verdict or 'no claim'}"],
                )
            )
    return out


def rescue_rows(rescue: pd.DataFrame, outcomes: Sequence[str], arms: Sequence[str]) -> pd.DataFrame:
    """Rescue fractions of the default definitions on the natural scale, in the order of `outcomes` (then by name) and of `arms`."""
    if rescue.empty:
        return pd.DataFrame(columns=list(RESCUE_COLUMNS))
    df = rescue[(rescue["variant"] == "") & (rescue["kind"] == "natural scale")].copy()
    df["bounded"] = df["bounded"].astype(str).str.lower().isin(["true", "1", "1.0"])
    place = {o: i for i, o in enumerate(outcomes)}
    df["_order"] = df["outcome"].map(place).fillna(len(place))
    df["_arm"] = df["arm"].map({a: i for i, a in enumerate(arms)})
    df = df.sort_values(["_order", "outcome", "_arm"], kind="stable")
    return df[list(RESCUE_COLUMNS)].reset_index(drop=True)


def rescue_panel(
    table: pd.DataFrame,
    dictionary: pd.DataFrame,
    folder: Path,
    name: str,
    order: Sequence[str] = (),
) -> Drawn | None:
    """R of each outcome and treated arm with its Fieller set; an unbounded set is drawn as the rays it is, and said so."""
    table = table[table["R"].notna()].reset_index(drop=True)
    if table.empty:
        return None
    with canvas(PAGE_WIDTH * 0.8, 1.1 + 0.27 * len(table)) as (fig, ax):
        for x, style in ((0, "-"), (0.5, ":"), (1, "-")):
            ax.axvline(x, color="#9aa5b1", lw=0.8, ls=style, zorder=1)
        for row in table.itertuples():
            _rescue(ax, row.Index, row, arm_colour(str(row.arm), order))
        labels = [
            f"{symbol(dictionary, o)}  {a}"
            for o, a in zip(table["outcome"], table["arm"], strict=True)
        ]
        ax.set_yticks(range(len(table)), labels, fontsize=9.5)
        ax.set_ylim(len(table) - 0.4, -0.6)
        ax.set_xlim(*R_LIMITS)
        ax.set_xticks(
            [-0.5, 0, 0.5, 1, 1.5], ["−0.5", "0\ndiseased", "0.5", "1\nhealthy", "1.5"], fontsize=9
        )
        ax.tick_params(axis="y", length=0)
        ax.set_xlabel("rescue fraction R = (arm − diseased) / (healthy − diseased)", fontsize=9)
        text = (
            "R compares typical animals in the outcome's unit; bars: unadjusted Fieller sets, tested on the outcome's scale. "
            "Dashed with arrows: the set is unbounded, since the deficit is not established."
        )
        return keep(
            fig, folder, name, table, title="How far healing comes back to healthy", caption=text
        )


def _rescue(ax, y: int, row, colour: str) -> None:
    left, right = R_LIMITS
    inside = bool(left <= row.R <= right)
    if inside:
        ax.plot([row.R], [y], "o", ms=5.5, color=colour, zorder=3)
    if row.reason and np.isnan(row.lower) and not row.set:
        return _note(ax, y, row.reason)
    if row.bounded:
        ax.plot(
            [max(row.lower, left), min(row.upper, right)], [y, y], color=colour, lw=1.6, zorder=2
        )
        for out, x, mark in ((row.lower < left, left, "<"), (row.upper > right, right, ">")):
            if out:
                ax.plot([x], [y], mark, ms=5, color=colour, clip_on=False, zorder=3)
        return None
    rays = (
        [(left, right)]
        if np.isnan(row.lower)
        else [(left, min(row.lower, right)), (max(row.upper, left), right)]
    )
    for start, end in rays:
        if end > start:
            ax.plot([start, end], [y, y], color=colour, lw=1.3, ls=(0, (3, 2)), zorder=2)
    ax.plot([left, right], [y, y], ls="", marker="d", ms=4, color=colour, clip_on=False, zorder=3)
    return _note(ax, y, "unbounded" + ("" if inside else f", R = {row.R:.2g}"))


def _note(ax, y: int, text: str) -> None:
    ax.annotate(
        text,
        (1.01, y),
        xycoords=("axes fraction", "data"),
        fontsize=9,
        va="center",
        color="#4a5663",
    )
