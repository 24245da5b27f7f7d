"""What of a configuration is not the default is told by its place, value and default."""

from pathlib import Path

import yaml

from periomics.study.changed import changed_settings
from periomics.study.config import resolve_config

ROOT = Path(__file__).resolve().parents[3]
BARE = {"study": {"name": "x"}, "seed": 1, "sheets": {"animals": "a.tsv"}}


def test_nothing_is_told_of_the_defaults_alone_also_written_out():
    assert changed_settings(BARE) == changed_settings(resolve_config(BARE)) == []
    assert changed_settings(BARE | {"culture": {"closure_h": 24.0}}) == []


def test_a_loosened_limit_is_told_with_its_default():
    histology = {"max_fold_percent": 20, "sweep_percent": 10, "stains": {}}
    histology["stains"] = {"CD31": {"detector": "vessels", "options": {"solid_percent": 90}}}
    told = changed_settings(resolve_config(BARE | {"histology": histology, "seed": 7}))
    assert [tuple(c)[:2] for c in told] == [
        ("histology/max_fold_percent", 20),
        ("histology/stains/CD31/options/solid_percent", 90),
    ]
    assert told[0].default is not None and told[1].default is None


def test_the_toy_study_differs_from_the_defaults_where_it_says_so():
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
    told = {c.key: (c.value, c.default) for c in changed_settings(config)}
    assert told["bulk/scores/regulon_genes"] == (7, 5)
    assert not any(key.startswith(("study/", "sheets", "results_dir")) for key in told)
