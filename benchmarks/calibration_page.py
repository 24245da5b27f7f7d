"""The tables of docs/calibration.md from a calibration: what was judged, how often falsely, and what intervals covered.

Run: .venv/bin/python benchmarks/calibration_page.py results/statistics/calibration.tsv [docs/calibration.tsv]
The second file gets every rate that has a bound.
"""

import sys

import pandas as pd

FALSE = ("false_supported", "false_refuted", "false_improved", "permutation_false")
FAMILY = ("false_family", "false_family_refuted", "false_family_improved")
GRAPH = ("false_graph",)
COVER = ("coverage", "fieller coverage")
KEPT = (
    "scenario",
    "quantity",
    "claim_id",
    "outcome",
    "truth",
    "count",
    "studies",
    "lower",
    "upper",
    "bound_low",
    "bound_high",
    "within",
)
WORDS = (
    "supported",
    "supported, small",
    "inconclusive",
    "refuted",
    "no deficit",
    "not tested",
    "improved but below the margin",
    "improved, size unclear",
)


def span(shares: pd.Series) -> str:
    return f"{shares.min():.3f} to {shares.max():.3f}" if len(shares) else "–"


def holding(part: pd.DataFrame) -> str:
    """How many of the bounds hold."""
    own = part[part["within"] != ""]
    return f"{(own['within'] == 'yes').sum()} of {len(own)}" if len(own) else "no bound"


def worst(part: pd.DataFrame, quantities: tuple[str, ...]) -> str:
    """The highest rate, in the study's own design and over all sizes."""
    rows = part[part["quantity"].isin(quantities)]
    if quantities == FAMILY and rows["bound_high"].notna().any():
        rows = rows[rows["bound_high"].notna()]
    own, sized = rows.loc[rows["n"] == 0, "share"], rows[rows["n"] > 0]
    if rows.empty:
        return "–"
    high = sized.loc[sized["share"].idxmax()] if len(sized) else None
    there = f"{own.max():.3f}" if len(own) else "–"
    return there if high is None else f"{there}; {high['share']:.3f} at {high['n']}"


def coverages(part: pd.DataFrame, quantities: tuple[str, ...] = COVER) -> str:
    rows = part[part["quantity"].isin(quantities)]
    return f"{span(rows.loc[rows['n'] == 0, 'share'])}; {span(rows.loc[rows['n'] > 0, 'share'])}"


def scenario_row(name: str, part: pd.DataFrame) -> str:
    """One line of the table of scenarios: the study's own design; then 3 to 10 animals per arm."""
    own = part.loc[part["n"] == 0, "text"]
    gate = part[(part["quantity"] == "coverage where the gate passed") & (part["n"] == 0)]["share"]
    cells = (
        name,
        own.iloc[0],
        holding(part),
        worst(part, FALSE),
        worst(part, FAMILY),
        worst(part, GRAPH),
        coverages(part),
        span(gate),
    )
    return "| " + " | ".join(cells) + " |"


def size_row(size: int, part: pd.DataFrame) -> str:
    """One line of the table of sizes: all scenarios with bounds together."""
    part = part[part["within"] != ""]
    false, family = (part.loc[part["quantity"].isin(q), "share"].max() for q in (FALSE, FAMILY))
    every, fieller = (part.loc[part["quantity"] == q, "share"] for q in COVER)
    label = f"{size} an arm" if size else "as the study"
    return f"| {label} | {holding(part)} | {false:.3f} | {family:.3f} | {span(every)} | {span(fieller)} |"


def mix_row(scenario: str, claim: str, part: pd.DataFrame) -> str:
    """Shares of the verdicts of one claim, averaged over its outcomes."""
    each = {w: part.loc[part["quantity"] == f"verdict: {w}", "share"].mean() for w in WORDS}
    return f"| {scenario} | {claim} | " + " | ".join(f"{each[w]:.2f}" for w in WORDS) + " |"


def write_bounded(df: pd.DataFrame, path: str) -> None:
    own = df[df["within"] != ""]
    own = own.assign(count=own["count"].astype(int), studies=own["studies"].astype(int)).round(
        {"truth": 4, "lower": 4, "upper": 4}
    )
    own[list(KEPT)].to_csv(path, sep="\t", index=False)


def main(path: str, bounded_path: str = "") -> None:
    df = pd.read_csv(path, sep="\t", keep_default_na=True)
    df["within"] = df["within"].fillna("")
    if bounded_path:
        write_bounded(df, bounded_path)
    bounded = df[df["within"] != ""]
    print(
        f"{len(bounded)} bounds, {(bounded['within'] == 'no').sum()} of them broken; {int(df['studies'].max())} studies per scenario.\n"
    )
    df["n"] = df["scenario"].str.extract(r"_n(\d+)$")[0].fillna(0).astype(int)
    df["base"] = df["scenario"].str.replace(r"_n\d+$", "", regex=True)
    heads = (
        "scenario",
        "truth",
        "bounds that hold",
        "worst false verdict",
        "worst family",
        "any false in the graph",
        "coverage",
        "coverage where the gate passed",
    )
    print("| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|")
    for name, part in df.groupby("base", sort=True):
        print(scenario_row(str(name), part))
    heads = (
        "animals",
        "bounds that hold",
        "worst false verdict",
        "worst family",
        "coverage of intervals",
        "coverage of Fieller's sets",
    )
    print("\n| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|")
    for size, part in df.groupby("n"):
        print(size_row(int(size), part))
    print("\n| scenario | claim | " + " | ".join(WORDS) + " |\n|---|---|" + "---|" * len(WORDS))
    for name in ("as_planned", "null_treatment", "boundary_0.8", "as_planned_n3", "as_planned_n10"):
        part = df[(df["scenario"] == name) & df["quantity"].str.startswith("verdict: ")]
        whole = part["outcome"].astype(str).str.startswith("all of")
        for claim in dict.fromkeys(part["claim_id"].dropna()):
            # The claim's own verdict, which no mean over outcomes tells.
            for label, rows in (
                (f"{claim}, over all outcomes", part[whole]),
                (claim, part[~whole]),
            ):
                own = rows[rows["claim_id"] == claim]
                if len(own):
                    print(mix_row(name, str(label), own))
    lost = df[
        (df["scenario"] == "lost_implants")
        & (df["quantity"] == "bias")
        & df["claim_id"].isin(["C0", "C1", "C2", "C4"])
    ]
    print(
        "\n| claim | outcome | truth | bias where animals that heal badly are lost |\n|---|---|---|---|"
    )
    for row in lost.itertuples():
        print(f"| {row.claim_id} | {row.outcome} | {row.truth:.3f} | {row.share:+.3f} |")


if __name__ == "__main__":
    main(*sys.argv[1:])
