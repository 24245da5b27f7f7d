"""A score's name is taken apart where it is put together."""

import pandas as pd

from periomics.study.dictionary import score_names, score_parts


def test_parts_of_a_name():
    parts = pd.DataFrame(
        [("signature", "EPI_x", ""), ("tf", "STAT1", "basal cell")], columns=["kind", "id", "cell"]
    )
    names = score_names(parts["kind"], parts["id"], parts["cell"])
    assert [score_parts(n) for n in names] == [tuple(r) for r in parts.to_numpy()]
    assert score_parts("bvtv") == ("", "", "")
