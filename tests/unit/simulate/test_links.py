"""Planted links: arms move every response, and within arms a response goes with an outcome where, and only where, the scenario says."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from periomics.simulate import links
from periomics.simulate.design import (
    CONDITIONS,
    CULTURE,
    CULTURE_ONLY,
    OUTCOMES,
    SCENARIOS,
    draw_animals,
    draw_cultures,
    draw_targets,
    planted_links,
    to_link,
)
from periomics.simulate.sheets import draw_sheets
from periomics.statistics.kernels.exchange import of_animals, p_value

ROOT = Path(__file__).resolve().parents[3]
SETTINGS = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))["simulate"]
NAMES = [a.name for a in links.AXES]
DECOYS = [a for a in links.AXES if not a.domain]
OUTCOME = {o.domain: name for name, o in OUTCOMES.items()}


def many(scenario, n=3000, seed=3, **more):
    return draw_animals(
        {**SETTINGS, "scenario": scenario, "n_per_arm": n, "n_blocks": n, **more}, seed
    )


def on_link(animals, domain):
    """The outcome of a domain on the scale on which animals vary, high where it heals."""
    name = OUTCOME[domain]
    value = np.asarray(to_link(animals[name].to_numpy(), OUTCOMES[name].link))
    return value * np.sign(OUTCOMES[name].healthy - OUTCOMES[name].diseased)


def within(animals, x, y):
    return links.within(np.asarray(x), np.asarray(y), animals["group"])


@pytest.mark.parametrize("scenario", sorted(set(SCENARIOS) - {CULTURE_ONLY}))
def test_arms_move_every_response_as_the_table_says(scenario):
    animals = many(scenario, 1500)
    table = planted_links({**SETTINGS, "scenario": scenario}, 3).set_index("axis")
    for axis in links.AXES:
        mean = animals.groupby("group")[axis.target].mean()
        for part in table.loc[axis.name, "arms"].split("; "):
            arm, expected = part.split()
            error = 5 / SETTINGS["deficit_d"] / np.sqrt(1500)
            assert abs(mean[arm] - float(expected)) < error, (axis.name, arm)
    if scenario not in links.UNTREATED:
        rise = [animals[animals["group"] == "POST"][a.target].mean() for a in links.AXES]
        assert min(rise) > 0.5


@pytest.mark.parametrize("asked", [0.5, 0.9])
def test_a_linked_response_goes_with_its_outcome_and_a_decoy_with_none(asked):
    animals = many("source_study", link=asked)
    for axis in links.LINKED:
        assert within(
            animals, animals[axis.target], on_link(animals, axis.domain)
        ) == pytest.approx(asked, abs=0.03)
    for axis in DECOYS:
        for domain in OUTCOME:
            assert abs(within(animals, animals[axis.target], on_link(animals, domain))) < 0.05


def test_without_a_link_nothing_goes_with_anything_although_arms_move_all():
    animals = many("no_link")
    for axis in links.AXES:
        for domain in OUTCOME:
            assert abs(within(animals, animals[axis.target], on_link(animals, domain))) < 0.05
    pooled = np.corrcoef(animals[links.AXES[0].target], on_link(animals, "barrier"))[0, 1]
    assert pooled > 0.3


def test_a_hidden_severity_links_both_and_is_gone_at_equal_weight():
    animals = many("severity")
    for axis in links.LINKED:
        x, y = animals[axis.target], pd.Series(on_link(animals, axis.domain))
        assert within(animals, x, y) == pytest.approx(SETTINGS["link"], abs=0.03)
        w = animals["weight_g"] - animals.groupby("group")["weight_g"].transform("mean")
        left = []
        for value in (x, y):
            value = value - value.groupby(animals["group"]).transform("mean")
            left.append(value - w * (w @ value) / (w @ w))
        assert abs(np.corrcoef(*left)[0, 1]) < 0.15


def test_composition_moves_shares_with_outcomes_and_no_response():
    animals = many("composition")
    for axis in links.LINKED:
        y = on_link(animals, axis.domain)
        assert abs(within(animals, animals[axis.target], y)) < 0.05
        share = animals[links.SHARE_PREFIX + axis.tissue]
        assert within(animals, share, y) == pytest.approx(SETTINGS["link"], abs=0.03)
    assert not any(c.startswith(links.SHARE_PREFIX) for c in many("source_study", 5))


def test_outcomes_of_a_seed_do_not_depend_on_what_is_linked():
    one, other = (draw_animals({**SETTINGS, "link": r}, 4) for r in (0.2, 0.95))
    kept = [c for c in one if not c.startswith(links.PREFIX)]
    pd.testing.assert_frame_equal(one[kept], other[kept])
    assert not one.equals(other)


def test_what_is_drawn_is_drawn_again():
    pd.testing.assert_frame_equal(draw_animals(SETTINGS, 5), draw_animals(SETTINGS, 5))
    more = draw_cultures({**SETTINGS, "n_isolations": 7}, 5)
    less = draw_cultures({**SETTINGS, "n_isolations": 3}, 5)
    unchanged = [c for c in less if c not in ("factor", *CULTURE)]
    pd.testing.assert_frame_equal(more.iloc[: len(less)][unchanged], less[unchanged])


@pytest.mark.parametrize(
    ("scenario", "n", "least", "most"),
    [("source_study", 6, 0.9, 1.0), ("source_study", 4, 0.7, 1.0), ("no_link", 6, 0.0, 0.11)],
)
def test_toy_sized_studies_show_the_link_and_only_the_link(scenario, n, least, most):
    """Responses themselves; 100 studies (.05 is exceeded by .11 in 1 of 200)."""
    rng, found, false = np.random.default_rng(1), [], []
    for seed in range(100):
        animals = draw_animals({**SETTINGS, "scenario": scenario, "n_per_arm": n}, seed)
        design = of_animals(animals["group"].to_numpy(), animals["block"].to_numpy())
        for axis in links.AXES:
            domain = axis.domain or "barrier"
            p = p_value(animals[axis.target].to_numpy(), on_link(animals, domain), design, rng, 199)
            (found if axis.domain else false).append(p <= 0.05)
    assert least <= np.mean(found) <= most
    assert np.mean(false) <= 0.09  # three decoys in each of 100 studies


def test_treatments_of_cultures_move_readouts_by_1_to_3_sd():
    cultures = draw_cultures({**SETTINGS, "n_isolations": 3000}, 3)
    for name in (*CULTURE, links.AXES[0].target):
        value = cultures[name]
        if name == "surv":
            value = to_link(value, "percent")
        elif name in CULTURE:
            value = np.log(value)
        wide = pd.DataFrame(
            {"unit": cultures["animal_id"], "arm": cultures["condition"], "value": value}
        ).pivot(index="unit", columns="arm", values="value")
        alone, cued = wide["medium"] - wide["vehicle"], wide["medium_cue"] - wide["vehicle_cue"]
        for difference in (alone, cued):
            assert 1.0 < difference.mean() / difference.std() < 3.0, name
        assert 0.5 < (cued - alone).mean() / (cued - alone).std() < 1.5, name


@pytest.mark.parametrize(("scenario", "r"), [("source_study", 0.9), ("no_link", 0.0)])
def test_cultures_are_linked_beyond_isolation_and_condition(scenario, r):
    cultures = draw_cultures({**SETTINGS, "n_isolations": 3000, "scenario": scenario}, 3)
    values = pd.DataFrame(
        {a.name: cultures[a.target] for a in links.AXES} | {"y": np.log(cultures["scratch_rate"])}
    )
    for by in ("animal_id", "condition"):
        values = values - values.groupby(cultures[by]).transform("mean")
    assert values.corr().loc["LR_TGFB1_TGFBR", "y"] == pytest.approx(r, abs=0.04)
    assert values.corr().loc[[a.name for a in DECOYS], "y"].abs().max() < 0.04


def test_no_culture_closes_its_scratch_before_the_series_ends():
    rates = draw_cultures({**SETTINGS, "n_isolations": 3000}, 3)["scratch_rate"]
    layer = SETTINGS["culture"]
    hours = (layer["frames"] - 1) * layer["interval_h"]
    width = layer["shape"][1] * layer["pixel_um"] * 0.42  # the narrowest gap
    assert (2 * rates * hours < width).mean() > 0.995


def test_every_library_has_a_response_to_every_axis():
    sheets = draw_sheets(SETTINGS, 1)
    targets = draw_targets(SETTINGS, 1, sheets)
    for axis in links.AXES:
        have = set(targets.loc[targets["target"] == axis.target, "specimen_id"])
        libraries = sheets["libraries"]
        receiving = libraries.loc[libraries["compartment"] != links.SENDER, "specimen_id"]
        assert set(receiving) <= have


def test_a_study_of_cultures_has_no_animals():
    settings = {**SETTINGS, "scenario": "culture_only"}
    for layer in ("microct", "histology", "singlecell"):
        settings.pop(layer)
    sheets = draw_sheets(settings, 1)
    assert set(sheets["animals"]["unit"]) == {"isolation", "donor"}
    assert sheets["scans"].empty and sheets["sections"].empty and sheets["clinical"].empty
    cultured = SETTINGS["n_isolations"] * len(CONDITIONS)
    assert len(sheets["libraries"]) == cultured + SETTINGS["n_donors"]
    assert not draw_targets(settings, 1, sheets).empty
    table = planted_links(settings, 1)
    assert table["culture_r"].max() == SETTINGS["link"] and table["r_drawn"].isna().all()


@pytest.mark.parametrize("link", [-0.1, 1.2])
def test_a_link_that_is_no_correlation_is_refused(link):
    with pytest.raises(ValueError, match="0 to 1"):
        draw_animals({**SETTINGS, "link": link}, 1)


@pytest.mark.parametrize(
    ("scenario", "kinds"),
    [("source_study", {"linked", "decoy"}), ("severity", {"unlinked", "decoy"})],
)
def test_the_table_of_links_says_what_was_planted(scenario, kinds):
    settings = {**SETTINGS, "scenario": scenario}
    table = planted_links(settings, 1)
    assert list(table["axis"]) == NAMES and set(table["kind"]) == kinds
    linked = table["kind"] == "linked"
    assert (table.loc[linked, "r_within"] == SETTINGS["link"]).all()
    assert (table.loc[~linked, "r_within"] == 0).all()
    few = planted_links({**settings, "arms": ["CTRL", "DRUG"]}, 1)["arms"]
    assert few.iloc[0] == "CTRL 1; DRUG 0" and table["arms"].str.contains("POST").all()
    animals = draw_animals(settings, 1).drop(columns="lost")
    expected = within(animals, animals[links.AXES[0].target], animals["h_barrier"])
    assert table["r_drawn"].iloc[0] == pytest.approx(expected)


def test_a_study_without_isolations_has_targets(root):
    settings = yaml.safe_load((root / "config/nano/config.yaml").read_text(encoding="utf-8"))
    drawn = draw_sheets(settings["simulate"], settings["seed"])
    targets = draw_targets(settings["simulate"], settings["seed"], drawn)
    assert len(targets) and drawn["cultures"].empty


@pytest.mark.parametrize("scenario", ["source_study", CULTURE_ONLY])
def test_donors_stand_in_the_animals_sheet_without_isolations(scenario):
    sheets = draw_sheets({**SETTINGS, "scenario": scenario, "n_isolations": 0}, 1)
    animals, libraries = sheets["animals"], sheets["libraries"]
    assert (animals["unit"] == "donor").sum() == SETTINGS["n_donors"]
    assert set(libraries["animal_id"]) <= set(animals["animal_id"])
    assert set(libraries["compartment"]) >= {links.SENDER}
