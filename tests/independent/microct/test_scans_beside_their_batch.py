"""One scan of another brightness in a batch is named and moves no other: scans drawn from formulas,
limits by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from periomics.microct.batch import pooled_otsu
from periomics.microct.formats.lazy import in_memory
from periomics.microct.measure import measure
from periomics.microct.members import LEVELS, compared, levels_of
from periomics.outcomes.collect import hold, release
from periomics.study.settings.microct import Microct

pytestmark = pytest.mark.usefixtures("without_spacing")
SETTINGS = Microct.of(
    {
        "bone_threshold": 17000,
        "implant_threshold": 60000,
        "implant": "none",
        "anisotropy": False,
        "thickness_variants": False,
    }
)
MARROW, BONE = 12000.0, 22000.0


def scan(period, phase, times=1.0, bone=BONE, n=40):
    """Crossed bars of bone, a third to a half of the volume."""
    places = (np.arange(n) + phase) % period < 0.55 * period
    bars = sum(np.meshgrid(places, places, places, indexing="ij"))
    grey = ndimage.gaussian_filter(np.where(bars >= 2, bone, MARROW), 0.6)
    grey += np.random.default_rng(period).normal(0, 500, grey.shape)
    return np.rint(grey * times).astype(np.uint16)


SCANS = {"a": (16, 0), "b": (20, 3), "c": (18, 5), "d": (16, 8)}


@pytest.fixture(scope="module")
def levels():
    """Grey values as measured, in the form of the facts of a scan."""
    found = {}
    for name, how in SCANS.items():
        one = measure(in_memory(scan(*how), (18.0,) * 3), SETTINGS, {})
        found[name] = levels_of(pd.DataFrame({"fact": LEVELS, "value": map(str, one.levels)}))
    return found


def table(levels, **changed):
    rows = [{"specimen_id": n, "batch": "day1", "kv": 70, **changed.get(n, {})} for n in levels]
    return compared(rows, levels, SETTINGS).set_index("specimen_id")


def test_levels_are_those_that_were_drawn(levels):
    for marrow, bone in levels.values():
        assert marrow == pytest.approx(MARROW, abs=60)
        assert bone == pytest.approx(BONE, abs=60)
    assert (table(levels)["hold"] == "no").all()
    assert (table(levels)["beside_percent"] < 1).all()


@pytest.mark.parametrize(("times", "held"), [(1.1, True), (0.9, True), (1.05, False)])
def test_one_odd_scan_is_named_and_no_other(levels, times, held):
    """Bone times 1.1 is 2200 of a contrast of 10000 brighter, marrow 1200."""
    marrow, bone = levels["c"]
    found = table({**levels, "c": (times * marrow, times * bone)})
    assert found.loc["c", "beside_percent"] == pytest.approx(abs(times - 1) * 220, abs=1)
    assert (found["hold"] == "yes").to_dict() == {"a": False, "b": False, "c": held, "d": False}
    if held:
        assert found.loc["c", "reason"].startswith("grey value of bone ")
        assert found.loc["c", "reason"].endswith("% of their contrast (limit 15 %)")


@pytest.mark.parametrize(("times", "held"), [(1.12, True), (0.9, True), (1.04, False)])
def test_a_batch_that_parts_in_two_halves_is_held_as_a_whole(levels, times, held):
    """Bone times 1.12 is 2640 of a contrast of about 10000 brighter: 13 beside the median of
    four."""
    bright = {name: (times * levels[name][0], times * levels[name][1]) for name in ("a", "c")}
    found = table({**levels, **bright})
    assert (found["hold"] == ("yes" if held else "no")).all()
    if held:
        assert found["reason"].str.contains("which half is right is not told").all()
    # Half of the animals with less mineral: bone alone, by more than the limit.
    poor = {name: (levels[name][0], 0.92 * levels[name][1]) for name in ("a", "c")}
    assert (table({**levels, **poor})["hold"] == "no").all()


def test_less_mineral_in_bone_alone_is_no_oddity(levels):
    """A tenth less above marrow, as between animals."""
    marrow, bone = levels["b"]
    assert (table({**levels, "b": (marrow, bone - 1000)})["hold"] == "no").all()


def test_what_cannot_be_compared_is_said(levels):
    pair = {n: levels[n] for n in "ab"}
    assert set(table(pair)["reason"]) == {
        "not compared: 2 scans of its batch and settings, 3 are needed"
    }
    other = table(levels, d={"kv": 50})
    assert other["scans"].to_dict() == {"a": 3, "b": 3, "c": 3, "d": 1}
    assert other.loc["d", "reason"].startswith("not compared: 1 scans")
    assert set(table(levels, **{n: {"batch": ""} for n in levels})["reason"]) == {
        "not compared: the sheet names no batch, 3 are needed"
    }
    nothing = levels_of(pd.DataFrame({"fact": ["voxel", "voxel"], "value": ["18", "18"]}))
    found = table({**levels, "d": nothing})
    assert found["scans"].tolist() == [3] * 4
    assert found.loc["d", "reason"] == "not compared: no marrow or bone away from its surface"


def test_measurements_of_an_odd_scan_are_held_until_confirmed():
    rows = pd.DataFrame(
        {
            "specimen_id": ["a", "c", "c", "c"],
            "section_id": "",
            "qc": ["pass", "pass", "warn", "fail"],
            "qc_reason": ["", "", "as before", "no bone"],
        }
    )
    held = hold(rows, {"c": "bright"})
    assert held["qc"].tolist() == ["pass", "hold", "hold", "fail"]
    assert held["qc_reason"].tolist() == ["", "bright", "bright; as before", "no bone"]
    kept = release(held, {("specimen_id", "c"): "R. B.: filter of 1 mm"})
    assert kept["qc"].tolist() == ["pass", "warn", "warn", "fail"]


def test_an_odd_scan_moves_no_threshold_of_a_batch():
    settings = SETTINGS.but(threshold_rule="otsu", bone_threshold=None)
    grey = {n: scan(*how) for n, how in SCANS.items()}
    rows = [{"specimen_id": n} for n in grey]

    def pooled(volumes):
        reasons = []
        found = pooled_otsu(
            [r for r in rows if r["specimen_id"] in volumes],
            settings,
            lambda row: in_memory(volumes[row["specimen_id"]], (18.0,) * 3),
            reasons,
        )
        return *found, reasons

    without = pooled({n: g for n, g in grey.items() if n != "c"})
    bright = pooled({**grey, "c": scan(*SCANS["c"], times=1.4)})
    assert bright[0] == pytest.approx(without[0], abs=150)  # bins over another range
    assert bright[1:] == (3, ["c left out: brighter or darker than the others"])
    assert pooled(grey)[1:] == (4, [])
