"""Routes as a drawing: ligand, receptor, signalling, factor, effector, programme and outcome from left to right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from textwrap import wrap
from typing import Any

import pandas as pd

from periomics.core.figures import PALETTE, new_figure
from periomics.genes.axes import SetTables
from periomics.linkage.doubts import AGAINST, doubted
from periomics.linkage.layers import placed
from periomics.linkage.nodes import FACTOR, KINDS, LIGAND, RECEPTOR, SIGNALLING
from periomics.linkage.programmes import OUTCOME, PROGRAMME
from periomics.linkage.states import steps

HEADS = ("Ligand", "Receptor", "Signalling", "Factor", "Effector", "Programme", "Outcome")
SIGNS = {1: PALETTE[0], -1: PALETTE[1]}
FACES = {1: "#D6E6F2", -1: "#F7DDCD", 0: "#F2F2F2"}
# Inches: the page that the letters are meant for, a letter, a line, margins, and the least room of arrows.
PAGE, POINTS = 10.0, 9.0
LETTER, ROW, MARGIN, ROOM = 0.082, 0.27, 0.12, 0.42
MOST_LEVELS, MOST_CHAIN, MOST_LIGANDS = 4, 2, 4
# Share of a side on which lines end, and how far those within a column reach out.
SPREAD, LOOP = 0.75, 0.22
Point = tuple[float, float]
DASHED, DOTTED, BROKEN = (0, (4, 2)), (0, (1, 1.5)), (0, (6, 1.5, 1, 1.5))


def route_figure(
    edges: pd.DataFrame,
    nodes: pd.DataFrame,
    refits: pd.DataFrame,
    title: str,
    ligands: Mapping[str, Sequence[str]],
) -> Any:
    """Draw the routes of a network.

    Parameters
    ----------
    edges, nodes, refits
        linkage/network/<name>/edges.tsv, nodes.tsv and refits.tsv. A line is as wide as the share of refits without one
        unit that hold its edge; thinnest where there are none.
    title
        What is shown.
    ligands
        Receptor → its known ligands, most of which no route tests: dashed.

    Returns
    -------
    Figure
        Letters of at least POINTS at the width of PAGE.
    """
    labels, kinds, lines = _content(edges, nodes, refits, ligands)
    column = _columns(kinds, lines)
    heights = {v: ROW * (1 + labels[v].count("\n") * 0.62) for v in labels}
    at = placed(column, [(line["source"], line["target"]) for line in lines], heights)
    left, widths = _widths(column, labels, 1.0)
    width = left[max(left)] + widths[max(left)] + MARGIN
    if width > PAGE:
        left, widths = _widths(column, labels, width / PAGE)
        width = left[max(left)] + widths[max(left)] + MARGIN
    said, key = wrap(title, int(width / LETTER)), _legend(width, bool(doubted(edges).any()))
    top = MARGIN + ROW * len(said) + 0.45
    height = top + at.height + 0.2 + ROW * len(key) + MARGIN
    size = POINTS * max(1.0, width / PAGE)
    fig, ax = _page(width, height)
    for i, text in enumerate(said):
        ax.text(MARGIN, MARGIN + ROW * (i + 0.5), text, fontsize=size + 1, va="center")
    spans = {k: (left[k], left[k] + widths[k]) for k in left}
    _heads(ax, column, kinds, spans, top, size)
    box = {
        v: (left[column[v]], top + at.y[v], widths[column[v]], heights[v] - 0.05) for v in labels
    }
    passed = {
        pair: [(left[k] + widths[k] / 2, top + y) for k, y in way] for pair, way in at.by.items()
    }
    ends = _ends(lines, box)
    for line, (start, end) in zip(lines, ends, strict=True):
        by = passed.get((line["source"], line["target"]), [])
        _arrow(ax, line, [start, *by, end])
    for v, (x, y, w, h) in box.items():
        _box(ax, (x, y, w, h), labels[v], kinds[v][1], size)
    _key(ax, key, top + at.height + 0.2, size)
    return fig


def _content(
    edges: pd.DataFrame,
    nodes: pd.DataFrame,
    refits: pd.DataFrame,
    ligands: Mapping[str, Sequence[str]],
) -> tuple[dict[str, str], dict[str, tuple[str, int]], list[dict[str, Any]]]:
    """Label, kind and state of every node, and lines."""
    shown = set(edges["source"]) | set(edges["target"])
    own = nodes[nodes["node"].isin(shown)].drop_duplicates("node")
    kinds = {
        str(n): (str(k), int(s))
        for n, k, s in zip(own["node"], own["kind"], own["state"], strict=True)
    }
    labels = {v: v.replace(" ", "\n") for v in kinds}
    keys = zip(refits["source"], refits["sign"].astype(int), refits["target"], strict=True)
    share = dict(zip(keys, refits["frequency"], strict=True))
    lines: list[dict[str, Any]] = []
    for row in edges.itertuples():
        found = share.get((row.source, int(str(row.sign)), row.target), 0.0)
        beyond = kinds[str(row.target)][0] == OUTCOME
        line = {"source": row.source, "target": row.target, "sign": int(str(row.sign))}
        against = getattr(row, "evidence", "") == AGAINST
        style = DOTTED if beyond else BROKEN if against else "-"
        if row.layer == PROGRAMME:  # as the gene is reached
            found = max((f for (_, _, t), f in share.items() if t == row.source), default=0.0)
        found = 0.5 if beyond else found
        lines.append(line | {"width": 0.7 + 1.9 * float(found), "style": style})
    within = set(edges["target"])
    for receptor in sorted(v for v, (k, _) in kinds.items() if k == RECEPTOR and v not in within):
        known = list(ligands.get(receptor, ()))
        if known:
            name = f"ligands of {receptor}"
            more = f"+ {len(known) - MOST_LIGANDS} more" if len(known) > MOST_LIGANDS else ""
            labels[name] = "\n".join([*known[:MOST_LIGANDS], *([more] if more else [])])
            kinds[name] = (LIGAND, 0)
            line = {"source": name, "target": receptor, "sign": 0}
            lines.append(line | {"width": 0.9, "style": DASHED})
    return labels, kinds, lines


def _columns(
    kinds: Mapping[str, tuple[str, int]], lines: Sequence[Mapping[str, Any]]
) -> dict[str, int]:
    """Column of every node: its kind.

    Signalling, receptors behind other nodes among it, by steps from a receptor; factors by steps from the first of them.
    """
    ahead: dict[Any, list[Any]] = {}
    for line in lines:
        ahead.setdefault((line["source"], 1), []).append((line["target"], 1))
    within = {line["target"] for line in lines if kinds[line["source"]][0] != LIGAND}
    starts = [(v, 1) for v, (k, _) in kinds.items() if k == RECEPTOR and v not in within]
    far, place = steps(starts, ahead), {}
    factors = {v for v, (k, _) in kinds.items() if k == FACTOR}
    among = {s: [t for t in ts if t[0] in factors] for s, ts in ahead.items() if s[0] in factors}
    behind = {t for ts in among.values() for t in ts}
    first = sorted(
        (v, 1) for v in factors if (v, 1) not in behind or (v, 1) in _outer(ahead, kinds)
    )
    chain = steps(first, among)
    for v, (kind, _) in kinds.items():
        steps_in = far.get((v, 1), 1)
        inner = kind == SIGNALLING or (kind == RECEPTOR and v in within)
        level = min(steps_in, MOST_LEVELS) if inner else 0
        if kind == FACTOR:
            level = min(chain.get((v, 1), 0), MOST_CHAIN)
        place[v] = (KINDS.index(SIGNALLING if inner else kind), level)
    used = sorted(set(place.values()))
    return {v: used.index(p) for v, p in place.items()}


def _outer(ahead: Mapping[Any, Sequence[Any]], kinds: Mapping[str, tuple[str, int]]) -> set[Any]:
    """Nodes that a receptor or signalling leads to."""
    return {t for s, ts in ahead.items() if kinds[s[0]][0] in (RECEPTOR, SIGNALLING) for t in ts}


def _widths(
    column: Mapping[str, int], labels: Mapping[str, str], scale: float
) -> tuple[dict[int, float], dict[int, float]]:
    """Left edge and width of every column, for letters so many times larger."""
    widths: dict[int, float] = {}
    for v, k in column.items():
        longest = max(len(part) for part in labels[v].split("\n"))
        widths[k] = max(widths.get(k, 0.6), LETTER * scale * longest + 0.16)
    free = PAGE - sum(widths.values()) - 2 * MARGIN
    room = min(1.0, max(ROOM, free / max(1, len(widths) - 1)))
    left, at = {}, MARGIN
    for k in sorted(widths):
        left[k] = at
        at += widths[k] + room
    return left, widths


def _page(width: float, height: float) -> tuple[Any, Any]:
    """A figure whose axes are inches from the upper left corner."""
    fig, ax = new_figure(width, height)
    fig.set_layout_engine("none")
    ax.set_position((0, 0, 1, 1))
    ax.set(xlim=(0, width), ylim=(height, 0))
    ax.axis("off")
    return fig, ax


def _heads(
    ax: Any,
    column: Mapping[str, int],
    kinds: Mapping[str, tuple[str, int]],
    spans: Mapping[int, tuple[float, float]],
    top: float,
    size: float,
) -> None:
    """Names of the kinds above their columns."""
    for kind, head in zip(KINDS, HEADS, strict=True):
        own = sorted({column[v] for v, (k, _) in kinds.items() if k == kind})
        own = own[:1] if kind == RECEPTOR else own
        if own:
            middle = (spans[own[0]][0] + spans[own[-1]][1]) / 2
            ax.text(middle, top - 0.22, head, fontsize=size, color="0.35", ha="center", va="center")


def _ends(
    lines: Sequence[Mapping[str, Any]], box: Mapping[str, tuple[float, float, float, float]]
) -> list[tuple[Point, Point]]:
    """Where every line leaves its box and meets the next: on the facing sides, one below the other in the order of the far ends."""
    sides: dict[tuple[str, bool], list[tuple[float, int, bool]]] = {}
    for i, line in enumerate(lines):
        (x0, y0, _, _), (x1, y1, _, _) = box[line["source"]], box[line["target"]]
        sides.setdefault((line["source"], x1 >= x0), []).append((y1, i, True))
        sides.setdefault((line["target"], x1 <= x0), []).append((y0, i, False))
    found: dict[tuple[int, bool], Point] = {}
    for (v, right), own in sides.items():
        x, y, w, h = box[v]
        for k, (_, i, leaves) in enumerate(sorted(own)):
            gap = 0.0 if leaves else 0.03
            across = x + w + gap if right else x - gap
            found[i, leaves] = (across, y + h * SPREAD * ((k + 0.5) / len(own) - 0.5))
    return [(found[i, True], found[i, False]) for i in range(len(lines))]


def _arrow(ax: Any, line: Mapping[str, Any], points: Sequence[Point]) -> None:
    """A smooth line through points: an arrow head where it activates, a bar where it inhibits."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    way = [points[0]]
    slopes = [0.0] * len(points)
    for i in range(1, len(points) - 1):
        (a, b), (c, d) = points[i - 1], points[i + 1]
        slopes[i] = (d - b) / (c - a)
    for i, ((a, b), (c, d)) in enumerate(pairwise(points)):
        if abs(c - a) < 0.1:  # within a column
            out = max(a, c) + LOOP
            way += [(out, b), (out, d), (c, d)]
            continue
        bend = (c - a) / 3
        way += [(a + bend, b + bend * slopes[i]), (c - bend, d - bend * slopes[i + 1]), (c, d)]
    codes = [Path.MOVETO] + [Path.CURVE4] * (len(way) - 1)
    heads = {1: "-|>,head_length=0.42,head_width=0.2", -1: "|-|,widthA=0,widthB=0.38", 0: "-"}
    ax.add_patch(
        FancyArrowPatch(
            path=Path(way, codes),
            arrowstyle=heads[line["sign"]],
            mutation_scale=12,
            lw=line["width"],
            ls=line["style"],
            color=SIGNS.get(line["sign"], "0.5"),
            capstyle="butt",
            joinstyle="miter",
            alpha=0.85,
            zorder=1,
        )
    )


def _box(
    ax: Any, place: tuple[float, float, float, float], label: str, state: int, size: float
) -> None:
    from matplotlib.patches import FancyBboxPatch

    x, y, w, h = place
    edge = SIGNS.get(state, "0.6")
    ax.add_patch(
        FancyBboxPatch(
            (x, y - h / 2),
            w,
            h,
            boxstyle="round,pad=0,rounding_size=0.06",
            fc=FACES[state],
            ec=edge,
            lw=0.8,
            zorder=2,
        )
    )
    ax.text(
        x + w / 2, y, label, fontsize=size, ha="center", va="center", zorder=3, linespacing=1.05
    )


def _legend(width: float, against: bool) -> list[list[tuple[str, str, float]]]:
    """Rows of (mark, text, left edge) that fit the width."""
    items = [
        ("activates", "activates"),
        ("inhibits", "inhibits"),
        ("wide", "in all refits without one unit"),
        ("thin", "in none of them"),
        ("up", "up"),
        ("down", "down"),
        ("neither", "no state"),
        ("known", "known ligand, not tested here"),
        ("tracks", "tracks the outcome within arms"),
        *([("against", f"{AGAINST} in the table")] if against else []),
    ]
    rows: list[list[tuple[str, str, float]]] = [[]]
    at = MARGIN
    for mark, text in items:
        takes = 0.5 + LETTER * len(text) + 0.2
        if rows[-1] and at + takes > width:
            rows.append([])
            at = MARGIN
        rows[-1].append((mark, text, at))
        at += takes
    return rows


def _key(
    ax: Any, rows: Sequence[Sequence[tuple[str, str, float]]], top: float, size: float
) -> None:
    """The legend under the drawing."""
    lines = {
        "activates": (1, 1.6, "-"),
        "inhibits": (-1, 1.6, "-"),
        "wide": (1, 2.6, "-"),
        "thin": (1, 0.7, "-"),
        "known": (0, 0.9, DASHED),
        "tracks": (1, 1.6, DOTTED),
        "against": (1, 1.6, BROKEN),
    }
    states = {"up": 1, "down": -1, "neither": 0}
    for i, row in enumerate(rows):
        y = top + ROW * (i + 0.5)
        for mark, text, x in row:
            if mark in states:
                _box(ax, (x + 0.1, y, 0.26, 0.16), "", states[mark], size)
            else:
                sign, wide, style = lines[mark]
                line = {"sign": sign, "width": wide, "style": style}
                _arrow(ax, line, [(x, y), (x + 0.4, y)])
            ax.text(x + 0.46, y, text, fontsize=size, va="center")


def axes_behind(
    receptors: Iterable[str], tables: SetTables
) -> tuple[list[str], dict[str, list[str]]]:
    """Axes of some receptors, and receptor → ligands, in the species whose symbols these are."""
    wanted, axes = set(receptors), set()
    ligands: dict[str, list[str]] = {}
    for own in tables.axes().values():
        for axis in own.values():
            for receptor in wanted & {n for names in axis.receptors for n in names}:
                axes.add(axis.name.removeprefix("LR_"))
                known = ligands.setdefault(receptor, [])
                known += [n[0] for n in axis.ligands if n[0] not in known]
    return sorted(axes), ligands
