"""What the page says of models of outcomes: a sentence each, with its numbers, and never more than
the numbers hold."""

import pandas as pd
import pytest
from report_study import ROOT

from periomics.core.results import write_result
from periomics.report.sources import Sources
from periomics.report.views import views
from periomics.study.interface.linkage import VIEW_COLUMNS


def page(tmp_path, q2, p_adj):
    rows = [
        {"part": part, "name": name, "value": value}
        for name, adjusted in (("mvd", p_adj), ("ln332", 0.9))
        for part, value in (("q2", q2), ("p_adj", adjusted), ("stability", 0.9))
    ]
    rows.append({"part": "variable", "name": "score:response:vegf", "block": "mvd", "value": 0.9})
    table = pd.DataFrame(rows).assign(view="pls", n=32)
    mofa = {"view": "mofa", "part": "refused", "n": 32, "reason": "no factor model (MOFA): because"}
    table = pd.concat([table, pd.DataFrame([mofa])], ignore_index=True)
    write_result(table.reindex(columns=list(VIEW_COLUMNS)), tmp_path / "views.tsv")
    files = {
        "views": (tmp_path / "views.tsv",),
        "dictionary": (ROOT / "resources/outcomes.tsv",),
    }
    return views(Sources(files, tmp_path))


@pytest.mark.parametrize(
    ("q2", "p_adj", "holds"),
    [(0.21, 0.01, True), (0.21, 0.08, False), (-0.1, 0.01, False)],
)
def test_a_model_is_one_sentence_and_needs_both_q2_and_p(tmp_path, q2, p_adj, holds):
    found = page(tmp_path, q2, p_adj)
    assert ("all scores together predict MVD" in found.told) == holds
    assert ("scores are not shown to predict MVD" in found.told) != holds
    assert "scores are not shown to predict Ln332" in found.told
    assert "32 animals; one component" in found.told and "by Holm" in found.told
    assert found.told.endswith("No factor model (MOFA): because.")
    (made,) = [g for g in found.grids if g.title.startswith("What makes the predictions")]
    assert len(made.rows) == 1 and found.told.startswith("No view is made.")
