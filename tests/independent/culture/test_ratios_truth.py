"""Relative amounts: cycles that a known number of copies needs, and bands of known loading."""

import numpy as np
import pytest

from periomics.core.errors import InputError
from periomics.culture.measure import measure_culture
from periomics.study.settings.culture import Culture

EFFICIENCY = {"LAMB3": 1.92, "RPLP0": 1.98, "HPRT1": 2.04}


def cycles(copies, gene):
    """Cq where a threshold of 1e10 copies is reached."""
    return np.log(1e10 / copies) / np.log(EFFICIENCY[gene])


def cycler(path, samples, efficiency=True, more=()):
    lines = ["sample,target,cq" + (",efficiency" if efficiency else "")]
    for sample, copies in samples.items():
        for gene, n in copies.items():
            for shift in (-0.05, 0.05):
                cell = f",{EFFICIENCY[gene]}" if efficiency else ""
                lines.append(f"{sample},{gene},{cycles(n, gene) + shift:.6f}{cell}")
    path.write_text("\n".join([*lines, *more]) + "\n", encoding="utf-8")
    return str(path)


def facts(assay, path, rows):
    keys = {"assay": assay, "path": path, "animal_id": "I1", "readout": "own", "target": "LAMB3"}
    keys["over"] = "RPLP0|HPRT1" if assay == "qpcr" else "ACTB"
    return [keys | {"specimen_id": s, "role": role} | more for s, role, more in rows]


def measured(rows):
    table, *_ = measure_culture(rows, Culture())
    return table.set_index("specimen_id")


def test_copies_come_back_whatever_the_efficiencies(tmp_path):
    """A sample with 8 times the target and half of the input has 8 times the expression of the other."""
    samples = {
        "v": {"LAMB3": 1e3, "RPLP0": 1e5, "HPRT1": 1e4},
        "m": {"LAMB3": 4e3, "RPLP0": 5e4, "HPRT1": 5e3},
    }
    path = cycler(tmp_path / "cq.csv", samples)
    out = measured(facts("qpcr", path, [("v", "vehicle", {}), ("m", "sample", {})]))
    # By hand: copies over the geometric mean of the references; the noise of ±.05 cycles cancels.
    assert out.at["m", "value"] / out.at["v", "value"] == pytest.approx(8, rel=1e-4)
    assert set(out["qc"]) == {"pass"} and set(out["unit"]) == {"ratio"}


def test_what_spoils_a_relative_expression_is_told(tmp_path):
    samples = {"m": {"LAMB3": 4e3, "RPLP0": 5e4, "HPRT1": 5e3}}
    path = cycler(tmp_path / "a.csv", samples, efficiency=False)
    out = measured(facts("qpcr", path, [("m", "sample", {"over": "RPLP0"})]))
    assert "one reference gene only" in out.at["m", "qc_reason"]
    assert "efficiency of LAMB3 taken as 2" in out.at["m", "qc_reason"]
    path = cycler(tmp_path / "b.csv", samples, more=["m,LAMB3,Undetermined,1.92"])
    lost = measured(facts("qpcr", path, [("m", "sample", {})])).loc["m"]
    assert lost["qc"] == "fail" and "1 of 3 Cq of LAMB3 not determined" in lost["qc_reason"]
    near = f"ntc,LAMB3,{cycles(4e3, 'LAMB3') + 3:.2f},1.92"
    path = cycler(tmp_path / "c.csv", samples, more=[near, "m,HPRT1,29.0,2.04"])
    rows = facts("qpcr", path, [("m", "sample", {}), ("w", "blank", {"sample": "ntc"})])
    out = measured(rows)
    assert list(out.index) == ["m"] and "LAMB3 without template" in out.at["m", "qc_reason"]
    assert "Cq of HPRT1 differ" in out.at["m", "qc_reason"]


BLOT = """sample;target;volume;background;saturated;membrane
v;LAMB3;1200,5;200,5;;1
v;ACTB;5500;500;;1
m;LAMB3;3200;200;no;1
m;ACTB;4500;500;;1
v2;LAMB3;700;100;;2
v2;ACTB;3100;100;;2
m2;LAMB3;1000;100;yes;2
m2;ACTB;3100;100;;2
x;LAMB3;90;100;;2
x;ACTB;3100;100;;2
"""


def test_bands_over_their_loading_and_the_vehicle_of_the_same_membrane(tmp_path):
    (tmp_path / "blot.csv").write_text(BLOT, encoding="utf-8")
    rows = [("v", "vehicle", {}), ("m", "sample", {}), ("v2", "vehicle", {})]
    rows += [("m2", "sample", {}), ("x", "sample", {})]
    out = measured(facts("western", str(tmp_path / "blot.csv"), rows))
    # m: (3000 / 4000) / (1000 / 5000) = 3.75; m2: (900 / 3000) / (600 / 3000) = 1.5, saturated.
    assert out.at["m", "value"] == pytest.approx(3.75) and out.at["v", "value"] == 1
    assert out.at["m2", "value"] == pytest.approx(1.5) and out.at["m2", "qc"] == "hold"
    assert "saturated on membrane 2: m2 LAMB3" in out.at["m2", "qc_reason"]
    assert out.at["m", "qc"] == "pass" and out.at["x", "qc"] == "fail"
    assert "not above its background" in out.at["x", "qc_reason"]
    alone = measured(facts("western", str(tmp_path / "blot.csv"), [("m", "sample", {})]))
    assert "no lane of a vehicle or control" in alone.at["m", "qc_reason"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sample,target,ct\nm,LAMB3,20\n", "lacks the column cq"),
        ("sample,target,cq\nm,LAMB3,high\n", "not a number from 0"),
        ("sample,target,cq,efficiency\nm,LAMB3,20,95\n", "no efficiency"),
        ("sample,target,cq\nk,LAMB3,20\n", "no sample 'm'"),
        ("sample,target,cq\nm,LAMB3,20\n", "no target 'RPLP0'"),
    ],
)
def test_tables_that_lack_something_are_refused(tmp_path, text, words):
    (tmp_path / "cq.csv").write_text(text, encoding="utf-8")
    rows = facts("qpcr", str(tmp_path / "cq.csv"), [("m", "sample", {})])
    with pytest.raises(InputError, match=words):
        measure_culture(rows, Culture(), "stop")
