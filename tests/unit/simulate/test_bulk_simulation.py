"""Simulated bulk counts: what is planted is what is said, and the model finds it again."""

import numpy as np
import pandas as pd
import pytest

from periomics.genes.design import model_matrix, with_design
from periomics.genes.model import fit_contrasts
from periomics.genes.signatures import SIGNS
from periomics.simulate.bulk import dispersion_trend, draw_counts, draw_genome, truth_table
from periomics.simulate.bulk_programme import CULTURE, HEALING, MAX_MOVED, components

N_GENES = 2000


def facts(n, prefix="R", **more):
    return [
        {
            "specimen_id": f"{prefix}{i:02d}-rna",
            "animal_id": f"{prefix}{i:02d}",
            "compartment": "mucosa",
            "batch": f"lib-{i % 2}",
            "species": "rat",
            **more,
        }
        for i in range(n)
    ]


def healing(n, h):
    return {
        f"R{i:02d}-rna": dict.fromkeys(HEALING, float(v)) for i, v in zip(range(n), h, strict=True)
    }


def test_most_genes_are_null_and_the_sets_are_perturbed(tables, signalling):
    genome = draw_genome(tables, signalling, "rat", N_GENES, 3)
    assert genome.planted["gene_id"].nunique() <= MAX_MOVED * N_GENES
    planted = genome.planted[genome.planted["component"].isin([*HEALING, *CULTURE])]
    signatures = tables.signatures
    assert not planted.duplicated(["gene_id", "component"]).any()
    signed = signatures[
        (signatures["direction"] != "context") & signatures["set"].isin(planted["set"])
    ]
    signs = {
        (s, g.split("|")[0]): SIGNS[d]
        for s, g, d in zip(signed["set"], signed["gene_rat"], signed["direction"], strict=True)
    }
    listed = planted[planted["listed"] == "yes"]
    agree = [np.sign(r.lfc) == signs[(r.set, r.gene_id)] for r in listed.itertuples()]
    assert 0.82 < np.mean(agree) < 0.96
    distinct = listed.drop_duplicates(["set", "gene_id"])
    # sets of several components move in each of them, each time other members
    only_once = [
        s
        for s in sum(HEALING.values(), ())[:3]
        if (planted.loc[planted["set"] == s, "component"].nunique() == 1)
    ]
    share = [(distinct["set"] == s).sum() / (signed["set"] == s).sum() for s in only_once]
    assert 0.4 < np.mean(share) < 0.8
    assert (planted["listed"] == "no").any()


def test_too_few_genes_are_refused(tables, signalling):
    with pytest.raises(ValueError, match="fewer than"):
        draw_genome(tables, signalling, "rat", 500, 1)
    with pytest.raises(ValueError, match="80 %"):
        draw_genome(tables, signalling, "rat", 900, 1)


def test_dispersions_follow_the_trend_and_means_are_met(tables, signalling):
    genome = draw_genome(tables, signalling, "rat", N_GENES, 4)
    counts, _ = draw_counts(genome, facts(60, batch="", compartment=""), {}, 4)
    values = counts.to_numpy() / (counts.sum().to_numpy() / counts.sum().mean())
    mean, variance = values.mean(axis=1), values.var(axis=1, ddof=1)
    dispersion = (variance - mean) / mean**2
    strong = mean > 200
    assert np.median(dispersion[strong]) == pytest.approx(
        np.median(dispersion_trend(genome.mean[strong])), rel=0.2
    )
    assert dispersion_trend(np.array([1e9]))[0] == pytest.approx(0.05)
    assert dispersion_trend(np.array([1.0]))[0] == 0.30
    assert np.polyfit(np.log(genome.mean[strong]), np.log(mean[strong]), 1)[0] == pytest.approx(
        1, abs=0.05
    )


def test_a_library_does_not_change_when_others_come_or_go(tables, signalling):
    genome = draw_genome(tables, signalling, "rat", N_GENES, 5)
    all_of_them, _ = draw_counts(genome, facts(4), healing(4, [0, 1, 0, 1]), 5)
    alone, _ = draw_counts(genome, facts(4)[2:3], healing(4, [0, 1, 0, 1]), 5)
    pd.testing.assert_frame_equal(all_of_them[["R02-rna"]], alone)


def test_components_of_a_culture_hold_the_interaction():
    assert components({"cm": 1, "cue": 1, "factor": 1.1}) == {"cm": 1.0, "cue": 1.0, "cmxcue": 1.0}
    assert components({"cm": 0, "cue": 1, "factor": 1.1})["cmxcue"] == 0
    assert components({"h_bone": 0.5}) == {"h_bone": 0.5}


def test_truth_is_the_signed_mean_shift_of_the_listed_genes(tables, signalling):
    genome = draw_genome(tables, signalling, "rat", N_GENES, 6)
    _, shifts = draw_counts(genome, facts(3), healing(3, [0, 0.5, 1]), 6)
    truth = truth_table(tables, "rat", genome, facts(3), shifts)
    part = truth[truth["outcome"] == "score:signature:ANG_sprouting"].set_index("specimen_id")[
        "truth"
    ]
    assert part["R00-rna"] == 0
    assert part["R01-rna"] == pytest.approx(part["R02-rna"] / 2)
    signatures = tables.signatures
    members = signatures[
        (signatures["set"] == "ANG_sprouting")
        & (signatures["direction"] != "context")
        & (signatures["gene_rat"] != "NA")
    ]
    lfc = (
        genome.planted[genome.planted["component"].isin(list(HEALING))]
        .groupby("gene_id")["lfc"]
        .sum()
    )
    names = members["gene_rat"].str.split("|").str[0]
    expected = (names.map(lfc).fillna(0) * members["direction"].map(SIGNS)).mean()
    assert part["R02-rna"] == pytest.approx(expected)


def test_the_model_finds_the_planted_changes_at_its_error_rate(tables, signalling):
    false = found = 0
    slopes = []
    for seed in (11, 12):
        n = 12
        h = np.tile([0.0, 1.0], n // 2)
        genome = draw_genome(tables, signalling, "rat", N_GENES, seed)
        rows = [{**r, "batch": f"b{i // 2 % 2}"} for i, r in enumerate(facts(n))]
        counts, _ = draw_counts(genome, rows, healing(n, h), seed)
        samples = pd.DataFrame(
            {
                "specimen_id": counts.columns,
                "animal_id": counts.columns,
                "group": np.where(h > 0, "B", "A"),
                "batch": [r["batch"] for r in rows],
                "time": 28.0,
                "unit": "animal",
            }
        )
        chosen = with_design(samples, "group", ["batch"], "x")
        table = fit_contrasts(counts, model_matrix(chosen), {"x": {"B": 1.0, "A": -1.0}}, {})[
            "x"
        ].set_index("gene_id")
        moved = (
            genome.planted[genome.planted["component"].isin(list(HEALING))]
            .groupby("gene_id")["lfc"]
            .sum()
        )
        truth = moved.reindex(table.index).fillna(0)
        big = (truth != 0) & (table["baseMean"] > 10)
        slopes.append(np.polyfit(truth[big], table["log2FC"][big], 1)[0])
        hit = table["padj"] < 0.05
        false, found = false + int((hit & (truth == 0)).sum()), found + int(hit.sum())
    assert 0.9 < np.mean(slopes) < 1.1, slopes
    assert found > 200
    assert false / found <= 0.06
