"""The section for the next study: shown with what there is, absent where there is nothing."""

import numpy as np
import pandas as pd

from periomics.core.results import write_result
from periomics.report.page import environment
from periomics.report.planning import SAMPLING_COLUMNS, VARIANCE_COLUMNS, next_study
from periomics.report.sources import sources
from periomics.study.interface.power import POWER_COLUMNS, hardly_supported


def tables(folder, power=True):
    variance = pd.DataFrame(
        [
            ["mvd", "identity", "1/mm2", "animal", 4.0, 0.4, 12, 0.6, 1.0, ""],
            ["mvd", "identity", "1/mm2", "field", 6.0, 0.6, 60, 0.4, 2.6, ""],
            ["bvtv", "identity", "%", "animal", 9.0, 1.0, 12, 1.0, 1.0, "sampled once"],
        ],
        columns=list(VARIANCE_COLUMNS),
    )
    sampling = pd.DataFrame(
        [["mvd", "identity", "", np.nan, "field", n, 1 + 1.5 / n] for n in (1, 2, 5)],
        columns=list(SAMPLING_COLUMNS),
    )
    row = dict.fromkeys(POWER_COLUMNS, "") | {
        "claim_id": "C0",
        "outcome": "mvd",
        "power": 0.47,
        "power_adjusted": 0.47,
        "n_needed": 12,
        "basis": "declared <b>",
    }
    for name, df in (
        ("variance", variance),
        ("sampling", sampling),
        ("power", pd.DataFrame([row])),
    ):
        write_result(df, folder / f"{name}.tsv")
    (folder / "power.svg").write_text("<svg/>", encoding="utf-8")
    files = {n: folder / f"{n}.tsv" for n in ("variance", "sampling")}
    return files | (
        {"power": folder / "power.tsv", "power_figure": folder / "power.svg"} if power else {}
    )


def drawn(found):
    page = '{% from "macros.html.j2" import table %}{% include "planning.html.j2" %}'
    return environment().from_string(page).render(next_study=found)


def test_variance_sampling_and_power_stand_in_the_section(tmp_path):
    found = next_study(sources(tables(tmp_path), tmp_path))
    assert [r[0] for r in found.variance.rows] == ["mvd", "mvd"]
    assert found.sampling.header[-3:] == ["1", "2", "5"] and found.sampling.rows[0][-1] == "1.30"
    text = drawn(found)
    assert "For the next study" in text and "never for the effect that this study observed" in text
    assert "data:image/svg+xml" in text and "declared &lt;b&gt;" in text


def test_power_only_where_it_was_asked_for(tmp_path):
    text = drawn(next_study(sources(tables(tmp_path, power=False), tmp_path)))
    assert "Design effect" in text and "never for the effect" not in text
    assert next_study(sources({}, tmp_path)) is None and drawn(None).strip() == ""


def test_nothing_sampled_twice_says_so(tmp_path):
    files = tables(tmp_path, power=False)
    write_result(pd.DataFrame(columns=list(SAMPLING_COLUMNS)), files["sampling"])
    found = next_study(sources(files, tmp_path))
    assert found.sampling.rows == [] and "No outcome has variance" in found.sampling.reason


def test_claims_that_the_animals_can_hardly_support_are_named_with_the_animals_it_takes():
    row = dict.fromkeys(POWER_COLUMNS, "") | {"wanted_power": 0.8, "n_now": "PRE 6, DRUG 6"}
    said = hardly_supported(
        pd.DataFrame(
            [
                row
                | {
                    "claim_id": "C1-any",
                    "outcome": "mvd",  # a part of the one verdict, no verdict
                    "power_adjusted": 0.07,
                    "n_needed_adjusted": 99,
                },
                row
                | {
                    "claim_id": "C1-any",
                    "outcome": "all outcomes",
                    "power_adjusted": 0.001,
                    "n_needed_adjusted": 61,
                },
                row
                | {
                    "claim_id": "C2",
                    "outcome": "mvd",
                    "power_adjusted": 0.4,
                    "n_needed_adjusted": 15,
                },
                row
                | {
                    "claim_id": "C3",
                    "outcome": "mvd",
                    "power_adjusted": 0.05,
                    "n_needed_adjusted": 30,
                },
                row
                | {
                    "claim_id": "C3",
                    "outcome": "bvtv",
                    "power_adjusted": 0.02,
                    "n_needed_adjusted": "",
                },
            ]
        )
    )
    assert said == (
        "With 6 animals an arm claim C1-any can practically not be supported for all outcomes (power 0.00 at most): "
        "61 an arm would give 80 %.",
        "With 6 animals an arm claim C3 can practically not be supported for mvd, bvtv (power 0.05 at most): "
        "no number of animals that was tried gives the wanted power.",
    )
