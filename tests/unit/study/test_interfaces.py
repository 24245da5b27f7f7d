"""The interface tables: measurements, result files, seeds, dictionary, digests."""

import ast
import math
import pkgutil
from importlib import import_module

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from periomics.core.code import code_digest, reached, scripts_folder
from periomics.core.errors import InputError, PeriomicsError
from periomics.core.files import atomic, sha256
from periomics.core.results import read_result, write_result
from periomics.core.seeds import derive_seed, generator
from periomics.study import interface, measurements
from periomics.study.dictionary import entry, load_dictionary

ROW = {
    "specimen_id": "R1-ct",
    "animal_id": "R1",
    "modality": "microct",
    "outcome": "bvtv",
    "value": 40.0,
    "unit": "%",
    "numerator": 4.0,
    "denominator": 10.0,
    "denominator_unit": "mm3",
    "level": "specimen",
}


def test_measurements_have_all_columns_in_order():
    df = measurements.tidy([ROW])
    assert tuple(df.columns) == measurements.COLUMNS
    assert (
        df.loc[0, "qc"] == "pass"
        and df.loc[0, "source"] == "measured"
        and df.loc[0, "variant"] == ""
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"level": "slide"}, "column level"),
        ({"role": "treated"}, "column role"),
        ({"value": math.inf}, "infinite"),
        ({"qc": "fail"}, "qc_reason"),
        ({"colour": "red"}, "unknown columns"),
    ],
)
def test_measurements_refuse_what_breaks_the_interface(change, words):
    with pytest.raises(PeriomicsError, match=words):
        measurements.tidy([{**ROW, **change}])


def test_measurements_refuse_a_duplicate_key():
    with pytest.raises(PeriomicsError, match="share a key"):
        measurements.concatenate(
            [measurements.tidy([ROW]), measurements.tidy([{**ROW, "value": 1.0}])]
        )


def test_concatenation_does_not_depend_on_the_order_of_jobs():
    a, b = measurements.tidy([ROW]), measurements.tidy([{**ROW, "specimen_id": "R0-ct"}])
    pd.testing.assert_frame_equal(
        measurements.concatenate([a, b]), measurements.concatenate([b, a])
    )


def test_failed_specimens_say_why():
    df = measurements.failed(
        ["bvtv", "tbth"],
        "no implant\nfound",
        specimen_id="R1-ct",
        animal_id="R1",
        modality="microct",
        level="specimen",
    )
    assert list(df["qc"]) == ["fail", "fail"]
    assert set(df["qc_reason"]) == {"no implant found"}
    assert df["value"].isna().all()


@given(
    st.lists(
        st.just(float("nan")) | st.floats(allow_infinity=False, min_value=-1e300, max_value=1e300),
        min_size=1,
        max_size=20,
    )
)
def test_result_tables_keep_ten_digits_and_missing_stays_missing(values):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.tsv"
        df = pd.DataFrame({"animal_id": [f"00{i}" for i in range(len(values))], "value": values})
        write_result(df, path)
        back = read_result(path)
        assert list(back["animal_id"]) == list(df["animal_id"])
        np.testing.assert_allclose(
            back["value"].to_numpy(float), df["value"].to_numpy(float), rtol=1e-9, atol=0
        )
        assert b"\r" not in path.read_bytes()


def test_a_failing_writer_leaves_nothing_behind(tmp_path):
    with pytest.raises(RuntimeError, match="cut off"), atomic(tmp_path / "out.tsv") as part:
        part.write_text("half", encoding="utf-8")
        raise RuntimeError("cut off")
    assert list(tmp_path.iterdir()) == []


def test_seeds_are_fixed_across_machines_and_differ_by_specimen():
    assert derive_seed(1, "simulate_microct", "R01-ct") == 6670170230865224108
    draws = {generator(1, "rule", s).integers(2**62) for s in ("a", "b", "ab", "")}
    assert len(draws) == 4


def test_folder_digest_sees_names_and_contents(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1").write_text("x", encoding="utf-8")
    first = sha256(tmp_path / "a")
    (tmp_path / "a" / "1").rename(tmp_path / "a" / "2")
    assert sha256(tmp_path / "a") != first


def test_dictionary_is_valid_and_scores_share_an_entry(root):
    dictionary = load_dictionary(root / "resources/outcomes.tsv")
    assert entry(dictionary, "bvtv")["unit"] == "%"
    score = entry(dictionary, "score:signature:EPI_hemidesmosome@basal")
    assert (score["domain"], score["modality"]) == ("score", "singlecell")
    with pytest.raises(InputError, match="did you mean 'bvtv'"):
        entry(dictionary, "bvtw")


def test_digest_follows_imports_only(tmp_path):
    stem = "study/check_study"
    names = {
        p.relative_to(scripts_folder()).as_posix() for p in reached(scripts_folder() / f"{stem}.py")
    }
    assert "periomics/study/check/claims.py" in names
    assert "periomics/report/__init__.py" not in names
    assert code_digest(stem).startswith(f"{stem}@")


def texts(source):
    """Tuples and lists of text in a source, with their lines."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Tuple | ast.List):
            values = [e.value for e in node.elts if isinstance(e, ast.Constant)]
            if len(values) == len(node.elts) and all(isinstance(v, str) for v in values):
                yield node.lineno, values


def shared_columns():
    """Every list of columns of the interface, by module and name."""
    for found in pkgutil.iter_modules(interface.__path__):
        module = import_module(f"{interface.__name__}.{found.name}")
        for name, value in vars(module).items():
            if name.endswith("COLUMNS"):
                yield f"{found.name}.{name}", value


def written_again(source):
    """Lists of a source that repeat six columns or more of a shared list, or a whole shorter one, and little else."""
    return [
        (line, name)
        for line, values in texts(source)
        for name, columns in shared_columns()
        if len(set(values) & set(columns)) >= max(min(6, len(columns)), 0.8 * len(values))
    ]


def test_columns_that_area_and_report_share_are_written_once(root):
    library = root / "workflow/scripts/periomics"
    assert len(list(shared_columns())) >= 3
    again = {
        str(path): found
        for path in sorted(library.rglob("*.py"))
        if "interface" not in path.parts
        and (found := written_again(path.read_text(encoding="utf-8")))
    }
    assert not again


# A list of six columns or fewer may be any other.
@pytest.mark.parametrize("name", [name for name, c in shared_columns() if len(c) > 6])
def test_a_list_that_repeats_shared_columns_is_found(name):
    columns = list(dict(shared_columns())[name])
    assert (1, name) in written_again(f"MINE = {columns!r}")
    if len(columns) > 6:
        assert written_again(f"MINE = {[*columns[:-1], 'other']!r}") == [(1, name)]
    assert not written_again(f"MINE = {columns[:3]!r}")
