"""How the tests themselves are written: an error is named by its message, text of another program has an encoding."""

import ast
from collections import Counter
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[2]
READS_TEXT = ("text", "universal_newlines")


def careless(text: str) -> list[str]:
    """Calls that check less than they seem to, or that read text as the locale of the machine says."""
    out = []
    for call in (n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Call)):
        name = ast.unparse(call.func).rpartition(".")[2]
        words = {k.arg: k.value for k in call.keywords}
        if name == "raises" and "match" not in words:
            out.append(f"line {call.lineno}: raises without match")
        if any(w in words for w in READS_TEXT) and "encoding" not in words:
            out.append(f"line {call.lineno}: text of a child without encoding")
        # The library's own write_text(path, text) is UTF-8 by itself.
        method = isinstance(call.func, ast.Attribute) and name in ("read_text", "write_text")
        if method and "encoding" not in words:
            out.append(f"line {call.lineno}: {name} without encoding")
    return out


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("with pytest.raises(ValueError): pass", "raises without match"),
        ("subprocess.run(['x'], text=True)", "text of a child"),
        ("Popen(['x'], universal_newlines=True)", "text of a child"),
        ("path.read_text()", "read_text without encoding"),
        ("path.write_text('a')", "write_text without encoding"),
    ],
)
def test_careless_calls_are_seen(text, found):
    assert found in " ".join(careless(text))


def test_careful_calls_pass():
    text = (
        "with pytest.raises(ValueError, match='a'): pass\n"
        "subprocess.run(['x'], text=True, encoding='utf-8')\n"
        "subprocess.run(['x'])\npath.read_text(encoding='utf-8')\nwrite_text(path, 'a')\n"
    )
    assert careless(text) == []


def test_no_test_is_careless():
    files = sorted(TESTS.rglob("*.py"))
    assert len(files) > 100
    found = {
        f.relative_to(TESTS).as_posix(): c
        for f in files
        if (c := careless(f.read_text(encoding="utf-8")))
    }
    assert found == {}


def test_files_of_tests_have_names_of_their_own():
    """Two of one name in different folders are collected apart, and not together."""
    names = Counter(path.name for path in TESTS.rglob("test_*.py"))
    assert [name for name, times in names.items() if times > 1] == []
