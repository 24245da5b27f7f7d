"""The digest of a script: what a module does counts, how it is written does not."""

import pytest

from periomics.core import code

BEFORE = '"""What it is."""\n\n\ndef f(x):\n    """Twice."""\n    return 2 * x\n'


@pytest.fixture
def digest(tmp_path, monkeypatch):
    """Digest of a script of one area whose text is given."""
    monkeypatch.setattr(code, "scripts_folder", lambda: tmp_path)
    monkeypatch.chdir(tmp_path)
    code._store.cache_clear()

    def of(text, name="a.py"):
        for cached in (code._read, code._kept, code.reached):
            cached.cache_clear()
        code.script_digest.cache_clear()
        (tmp_path / name).write_text(text, encoding="utf-8")
        return code.script_digest("a")

    return of


@pytest.mark.parametrize(
    "same",
    [
        BEFORE + "# a remark\n",
        BEFORE.replace("Twice.", "Two times, in other words."),
        BEFORE.replace("What it is.", ""),
        BEFORE.replace("2 * x", "(\n        2  # a factor\n        * x\n    )"),
    ],
)
def test_comments_docstrings_and_line_breaks_do_not_count(digest, same):
    assert digest(BEFORE) == digest(same)


@pytest.mark.parametrize(
    "other",
    [
        BEFORE.replace("2 * x", "3 * x"),
        BEFORE.replace("2 * x", "'2' * x"),
        BEFORE.replace("(x)", "(x=1)"),
        BEFORE + "LATER = 1\n",
    ],
)
def test_what_a_module_does_counts(digest, other):
    assert digest(BEFORE) != digest(other)


def test_a_string_that_is_no_docstring_counts(digest):
    text = "def f():\n    return {!r}\n"
    assert digest(text.format("a")) != digest(text.format("b"))


def test_what_was_read_is_kept_for_the_next_process_by_content(digest, tmp_path, monkeypatch):
    (tmp_path / ".snakemake").mkdir()
    first = digest(BEFORE)
    assert list((tmp_path / ".snakemake").glob("code-*.json"))
    with monkeypatch.context() as without_parser:
        without_parser.setattr(code.ast, "parse", lambda text: pytest.fail("read again"))
        assert digest(BEFORE) == first
    assert digest(BEFORE.replace("2 * x", "3 * x")) != first


def test_a_damaged_store_is_read_past(digest, tmp_path):
    (tmp_path / ".snakemake").mkdir()
    first = digest(BEFORE)
    (file,) = (tmp_path / ".snakemake").glob("code-*.json")
    file.write_text("{", encoding="utf-8")
    assert digest(BEFORE) == first
