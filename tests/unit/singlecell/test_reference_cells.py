"""Real cells (Kang 2018) of one donor named by those of the other, whose labels are the source's
own."""

import anndata as ad
import numpy as np
import pytest
from unit.singlecell.test_interferon_cells import OURS, SETTINGS

from periomics.singlecell.atlas import embed, label
from periomics.singlecell.labels import UNKNOWN
from periomics.singlecell.learned import OR, learn
from periomics.singlecell.markers import read_markers
from periomics.singlecell.quality import good_cells, judge_cells
from periomics.singlecell.readers import read_cells

pytestmark = pytest.mark.data
FAMILY = {own: name.split("_")[-2] if "cell" in name else name for own, name in OURS.items()}


@pytest.fixture(scope="module")
def donor(data, root):
    path = data / "scrna" / "kang_ifnb_4samples_subset.h5ad"
    facts = [
        {"specimen_id": s, "animal_id": "107", "sample": s, "species": "human", "path": str(path)}
        for s in ("ctrl107", "stim107")
    ]
    cells = read_cells(facts, SETTINGS)
    cells.obs["theirs"] = cells.obs.pop("given_label")
    judge_cells(cells, SETTINGS, 7)
    cells = good_cells(cells)
    found = embed(cells, SETTINGS, 7)
    return (
        ad.read_h5ad(path),
        cells,
        found,
        read_markers(root / "resources/cell_types.tsv", "human"),
    )


def named(donor, folder, without=""):
    """Labels by the other donor's cells, of which a family of types is left out."""
    whole, cells, found, table = donor
    other = whole.obs["sample_id"].astype(str).str.endswith("101").to_numpy()
    families = whole.obs["cluster_id"].astype(str).map(FAMILY).to_numpy()
    path = folder / "reference.h5ad"
    whole[other & (families != without)].copy().write_h5ad(path)
    settings = SETTINGS.model_copy(update={"reference_column": "cluster_id"})
    learned = learn(path, table, settings, "human", list(cells.var["symbol"]))
    label(cells, found, table, settings, learned)
    return cells.obs["theirs"].to_numpy(str), cells.obs["label"].to_numpy(str)


def test_cells_get_the_other_donor_s_names(donor, tmp_path):
    theirs, ours = named(donor, tmp_path)
    fits = np.array([a in b.split(OR) for a, b in zip(theirs, ours, strict=True)])
    assert (theirs == ours).mean() > 0.85 and fits.mean() > 0.92
    kin = [{FAMILY.get(k) for k in b.split(OR)} for b in ours]
    others = [FAMILY[a] not in k | {None} for a, k in zip(theirs, kin, strict=True)]
    assert np.mean([o and b != UNKNOWN for o, b in zip(others, ours, strict=True)]) < 0.02


@pytest.mark.parametrize("family", sorted(set(FAMILY.values())))
def test_a_family_that_the_other_donor_lacks_is_unknown(donor, tmp_path, family):
    theirs, ours = named(donor, tmp_path, family)
    own = np.array([FAMILY[t] == family for t in theirs])
    assert (ours[own] == UNKNOWN).mean() > 0.9
