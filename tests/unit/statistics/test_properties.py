"""What must not matter, and designs of other shapes: units, constants, order, labels; factorial, six arms, unequal numbers."""

import warnings

import numpy as np
import pandas as pd
import pytest
from studies import CLAIMS, CORE, analysed, plan, row, simulated, study

from periomics.outcomes.aggregate import COLUMNS as ANIMAL_COLUMNS
from periomics.statistics.claims import verdicts as v
from periomics.statistics.claims.estimates import contrast_table, rescue_table
from periomics.statistics.claims.judging import verdict_table
from periomics.statistics.claims.losses import loss_table
from periomics.statistics.claims.plan import read_plan

JUDGED = (v.SUPPORTED, v.SMALL, v.REFUTED, v.INCONCLUSIVE, v.BELOW_MARGIN, v.SIZE_UNCLEAR)


def everything(table, sheet, p=None):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        known = analysed(table, sheet, p)
        out = (
            contrast_table(known, 1),
            rescue_table(known),
            verdict_table(known),
            loss_table(known, 1),
        )
    judged = out[2][out[2]["verdict"].isin(JUDGED) & ~out[2]["outcome"].str.startswith("all of ")]
    assert judged[["estimate", "lower", "upper", "p", "p_adj", "level"]].notna().all(axis=None)
    assert (out[2]["verdict"].isin(JUDGED) | (out[2]["reason"] != "")).all()
    return out


def verdicts_of(tables):
    return tables[2].set_index(["claim_id", "outcome"])["verdict"]


def with_conn(seed=1):
    """A study with an outcome on the identity scale and one on the log scale beside the primary ones."""
    table, sheet = simulated(seed)
    rng = np.random.default_rng(seed)
    means = {"CTRL": 12.0, "DRUG": 5.0, "PRE": 5.5, "POST": 10.0}
    more = [
        row(r.animal_id, "conn", r.group, means[r.group] + rng.normal(0, 1))
        for r in sheet.itertuples()
    ]
    return pd.concat(
        [table, pd.DataFrame(more, columns=list(ANIMAL_COLUMNS))], ignore_index=True
    ), sheet


DOMAINS = {
    "bone": "conn",
    "necrosis": "elac",
    "barrier": "ln332",
    "vessels": "mvd",
    "inflammation": "neu",
}


def conn_plan():
    return plan(
        domains=DOMAINS,
        directions={"conn": "+"},
        claims=[c for c in CLAIMS["claims"] if not c["id"].startswith("C6")],
    )


def test_a_unit_scales_estimates_and_leaves_verdicts():
    table, sheet = with_conn()
    scaled = table.assign(
        value=table["value"].where(~table["outcome"].isin(["mvd", "conn"]), 1000 * table["value"])
    )
    a, b = everything(table, sheet, conn_plan()), everything(scaled, sheet, conn_plan())
    pd.testing.assert_series_equal(verdicts_of(a), verdicts_of(b))
    key = ["outcome", "variant", "contrast", "kind"]
    one, other = (t[0].set_index(key) for t in (a, b))
    factor = np.where(
        (one.index.get_level_values("outcome") == "conn")
        | (
            (one.index.get_level_values("outcome") == "mvd")
            & (one.index.get_level_values("kind") == "natural scale")
        ),
        1000.0,
        1.0,
    )
    np.testing.assert_allclose(other["estimate"], factor * one["estimate"], rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(other["se"], factor * one["se"], rtol=1e-8)
    np.testing.assert_allclose(
        other[["p", "df", "hedges_g"]], one[["p", "df", "hedges_g"]], rtol=1e-7
    )
    np.testing.assert_allclose(a[1]["R"], b[1]["R"], rtol=1e-8)


def test_a_constant_changes_nothing_on_the_identity_scale():
    table, sheet = with_conn()
    moved = table.assign(
        value=table["value"].where(table["outcome"] != "conn", table["value"] + 1e4)
    )
    a, b = everything(table, sheet, conn_plan()), everything(moved, sheet, conn_plan())
    pd.testing.assert_series_equal(verdicts_of(a), verdicts_of(b))
    np.testing.assert_allclose(
        a[0][["estimate", "se", "df", "p"]], b[0][["estimate", "se", "df", "p"]], rtol=1e-6
    )
    np.testing.assert_allclose(
        a[1][["R", "lower", "upper"]], b[1][["R", "lower", "upper"]], rtol=1e-5, atol=1e-8
    )


def test_order_of_animals_changes_nothing():
    table, sheet = with_conn()
    order = np.random.default_rng(3).permutation(len(table))
    for x, y in zip(
        everything(table, sheet),
        everything(table.iloc[order], sheet.sample(frac=1, random_state=1)),
        strict=True,
    ):
        pd.testing.assert_frame_equal(x, y)


def test_permuted_labels_permute_contrasts():
    table, sheet = with_conn()
    swap = {"PRE": "POST", "POST": "PRE"}
    other = table.assign(condition=table["condition"].replace(swap))
    a = everything(table, sheet)[0].set_index(["outcome", "variant", "contrast", "kind"])
    b = everything(other, sheet.assign(group=sheet["group"].replace(swap)))[0].set_index(
        ["outcome", "variant", "contrast", "kind"]
    )
    one, two = a.xs("C1", level="contrast"), b.xs("C2", level="contrast")
    np.testing.assert_allclose(
        one.loc[two.index, ["estimate", "se", "p"]], two[["estimate", "se", "p"]], rtol=1e-9
    )


def factorial():
    """Cells × cue in animals: MSC with and without a wound cue."""
    rng = np.random.default_rng(4)
    means = {"none": 50.0, "cue": 52.0, "cells": 55.0, "cells_cue": 80.0}
    table, sheet = study({"mvd": {a: m * np.exp(rng.normal(0, 0.1, 6)) for a, m in means.items()}})
    return (
        table,
        sheet,
        {
            "margin": {"kind": "sd", "value": 0.8},
            "contrasts": {
                "cells": {"weights": {"cells": 0.5, "cells_cue": 0.5, "none": -0.5, "cue": -0.5}},
                "cue": {"weights": {"cue": 0.5, "cells_cue": 0.5, "none": -0.5, "cells": -0.5}},
                "both": {"weights": {"cells_cue": 1, "cells": -1, "cue": -1, "none": 1}},
            },
            "claims": [
                {"id": "main", "kind": "superiority", "contrast": "cells", "outcomes": "mvd"},
                {
                    "id": "int",
                    "kind": "interaction",
                    "contrast": "both",
                    "outcomes": "mvd",
                    "after": "main",
                },
            ],
        },
    )


def test_a_two_by_two_factorial_of_animals():
    table, sheet, claims = factorial()
    tables = everything(table, sheet, read_plan(claims, {}))
    assert (
        verdicts_of(tables).tolist() == [v.SUPPORTED, v.SUPPORTED]
        and (tables[0]["n_animals"] == 24).all()
    )
    assert tables[1].empty and tables[3].empty
    own = tables[0][(tables[0]["contrast"] == "both") & (tables[0]["kind"] == "confirmatory")].iloc[
        0
    ]
    logs = {
        a: np.log(table.loc[table["condition"] == a, "value"]).mean()
        for a in ("none", "cue", "cells", "cells_cue")
    }
    assert own["estimate"] == pytest.approx(
        logs["cells_cue"] - logs["cells"] - logs["cue"] + logs["none"]
    )


def test_six_arms_of_unequal_numbers_with_doses():
    rng = np.random.default_rng(5)
    sizes = {"CTRL": 10, "DRUG": 9, "EXO_low": 5, "EXO_high": 6, "SCAF": 4, "SHAM": 3}
    means = dict(zip(sizes, (95, 55, 65, 80, 56, 54), strict=True))
    table, sheet = study(
        {"mvd": {a: means[a] * np.exp(rng.normal(0, 0.12, n)) for a, n in sizes.items()}}
    )
    claims = {
        "domains": {"vessels": "mvd"},
        "contrasts": {
            "deficit": {"weights": {"healthy": 1, "disease": -1}},
            "trend": {"weights": {"EXO_high": 1, "disease": -1, "EXO_low": 0}},
            "sham": {"weights": {"SHAM": 1, "disease": -1}},
        },
        "claims": [
            {"id": "gate", "kind": "gate", "contrast": "deficit"},
            {"id": "high", "kind": "superiority", "contrast": "trend", "after": "gate"},
            {"id": "sham", "kind": "equivalence", "contrast": "sham"},
            {"id": "half", "kind": "rescue", "arm": "EXO_high", "threshold": 0.3},
        ],
    }
    p = read_plan(
        claims,
        {"healthy": "CTRL", "disease": "DRUG", "treated": ["EXO_low", "EXO_high", "SCAF", "SHAM"]},
    )
    found = verdicts_of(everything(table, sheet, p))
    assert found[("gate", "mvd")] == v.SUPPORTED and found[("high", "mvd")] in (
        v.SUPPORTED,
        v.SMALL,
    )
    assert found[("sham", "mvd")] in (v.SUPPORTED, v.INCONCLUSIVE)


@pytest.mark.parametrize(
    "values",
    [
        {"CTRL": [1.0, 2, 3], "DRUG": [1.0, 2, 3]},
        {"CTRL": [5.0] * 6, "DRUG": [5.0] * 6, "PRE": [5.0] * 6, "POST": [5.0] * 6},
        {"CTRL": [5.0] * 6, "DRUG": [3.0] * 6, "PRE": [3.0] * 6, "POST": [4.0] * 6},
        {"CTRL": [1.0, 2], "DRUG": [3.0, 4], "PRE": [5.0, 6], "POST": [7.0, 8]},
        {"CTRL": [1.0], "DRUG": [3.0], "PRE": [5.0], "POST": [7.0]},
        {"DRUG": [3.0, 4, 5, 6]},
        {"CTRL": [np.nan] * 4, "DRUG": [np.nan] * 4, "PRE": [np.nan] * 4, "POST": [np.nan] * 4},
        {
            "CTRL": [1e-30, 1e30, 5],
            "DRUG": [2.0, 1e-12, 3],
            "PRE": [1.0, 1, 2],
            "POST": [4.0, 4, 5],
        },
        {"CTRL": [0.0, 0, 0, 1], "DRUG": [0.0] * 4, "PRE": [0.0] * 4, "POST": [0.0] * 4},
    ],
)
@pytest.mark.parametrize("outcome", ["conn", "bvtv", "mvd"])
def test_degenerate_studies_get_an_honest_word(values, outcome):
    table, sheet = study({outcome: values})
    p = plan(claims=CORE, domains={"d": outcome}, directions={"conn": "+", "bvtv": "+"})
    tables = everything(table, sheet, p)
    assert len(tables[2]) == 7
