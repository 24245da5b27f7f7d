"""Freezing, unblinding and their record: what is written, when nothing is, and what is refused."""

import multiprocessing
from pathlib import Path

import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from periomics.core.errors import InputError, PeriomicsError
from periomics.study import claims_lock, frozen
from periomics.study.check.frozen import check_lock, declaration_problems
from periomics.study.dictionary import load_dictionary
from periomics.study.study import load_study

STATE = {"verdicts": "none", "key": "groups are not coded"}
ROLES = {"healthy": "CTRL", "disease": "DRUG", "treated": ["POST"]}
CLAIMS = {
    "alpha": 0.05,
    "margin": {"kind": "deficit", "value": 0.3},
    "domains": {"bone": "bvtv", "vessels": "mvd"},
    "directions": {"bvtv": "+"},
    "contrasts": {
        "C0": {"weights": {"healthy": 1, "disease": -1}},
        "C2": {"text": 'a "quoted"\ttext\n', "weights": {"POST": 1}},
    },
    "claims": [{"id": "C0", "kind": "gate"}, {"id": "C2", "kind": "superiority", "after": ["C0"]}],
}


def changed(**parts):
    return CLAIMS | parts


def frozen_at(*declarations):
    """Rows after one freeze a declaration."""
    rows = []
    for day, claims in enumerate(declarations, start=1):
        rows += frozen.freeze_entries(
            rows, frozen.items(claims, ROLES), STATE, f"2026-01-0{day}T00:00:00Z"
        )
    return rows


def test_the_first_freeze_writes_every_item():
    rows = frozen_at(CLAIMS)
    found = {r.item for r in rows}
    assert found == {
        "alpha",
        "margin",
        "domains/bone",
        "domains/vessels",
        "directions/bvtv",
        "contrasts/C0",
        "contrasts/C2",
        "claims/C0",
        "claims/C2",
        "roles",
        "state",
    }
    assert {r.event for r in rows} == {"frozen"}
    assert all(r.sha256 == claims_lock.digest(r.content) for r in rows)


def test_a_later_freeze_writes_only_what_changed():
    rows = frozen_at(CLAIMS, changed(margin={"kind": "deficit", "value": 0.2}, directions={}))
    later = [r for r in rows if r.event == "changed"]
    assert [(r.item, r.change) for r in later[:-1]] == [
        ("margin", "value changed from 0.3 to 0.2"),
        ("directions/bvtv", 'removed, was "+"'),
    ]
    assert later[-1].item == "state" and later[1].content == "" and later[1].sha256 == ""
    assert frozen.frozen_items(rows)["margin"] == {"kind": "deficit", "value": 0.2}
    assert frozen.frozen_items(rows, first=True) == frozen.items(CLAIMS, ROLES)


@pytest.mark.parametrize(
    "same",
    [
        CLAIMS,
        changed(alpha=0.050),
        changed(margin={"value": 0.3, "kind": "deficit"}),
        changed(secondary=None, composite={}),
    ],
    ids=["the same", "a number written differently", "keys in another order", "empty entries"],
)
def test_freezing_what_did_not_change_adds_nothing(same):
    assert len(frozen_at(CLAIMS, same)) == len(frozen_at(CLAIMS))


def test_the_order_of_claims_is_part_of_the_declaration():
    rows = frozen_at(CLAIMS, changed(claims=CLAIMS["claims"][::-1]))
    order = [r for r in rows if r.item == frozen.ORDER]
    assert [r.change for r in order] == ['changed from ["C0","C2"] to ["C2","C0"]']
    assert [c["id"] for c in frozen.rebuilt(frozen.frozen_items(rows))[0]["claims"]] == ["C2", "C0"]
    back = frozen_at(CLAIMS, changed(claims=CLAIMS["claims"][::-1]), CLAIMS)
    assert [c["id"] for c in frozen.rebuilt(frozen.frozen_items(back))[0]["claims"]] == ["C0", "C2"]


def test_a_claim_put_first_is_one_added_item_and_an_order():
    more = changed(claims=[{"id": "C9", "kind": "gate"}, *CLAIMS["claims"]])
    later = [r.item for r in frozen_at(CLAIMS, more) if r.event == "changed"]
    assert later == ["claims/C9", "order/claims", "state"]


NAMES = st.text("abcC0123456789_é", min_size=1, max_size=5)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda v: st.lists(v, max_size=3),
    max_leaves=4,
)


@given(
    st.dictionaries(
        NAMES,
        st.dictionaries(NAMES, VALUES.filter(lambda v: v is not None), min_size=1),
        max_size=4,
    ),
    st.lists(NAMES, unique=True, max_size=5),
)
def test_declared_claims_can_be_made_again_from_the_record(tables, ids):
    claims = tables | ({"claims": [{"id": i, "kind": "gate"} for i in ids]} if ids else {})
    rows = frozen.freeze_entries([], frozen.items(claims, ROLES), STATE, "2026-01-01T00:00:00Z")
    assert frozen.rebuilt(frozen.frozen_items(rows)) == ((claims, ROLES) if rows else ({}, {}))


def test_rows_survive_the_file(tmp_path):
    path, rows = tmp_path / "claims.lock.tsv", frozen_at(CLAIMS)
    assert claims_lock.append(path, lambda before: rows) == rows
    assert claims_lock.read_lock(path) == rows
    assert path.read_text(encoding="utf-8").count("\n") == len(rows) + 1
    before = path.stat()
    assert claims_lock.append(path, lambda before: []) == []
    assert path.stat() == before


def test_no_file_is_made_where_there_is_nothing_to_write(tmp_path):
    assert claims_lock.append(tmp_path / "claims.lock.tsv", lambda before: []) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("0.05", "0.1", "row 2, column sha256: the content does not fit its digest"),
        (
            "\tfrozen\talpha",
            "\tfrosen\talpha",
            "row 2, column event: unknown event - did you mean 'frozen'?",
        ),
        ("\tadded\t0.05", "\tadded", "row 2: a row was edited or cut"),
        ("when\tevent", "time\tevent", "row 1: is no lock of claims"),
    ],
)
def test_an_edited_record_is_noticed(tmp_path, old, new, words):
    path = tmp_path / "claims.lock.tsv"
    claims_lock.append(path, lambda before: frozen_at(CLAIMS))
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=r"claims\.lock\.tsv") as error:
        claims_lock.read_lock(path)
    assert words in str(error.value)


def _append_one(path, i):
    claims_lock.append(
        path,
        lambda before: [claims_lock.Entry("t", "frozen", f"i{i}.{len(before)}", "", "added", "")],
    )


def test_two_processes_that_append_at_once_lose_nothing(tmp_path):
    path = tmp_path / "claims.lock.tsv"
    context = multiprocessing.get_context("fork")
    work = [context.Process(target=_append_one, args=(path, i)) for i in range(12)]
    for process in work:
        process.start()
    for process in work:
        process.join()
    items = [e.item.split(".") for e in claims_lock.read_lock(path)]
    assert sorted(i for i, _ in items) == sorted(f"i{i}" for i in range(12))
    assert [int(n) for _, n in items] == list(range(12))  # each saw the rows of those before


def written(small):
    (small.folder / "claims.yaml").write_text(yaml.safe_dump(small.claims), encoding="utf-8")
    small.config["results_dir"] = str(small.folder / "results")
    return load_study(small.config, small.folder)


@pytest.fixture(scope="module")
def dictionary():
    return load_dictionary(Path(__file__).resolve().parents[3] / "resources/outcomes.tsv")


def test_claims_can_be_frozen_before_there_are_files(small, dictionary):
    for file in (small.folder / "raw").iterdir():
        file.unlink()
    assert declaration_problems(written(small), dictionary) == []


@pytest.mark.parametrize(
    ("breaks", "words"),
    [
        (
            lambda s: s.claims["contrasts"]["C2"]["weights"].update(POST=2),
            "weights must sum to zero",
        ),
        (
            lambda s: s.claims["contrasts"]["C2"].update(weights={"PSOT": 1, "disease": -1}),
            "did you mean 'POST'?",
        ),
        (
            lambda s: s.config["roles"].update(healthy="CTLR"),
            "no animal is in arm CTLR - did you mean 'CTRL'?",
        ),
        (lambda s: s.config.update(claims=None), "there are no claims to be frozen"),
        (lambda s: s.config.update(claims="clams.yaml"), "file does not exist"),
        (lambda s: s.claims.update(state={"a": 1}), "this name is taken by the lock of claims"),
    ],
)
def test_claims_with_slips_are_not_frozen(small, dictionary, breaks, words):
    breaks(small)
    found = declaration_problems(written(small), dictionary)
    assert any(words in p.message for p in found), found


def test_the_check_notices_an_edited_record(small):
    study = written(small)
    assert check_lock(study) == []
    (small.folder / "claims.lock.tsv").write_text("nonsense\n", encoding="utf-8")
    text, usable = small.check()
    assert not usable and "claims.lock.tsv, row 1: is no lock of claims" in text


VERDICTS = pd.DataFrame(
    {
        "claim_id": ["C0"],
        "outcome": ["bvtv"],
        "verdict": ["supported"],
        "estimate": [1.5],
        "lower": [0.5],
        "upper": [float("nan")],
    }
)


def freeze(study):
    return frozen.freeze_entries(
        [], frozen.declared_items(study), frozen.state_of(study), "2026-01-01T00:00:00Z"
    )


def test_unblinding_records_inputs_and_verdicts_once(small):
    small.sheet("sections", "raw/R1.geojson", "raw/gone.geojson")
    study = written(small)
    rows = freeze(study)
    added = frozen.unblind_entries(rows, study, VERDICTS, "2026-02-01T00:00:00Z")
    items = {e.item: e for e in added}
    assert {
        "sheets/animals",
        "sheets/scans",
        "config/microct",
        "config/seed",
        "claims",
        "annotations/raw/R2.geojson",
    } <= set(items)
    assert items["annotations/raw/gone.geojson"].sha256 == "not there"
    assert not {"config/results_dir", "config/roles"} & set(items)
    assert items["verdicts/C0/bvtv"].value == VERDICTS.iloc[0].to_dict() | {"upper": None}
    assert frozen.unblind_entries([*rows, *added], study, VERDICTS, "2026-03-01T00:00:00Z") == []
    assert frozen.unblinded([*rows, *added]) == "2026-02-01T00:00:00Z"
    assert frozen.inputs_changed([*rows, *added], study) == []


def test_what_changed_after_unblinding_is_named(small):
    study = written(small)
    rows = [
        *freeze(study),
        *frozen.unblind_entries(freeze(study), study, VERDICTS, "2026-02-01T00:00:00Z"),
    ]
    small.sheet("animals", "\tday1\t", "\tday9\t")
    small.config["microct"]["bone_threshold"] = 110
    (small.folder / "raw/R3.geojson").unlink()
    small.config["sheets"]["exclusions"] = "exclusions.tsv"
    (small.folder / "exclusions.tsv").write_text(
        "level\tid\treason\tdate\tby\tblind\n", encoding="utf-8"
    )
    found = {c.item: c.words for c in frozen.inputs_changed(rows, written(small))}
    assert found["config/microct"] == "bone_threshold changed from 100 to 110"
    assert (
        found["annotations/raw/R3.geojson"] == "removed" and found["sheets/exclusions"] == "added"
    )
    assert found["sheets/animals"].startswith("the content changed")
    assert set(found) == {
        "config/microct",
        "config/sheets",
        "annotations/raw/R3.geojson",
        "sheets/exclusions",
        "sheets/animals",
    }


def test_unblinding_needs_frozen_claims_and_verdicts(small):
    study = written(small)
    with pytest.raises(PeriomicsError, match="never frozen"):
        frozen.unblind_entries([], study, VERDICTS, "t")
    with pytest.raises(PeriomicsError, match="no verdict yet"):
        frozen.unblind_entries(freeze(study), study, VERDICTS.iloc[:0], "t")
