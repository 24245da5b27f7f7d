"""The simulated design: matched means, no clipping, sheets in step with the committed ones."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from periomics.simulate.design import (
    CULTURE_ONLY,
    OUTCOMES,
    SCENARIOS,
    draw_animals,
    draw_targets,
    matched_location,
)
from periomics.simulate.sheets import draw_sheets
from periomics.simulate.write import planned_sheets

ROOT = Path(__file__).resolve().parents[3]
SETTINGS = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))["simulate"]
SIMULATED = sorted(
    p
    for p in (ROOT / "config").rglob("config.yaml")
    if "\nsimulate:" in p.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("link", ["percent", "log"])
def test_matched_location_gives_the_natural_mean(link):
    rng = np.random.default_rng(1)
    location = matched_location(40.0, 0.5, link)
    draws = location + 0.5 * rng.standard_normal(400_000)
    natural = 100 / (1 + np.exp(-draws)) if link == "percent" else np.exp(draws)
    assert abs(natural.mean() - 40.0) < 4 * natural.std() / np.sqrt(len(draws))


@pytest.mark.parametrize("scenario", sorted(set(SCENARIOS) - {CULTURE_ONLY}))
def test_arm_means_and_spread_are_what_the_scenario_says(scenario):
    settings = {**SETTINGS, "scenario": scenario, "n_per_arm": 3000, "n_blocks": 3000}
    animals = draw_animals(settings, 3)
    for name, outcome in OUTCOMES.items():
        assert animals[name].gt(0).all()
        if outcome.link == "percent":
            assert animals[name].lt(100).all()
    for domain in ("bone", "vessels"):
        mean = animals.groupby("group")[f"h_{domain}"].mean()
        sd = animals.groupby("group")[f"h_{domain}"].std().max()
        for arm, expected in SCENARIOS[scenario].items():
            assert abs(mean[arm] - expected) < 5 * sd / np.sqrt(3000), (domain, arm)


def test_domains_correlate_within_arms_as_asked():
    animals = draw_animals({**SETTINGS, "n_per_arm": 4000, "n_blocks": 4000}, 5)
    part = animals[animals["group"] == "DRUG"]
    r = np.corrcoef(np.log(part["mvd"]), np.log(part["elac"] / (100 - part["elac"])))[0, 1]
    # Necrosis falls with healing, so healing correlates positively where the outcome correlates negatively.
    assert abs(r + 0.4 * (1 - SETTINGS["block_share"]) + SETTINGS["block_share"]) < 0.05


def test_loss_is_more_likely_where_healing_is_poor():
    animals = draw_animals(
        {**SETTINGS, "scenario": "lost_implants", "n_per_arm": 3000, "loss_intercept": -1.0}, 2
    )
    lost = animals.groupby("group")["lost"].mean()
    assert lost["DRUG"] > lost["CTRL"] + 0.1


def test_targets_cover_every_specimen_once():
    sheets = draw_sheets(SETTINGS, 1)
    targets = draw_targets(SETTINGS, 1, sheets)
    assert not targets.duplicated(["specimen_id", "target"]).any()
    assert set(sheets["scans"]["specimen_id"]) <= set(targets["specimen_id"])


def test_scenarios_shape_the_sheets():
    confounded = draw_sheets({**SETTINGS, "scenario": "confounded"}, 1)
    group = confounded["animals"].set_index("animal_id")["group"]
    assert (
        confounded["scans"].groupby(confounded["scans"]["animal_id"].map(group))["batch"].nunique()
        == 1
    ).all()
    disjoint = draw_sheets(
        {**SETTINGS, "scenario": "disjoint_modalities", "n_sequenced_per_arm": 3}, 1
    )
    rna = set(disjoint["libraries"]["animal_id"]) - set(disjoint["cultures"]["animal_id"])
    assert rna.isdisjoint(disjoint["scans"]["animal_id"]) and len(disjoint["scans"]) > 0


@pytest.mark.parametrize("file", SIMULATED, ids=lambda p: p.parent.name)
def test_committed_sheets_are_what_settings_and_seed_give(file):
    for path, table in planned_sheets(file).items():
        committed = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
        pd.testing.assert_frame_equal(
            committed, table.reset_index(drop=True), check_index_type=False
        )
