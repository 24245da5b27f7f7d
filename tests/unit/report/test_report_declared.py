"""What the report says of freezing, unblinding and the key, in every state that a study can be in."""

import json

import pytest

from periomics.report.declared import declared, methods_sentence
from periomics.report.page import environment
from periomics.report.sources import sources
from periomics.statistics.claims.deviations import COLUMNS
from periomics.study.claims_lock import Entry, append, canonical, digest
from periomics.study.frozen import freeze_entries

BEFORE, AFTER = "2026-01-05T10:20:30Z", "2026-02-06T11:21:31Z"
HOSTILE = "<script>alert(1)</script>"


def study(tmp_path, *, codes=(), key=False, state=None, amended=False, unblinded=False, rows=()):
    """Sources of a study in some state."""
    record = {"config": {"blinding": {"codes": list(codes), "key": "key.tsv"}}}
    (tmp_path / "run.json").write_text(json.dumps(record), encoding="utf-8")
    (tmp_path / "deviations.tsv").write_text(
        "\n".join("\t".join(r) for r in (COLUMNS, *rows)) + "\n", encoding="utf-8"
    )
    inputs = {"record": str(tmp_path / "run.json"), "deviations": str(tmp_path / "deviations.tsv")}
    if key:
        (tmp_path / "key.tsv").write_text("code\tarm\nA\tx\n", encoding="utf-8")
        inputs["key"] = str(tmp_path / "key.tsv")
    entries = (
        freeze_entries(
            [], {"alpha": 0.05, "claims/C0": {"id": "C0", "text": HOSTILE}}, state, BEFORE
        )
        if state
        else []
    )
    if amended:
        entries += freeze_entries(
            entries, {"alpha": 0.1, "claims/C0": {"id": "C0", "text": HOSTILE}}, state, AFTER
        )
    if unblinded:
        entries += [
            Entry(AFTER, "unblinded", i, digest("x"), "recorded", canonical("x"))
            for i in ("key", "sheets/animals", "verdicts/a/b")
        ]
    if entries:
        append(tmp_path / "claims.lock.tsv", lambda before: entries)
        inputs["lock"] = str(tmp_path / "claims.lock.tsv")
    return sources(inputs, tmp_path)


OPEN = {"verdicts": "none", "key": "groups are not coded"}
STATES = {
    "never frozen": ({}, "Claims were not frozen before data", True),
    "frozen": ({"state": OPEN}, ", before there was any verdict in the results folder", False),
    "frozen late": (
        {"state": OPEN | {"verdicts": "existed"}},
        ", when verdicts already existed",
        True,
    ),
    "coded": (
        {"state": OPEN | {"key": "not opened"}, "codes": "AB"},
        "before the key was opened; key not opened: groups are coded (A, B) and no claim is judged",
        False,
    ),
    "opened": (
        {"state": OPEN | {"key": "not opened"}, "codes": "AB", "key": True, "unblinded": True},
        ", before the key was opened; key opened 2026-02-06 11:21 UTC",
        False,
    ),
    "opened, not recorded": (
        {"state": OPEN | {"key": "not opened"}, "codes": "AB", "key": True},
        "key opened, at a time that was not recorded",
        False,
    ),
    "frozen after the key": (
        {"state": OPEN | {"key": "opened"}, "codes": "AB", "key": True},
        ", after the key was opened",
        True,
    ),
}


@pytest.mark.parametrize(("state", "line", "warns"), STATES.values(), ids=list(STATES))
def test_the_line_says_how_it_stands(tmp_path, state, line, warns):
    found = declared(study(tmp_path, **state))
    assert line in found.line and found.sentences[0][1] is warns
    assert line.split("; ")[-1].lower() in methods_sentence(sources_of(tmp_path)).lower()


def sources_of(tmp_path):
    names = {
        "record": "run.json",
        "deviations": "deviations.tsv",
        "key": "key.tsv",
        "lock": "claims.lock.tsv",
    }
    return sources(
        {n: str(tmp_path / f) for n, f in names.items() if (tmp_path / f).is_file()}, tmp_path
    )


def test_time_and_digest_of_the_freeze_are_shown(tmp_path):
    first = declared(study(tmp_path, state=OPEN)).sentences[0][0]
    expected = digest(canonical({"alpha": 0.05, "claims/C0": {"id": "C0", "text": HOSTILE}}))[:12]
    assert first.startswith(f"Claims frozen 2026-01-05 10:20 UTC (digest {expected})")


def test_amendments_and_what_was_unblinded_are_said(tmp_path):
    found = declared(study(tmp_path, state=OPEN, amended=True, unblinded=True))
    said = [s for s, _ in found.sentences]
    assert "Amended 2026-02-06 11:21 UTC: alpha." in said
    assert (
        "Unblinded 2026-02-06 11:21 UTC: digests of 2 sheets, settings and files were recorded, and the verdicts."
        in said
    )
    assert [r[2] for r in found.history.rows][:3] == ["alpha", "claims/C0", "alpha"]


def test_deviations_stand_with_their_effect(tmp_path):
    row = (
        AFTER,
        "amended",
        "margin",
        "value changed from 0.3 to 0.2",
        "C2",
        "bvtv",
        "refuted",
        "supported",
        "the verdict differs",
    )
    found = declared(study(tmp_path, state=OPEN, rows=[row]))
    assert list(found.deviations.rows[0]) == ["2026-02-06 11:21 UTC", *row[1:]]
    assert "1 later change listed" in methods_sentence(sources_of(tmp_path))
    assert declared(sources({}, tmp_path)).deviations.reason.startswith("Nothing was frozen")


def test_the_section_escapes_what_users_write(tmp_path):
    found = declared(
        study(
            tmp_path,
            state=OPEN,
            rows=[("", "amended", HOSTILE, "", "", "", "", "", "no verdict changes")],
        )
    )
    template = '{% from "macros.html.j2" import table %}{% include "declared.html.j2" %}'
    page = environment().from_string(template).render(declared=found)
    assert "<script>" not in page and "&lt;script&gt;" in page and 'id="declared"' in page
