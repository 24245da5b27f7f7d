"""The tables of docs/calibration.md from a calibration: what was judged, how often falsely, and what intervals covered.

Run: .venv/bin/python benchmarks/calibration_page.py results/statistics/calibration.tsv
"""

import sys

import pandas as pd

FALSE = ("false_supported", "false_refuted", "permutation_false")
COVER = ("coverage", "fieller coverage")
WORDS = ("supported", "supported, small", "inconclusive", "refuted", "no deficit", "not tested", "improved but below the margin",
         "improved, size unclear")  # fmt: skip


def span(shares: pd.Series) -> str:
    return f"{shares.min():.3f} to {shares.max():.3f}" if len(shares) else ""


def scenario_row(name: str, part: pd.DataFrame) -> str:
    """One line of the table of scenarios."""
    own = part[part["within"] != ""]
    false = part[part["quantity"].isin(FALSE)]
    family = part[(part["quantity"] == "false_family") & part["bound_high"].notna()]
    if family.empty:
        family = part[part["quantity"] == "false_family"]
    graph = part.loc[part["quantity"] == "false_graph", "share"]
    cover = part.loc[part["quantity"].isin(COVER), "share"]
    gate = part.loc[part["quantity"] == "coverage where the gate passed", "share"]
    bounds = f"{(own['within'] == 'yes').sum()} of {len(own)}" if len(own) else "no bound"
    worst = f"{false['share'].max():.3f}" if len(false) else "–"
    return (
        f"| {name} | {part['text'].iloc[0]} | {bounds} | {worst} | {family['share'].max():.3f} | "
        f"{graph.iloc[0] if len(graph) else float('nan'):.3f} | {span(cover)} | {span(gate)} |"
    ).replace("nan", "–")


def mix_row(scenario: str, claim: str, part: pd.DataFrame) -> str:
    """Shares of the verdicts of one claim, averaged over its outcomes."""
    each = {w: part.loc[part["quantity"] == f"verdict: {w}", "share"].mean() for w in WORDS}
    return f"| {scenario} | {claim} | " + " | ".join(f"{each[w]:.2f}" for w in WORDS) + " |"


def main(path: str) -> None:
    df = pd.read_csv(path, sep="\t", keep_default_na=True)
    df["within"] = df["within"].fillna("")
    bounded = df[df["within"] != ""]
    print(
        f"{len(bounded)} bounds, {(bounded['within'] == 'no').sum()} of them broken; {int(df['studies'].max())} studies a scenario.\n"
    )
    heads = ("scenario", "truth", "bounds that hold", "worst false verdict", "worst family", "any false in the graph", "coverage",
             "coverage where the gate passed")  # fmt: skip
    print("| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|")
    for name, part in df.groupby("scenario", sort=True):
        print(scenario_row(str(name), part))
    print("\n| scenario | claim | " + " | ".join(WORDS) + " |\n|---|---|" + "---|" * len(WORDS))
    for name in ("as_planned", "null_treatment", "boundary_margin", "boundary_0.5", "boundary_0.8", "as_planned_n10"):
        part = df[(df["scenario"] == name) & ~df["outcome"].astype(str).str.startswith("all of")]
        for claim in dict.fromkeys(part["claim_id"].dropna()):
            own = part[(part["claim_id"] == claim) & part["quantity"].str.startswith("verdict: ")]
            if len(own):
                print(mix_row(name, str(claim), own))
    lost = df[
        (df["scenario"] == "lost_implants") & (df["quantity"] == "bias") & df["claim_id"].isin(["C0", "C1", "C2", "C4"])
    ]
    print("\n| claim | outcome | truth | bias where animals that heal badly are lost |\n|---|---|---|---|")
    for row in lost.itertuples():
        print(f"| {row.claim_id} | {row.outcome} | {row.truth:.3f} | {row.share:+.3f} |")


if __name__ == "__main__":
    main(sys.argv[1])
