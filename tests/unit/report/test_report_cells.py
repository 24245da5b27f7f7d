"""What the page says of single cells."""

import pandas as pd

from periomics.report.cells import cell_words
from periomics.report.sources import Sources


class Tables(Sources):
    """Sources whose tables are given."""

    def __init__(self, **tables):
        object.__setattr__(self, "given", tables)

    def table(self, name, columns=()):
        return self.given.get(name, pd.DataFrame(columns=list(columns)))


QC = pd.DataFrame(
    {
        "specimen_id": ["a", "b"],
        "cells": ["100", "200"],
        "kept": ["90", "120"],
        "low_counts": ["10", "0"],
        "low_genes": "0",
        "high_mito": ["0", "70"],
        "doublets": ["0", "10"],
        "ambient_percent": ["4", ""],
    }
)
FACTS = {
    "stability_seeds": 0.98,
    "stability_resolution": 0.9,
    "mixing_before": 0.1,
    "mixing_after": 0.95,
}
UNITS = pd.DataFrame(
    {"row": "unit", "cell_type": ["basal", "unknown"], "count": ["190", "10"], "animal_id": "a"}
)


def facts(**changed):
    rows = [(m, "", v) for m, v in {**FACTS, **changed}.items()]
    return pd.DataFrame(rows, columns=["measure", "label", "value"])


def test_the_words_hold_the_numbers_of_the_tables():
    tests = pd.DataFrame(
        {
            "status": ["tested", "descriptive"],
            "n_significant": ["3", ""],
            "n_naive": ["1234", "999"],
        }
    )
    said = " ".join(cell_words(Tables(sc_qc=QC, sc_atlas=facts(), sc_tests=tests), UNITS))
    assert "210 of 300 cells were kept" in said
    assert (
        "10 for too few counts, 70 for too many mitochondrial counts, 10 for likely doublets"
        in said
    )
    assert "lost most, b, kept 60 %" in said
    assert "about 4 %" in said and "most in a" in said
    assert "0.95 times as often as at random (0.10 before" in said
    assert "random numbers by 0.98" in said
    assert "5.0 % of cells have no name" in said
    assert "3 genes changed" in said and "called 1,234" in said
    assert "not mixed" not in said and "hang on chance" not in said


def test_libraries_that_do_not_mix_and_clusters_of_chance_are_told():
    said = cell_words(Tables(sc_atlas=facts(mixing_after=0.2, stability_seeds=0.4)), UNITS[:0])
    assert any("Libraries are not mixed" in s for s in said)
    assert any("hang on chance" in s for s in said)


def test_without_tables_nothing_is_said_and_no_estimate_is_no_number():
    empty = pd.DataFrame(columns=["row", "cell_type", "count"])
    assert cell_words(Tables(), empty) == []
    blank = QC.assign(ambient_percent="")
    assert any("could not be estimated" in s for s in cell_words(Tables(sc_qc=blank), empty))
