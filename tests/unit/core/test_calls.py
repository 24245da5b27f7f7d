"""Calls can be read: seven or more values without their names are a riddle, and a swap of two of them is silent."""

import ast


def long_calls(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and len(node.args) >= 7:
            yield node.lineno, ast.unparse(node.func)


def test_no_call_has_seven_values_without_names(root):
    found = [
        (path.relative_to(root).as_posix(), *call)
        for path in (root / "workflow").rglob("*.py")
        for call in long_calls(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not found


def test_the_search_finds_one():
    assert list(long_calls(ast.parse("f(1, 2, 3, 4, 5, 6, 7)\nf(1, b=2)"))) == [(1, "f")]


def split_analyses(tree):
    """Functions that take a plan, its animals and the dictionary one by one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            names = {a.arg for a in (*node.args.args, *node.args.kwonlyargs)}
            if {"plan", "dictionary"} <= names and names & {"prepared", "animals", "rows", "part"}:
                yield node.name


def test_plan_animals_and_dictionary_travel_as_one(root):
    found = [
        (path.name, name)
        for path in (root / "workflow").rglob("*.py")
        for name in split_analyses(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not found, "take statistics.claims.analysis.Analysis"


def test_the_search_finds_a_split_analysis():
    code = "def f(plan, prepared, dictionary): ...\ndef g(plan, *, dictionary): ..."
    assert list(split_analyses(ast.parse(code))) == ["f"]
