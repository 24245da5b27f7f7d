"""Plates as readers export them, and what their signals become: resistances, cytotoxicity and permeability by closed form."""

import numpy as np
import pandas as pd
import pytest

from periomics.core.errors import InputError
from periomics.culture.plates import read_plate, read_plates
from periomics.culture.wells import file_rows
from periomics.outcomes.normalise import normalise_cultures
from periomics.study import measurements
from periomics.study.dictionary import load_dictionary
from periomics.study.settings.culture import Culture

NUMBERS = ";".join(str(n) for n in range(1, 13))


@pytest.fixture(scope="module")
def dictionary(pytestconfig):
    return load_dictionary(pytestconfig.rootpath / "resources/outcomes.tsv")


def export(path, *blocks, comma=True):
    """A file as a reader writes it: for each (title, {well: signal}) a title line, numbers above, letters before."""
    lines = []
    for title, signals in blocks:
        lines += [title] if title else []
        lines.append(f";{NUMBERS}")
        for letter in "ABCDEFGH":
            cells = [signals.get(f"{letter}{n}", "") for n in range(1, 13)]
            lines.append(";".join([letter, *(f"{c:.3f}" if c != "" else "" for c in cells)]))
        lines.append("")
    text = "\n".join(lines)
    path.write_text(text.replace(".", ",") if comma else text, encoding="cp1252")
    return path


def wells(path, rows, dictionary):
    """Outcomes of rows (specimen, well, role, and more) of one isolation, after blanks and controls."""
    facts = [
        {"animal_id": "I1", "assay": "plate", "path": str(path), "specimen_id": s, "well": w}
        | {"role": role, **more}
        for s, w, role, more in rows
    ]
    made, _ = file_rows(facts, Culture())
    table = measurements.tidy(made, animal_id="I1", modality="culture")
    joined = table.assign(batch="p", cue="", condition="", dose=np.nan, dose_unit="", replaces="")
    out, _ = normalise_cultures(joined, dictionary)
    return out.set_index("specimen_id")


@pytest.mark.parametrize(
    "title", ["", "Platte", "Plate;;;;;;;;;;;;", "Absorption Übernacht;450 nm"]
)
def test_semicolons_decimal_commas_and_a_title(tmp_path, title):
    signals = {"A1": 0.05, "H12": 1.234, "C7": 0.5}
    assert read_plate(export(tmp_path / "p.csv", (title, signals))).to_dict() == signals


def test_several_plates_are_told_by_name_and_never_mixed(tmp_path):
    path = export(tmp_path / "p.csv", ("Plate: d1", {"A1": 0.1}), ("Plate: d2", {"A1": 0.25}))
    assert list(read_plates(path)) == ["Plate: d1", "Plate: d2"]
    assert read_plate(path, "d2")["A1"] == 0.25 and read_plate(path, "Plate: d1")["A1"] == 0.1
    for plate, words in (("", "which one"), ("d3", "no such plate"), ("Plate", "or several")):
        with pytest.raises(InputError, match=words):
            read_plate(path, plate)


def test_whole_numbers_after_a_letter_are_signals_and_no_header(tmp_path):
    (tmp_path / "p.tsv").write_text("x\t3\t4\nA\t1\t2\nB\t5\t6\n", encoding="utf-8")
    assert read_plate(tmp_path / "p.tsv").to_dict() == {"A3": 1, "A4": 2, "B3": 5, "B4": 6}
    (tmp_path / "l.tsv").write_text("well\tvalue\nA1\t1\na01\t2\n", encoding="utf-8")
    with pytest.raises(InputError, match="stands twice"):
        read_plate(tmp_path / "l.tsv")


def test_resistance_is_less_the_blank_and_times_the_area(tmp_path, dictionary):
    signals = {"B2": 420.0, "B3": 118.0, "B4": 122.0, "B5": 90.0}
    path = export(tmp_path / "p.csv", ("", signals), comma=False)
    area = {"readout": "teer", "area_cm2": 0.33}
    rows = [("a", "B2", "sample", area), ("b1", "B3", "blank", {"readout": "teer"})]
    rows += [("b2", "B4", "blank", {"readout": "teer"}), ("c", "B5", "sample", area)]
    out = wells(path, rows, dictionary)
    assert out.at["a", "value"] == pytest.approx((420 - 120) * 0.33)
    assert out.at["a", "unit"] == "ohm cm2"
    assert out.at["c", "qc"] == "fail" and "does not exceed the blank" in out.at["c", "qc_reason"]
    alone = wells(path, rows[:1], dictionary)
    assert alone.at["a", "qc"] == "fail" and "no blank" in alone.at["a", "qc_reason"]
    with pytest.raises(InputError, match="teer needs it"):
        wells(path, [("a", "B2", "sample", {"readout": "teer"})], dictionary)


def test_cytotoxicity_lies_between_its_two_controls(tmp_path, dictionary):
    path = export(tmp_path / "p.csv", ("", {"B2": 0.5, "B3": 0.2, "B4": 1.4}))
    kind = {"readout": "cyto"}
    rows = [("s", "B2", "sample", kind), ("l", "B3", "negative_control", kind)]
    rows.append(("h", "B4", "control", kind))
    assert wells(path, rows, dictionary).at["s", "value"] == pytest.approx(25.0)
    lost = wells(path, rows[:2], dictionary).loc["s"]
    assert lost["qc"] == "fail" and "high (role control)" in lost["qc_reason"]


def test_permeability_of_a_tracer_that_runs_into_the_lower_side(tmp_path, dictionary):
    """c(t) = c∞ (1 − exp(−kt)): at its start the flux of P·A·C0, so the line through early times gives P within 5 %."""
    area, volume, donor, p = 0.33, 0.6, 500.0, 2e-6
    minutes = np.array([0, 10, 20, 30, 40, 600])
    rate = (
        p * area / volume
    )  # per second; both sides equally large, so the end is half of the donor
    received = donor / 2 * (1 - np.exp(-2 * rate * 60 * minutes))
    signals = {f"B{i + 2}": 10 + c for i, c in enumerate(received)} | {"H1": 10.0}
    path = export(tmp_path / "p.csv", ("", signals), comma=False)
    facts = {"readout": "papp", "area_cm2": area, "volume_ml": volume, "donor_signal": donor}
    slots = [
        ("s", f"B{i + 2}", "sample", facts | {"time": float(m), "time_unit": "min"})
        for i, m in enumerate(minutes)
    ]
    blank = [("b", "H1", "blank", {"readout": "papp"})]
    out = wells(path, slots + blank, dictionary)
    assert len(out) == 1 and out.at["s", "unit"] == "cm/s"
    assert out.at["s", "value"] == pytest.approx(p, rel=0.05)
    few = wells(path, slots[:2] + blank, dictionary)
    assert "fewer than 3 times" in few.loc["s", "qc_reason"]


def test_a_plate_without_a_window_is_told(tmp_path):
    signals = {"B2": 0.5, "B3": 0.9, "C2": 0.1, "C3": 0.5, "D4": 0.6}
    path = export(tmp_path / "p.csv", ("", signals))
    roles = {"B2": "vehicle", "B3": "vehicle", "C2": "blank", "C3": "blank", "D4": "sample"}
    facts = [
        {"specimen_id": w, "well": w, "role": r, "readout": "prol", "assay": "plate"}
        | {"path": str(path)}
        for w, r in roles.items()
    ]
    rows, _ = file_rows(facts, Culture())
    # Means .7 and .3, both with SD .2828: 1 − 3 × .5657 / .4.
    assert {r["qc_reason"] for r in rows} == {"Z' of the plate is -3.24 (at least 0)"}


def percents(tmp_path, dictionary, exclusions=None, hold=""):
    """Percentages of vehicle of a plate with blank .1, vehicles .6 and 1.1, and a sample of .6."""
    signals = {"B2": 0.1, "B3": 0.6, "B4": 1.1, "B5": 0.6}
    path = export(tmp_path / "p.csv", ("", signals))
    kinds = {"b": ("B2", "blank"), "v1": ("B3", "vehicle"), "v2": ("B4", "vehicle")}
    facts = [
        {"animal_id": "I1", "assay": "plate", "path": str(path), "specimen_id": s, "well": w}
        | {"role": role, "readout": "prol"}
        for s, (w, role) in (kinds | {"m": ("B5", "sample")}).items()
    ]
    table = measurements.tidy(file_rows(facts, Culture())[0], animal_id="I1", modality="culture")
    table.loc[table["specimen_id"] == hold, ["qc", "qc_reason"]] = ["hold", "looked odd"]
    joined = table.assign(batch="p", cue="", condition="", dose=np.nan, dose_unit="", replaces="")
    return normalise_cultures(joined, dictionary, exclusions)[0].set_index("specimen_id")


def test_wells_that_are_left_out_are_no_blank_and_no_vehicle(tmp_path, dictionary):
    out = percents(tmp_path, dictionary)
    assert out.at["m", "value"] == pytest.approx(100 * 0.5 / 0.75) and out.at["m", "qc"] == "pass"
    assert out["role"].to_dict() == {"b": "blank", "v1": "vehicle", "v2": "vehicle", "m": "sample"}
    rule = {"level": "specimen", "modality": "", "reason": "bubble"}
    for lost, value in (("v2", 100.0), ("v1", 50.0)):
        out = percents(tmp_path, dictionary, pd.DataFrame([rule | {"id": lost}]))
        assert out.at["m", "value"] == pytest.approx(value)
        assert percents(tmp_path, dictionary, hold=lost).at["m", "value"] == pytest.approx(value)
    out = percents(tmp_path, dictionary, pd.DataFrame([rule | {"id": "b"}]))
    assert out.at["m", "value"] == pytest.approx(100 * 0.6 / 0.85)
    assert out.at["m", "qc"] == "warn" and "nothing was subtracted" in out.at["m", "qc_reason"]
