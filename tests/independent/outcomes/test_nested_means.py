"""From fields to animals by plain loops over random nested studies: unequal numbers, failures,
exclusions, replacements.

Written from the interface of measurements and docs/outputs.md; nothing of the project but the
function itself is used.
"""

import math
import random
from statistics import fmean

import pandas as pd
import pytest

from periomics.outcomes.aggregate import aggregate
from periomics.study.dictionary import load_dictionary
from periomics.study.settings.outcomes import OutcomeRules

EMPTY = dict.fromkeys(
    ("roi", "variant", "condition", "dose_unit", "time_unit", "batch", "reader", "replaces"), ""
)
SIDE = {"modality": "histology", "source": "measured", "role": "sample", "method": "x", "cue": ""}


@pytest.fixture(scope="module")
def dictionary(pytestconfig):
    return load_dictionary(pytestconfig.rootpath / "resources/outcomes.tsv")


def measured(draw, place, parts):
    """A row: vessels per mm² with the counts behind them, or without."""
    area, count = draw.uniform(0.05, 0.6), draw.randrange(0, 60)
    own = (float(count), area) if parts else (math.nan, math.nan)
    qc = draw.choices(("pass", "warn", "hold", "fail"), (8, 2, 1, 1))[0]
    value = math.nan if qc == "fail" else count / area
    row = EMPTY | SIDE | {"outcome": "mvd", "unit": "1/mm2", "dose": math.nan, "time": math.nan}
    return row | dict(
        zip(("animal_id", "specimen_id", "section_id", "field_id"), place, strict=True),
        value=value,
        numerator=own[0],
        denominator=own[1],
        denominator_unit="mm2" if parts else "",
        qc=qc,
        qc_reason="" if qc in ("pass", "warn") else f"{qc} of {place[-2]}",
        level="field" if place[3] else "section",
    )


def drawn(seed):
    """Rows of 12 animals, and what the exclusions sheet leaves out."""
    draw, rows, out = random.Random(seed), [], []
    for a in range(12):
        parts = draw.random() < 0.6  # what a lab has of one animal it has of all its fields
        some = draw.random() < 0.2  # or of some only
        for b in range(draw.randint(1, 3)):
            block = f"A{a}-b{b}"
            for s in range(draw.randint(1, 3)):
                section = f"{block}-s{s}"
                fields = draw.randint(0, 4)
                for f in range(max(fields, 1)):
                    field = f"f{f}" if fields else ""
                    with_parts = parts and not (some and draw.random() < 0.3)
                    rows.append(measured(draw, (f"A{a}", block, section, field), with_parts))
                if draw.random() < 0.08:
                    out.append(("section", section))
        if draw.random() < 0.1:
            out.append(("specimen", f"A{a}-b0"))
        if draw.random() < 0.05:
            out.append(("animal", f"A{a}"))
        if draw.random() < 0.15:  # the first block was taken again
            for row in rows:
                if row["specimen_id"] == f"A{a}-b1":
                    row["replaces"] = f"A{a}-b0"
    return rows, out


def expected(rows, out):
    """Status and value of an animal."""
    gone = {r["replaces"] for r in rows} - {""}
    rows = [r for r in rows if r["specimen_id"] not in gone]
    columns = {"animal": "animal_id", "specimen": "specimen_id", "section": "section_id"}
    kept = [
        r
        for r in rows
        if r["qc"] != "hold" and not any(r[columns[level]] == name for level, name in out)
    ]
    if not kept:
        return "excluded", None
    good = [r for r in kept if r["qc"] != "fail"]
    if not good:
        return "failed", None
    # Fields are the finer level: where an animal has some, sections without fields add nothing.
    fields = [r for r in good if r["field_id"]]
    good = fields or good
    if all(not math.isnan(r["numerator"]) for r in good):
        return "measured", sum(r["numerator"] for r in good) / sum(r["denominator"] for r in good)
    blocks = {}
    for r in good:
        blocks.setdefault(r["specimen_id"], {}).setdefault(r["section_id"], []).append(r["value"])
    means = [fmean(fmean(values) for values in sections.values()) for sections in blocks.values()]
    return "measured", fmean(means)


@pytest.mark.parametrize("seed", range(12))
def test_every_animal_is_what_loops_over_its_rows_give(dictionary, seed):
    rows, out = drawn(seed)
    sheet = pd.DataFrame(
        [
            {"level": level, "id": name, "modality": "", "reason": "x", "blind": "yes"}
            for level, name in out
        ],
        columns=["level", "id", "modality", "reason", "blind"],
    )
    shuffled = random.Random(seed + 99).sample(rows, len(rows))
    table = aggregate(pd.DataFrame(shuffled), dictionary, sheet, OutcomeRules())
    assert len(table) == 12
    for animal in table.to_dict("records"):
        own = [r for r in rows if r["animal_id"] == animal["animal_id"]]
        status, value = expected(own, out)
        assert animal["status"] == status, animal
        assert animal["value"] == pytest.approx(math.nan if value is None else value, nan_ok=True)
        assert status == "measured" or animal["reason"]
