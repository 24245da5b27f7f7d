"""The scale of an outcome stands once: statistics, variances and linkage read the same function."""

import ast

from periomics.study import scale

LOGARITHMS = {"log", "log10", "log2", "logit"}


def scaling_functions(path):
    """Functions that choose by a scale's name and take a logarithm: a definition of `to_scale`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.FunctionDef):
            continue
        compared = {
            c.value
            for n in ast.walk(node)
            if isinstance(n, ast.Compare)
            for c in ast.walk(n)
            if isinstance(c, ast.Constant)
        }
        called = {getattr(n, "attr", getattr(n, "id", "")) for n in ast.walk(node)}
        if node.name == "to_scale" or (compared & {"log", "logit"} and called & LOGARITHMS):
            yield node.name


def test_one_function_takes_values_to_their_scale(root):
    scripts = root / "workflow/scripts"
    found = {
        (path.relative_to(scripts).as_posix(), name)
        for path in scripts.rglob("*.py")
        for name in scaling_functions(path)
    }
    assert found == {("periomics/study/scale.py", "to_scale")}


def test_the_search_finds_a_second_definition(tmp_path):
    copy = tmp_path / "again.py"
    copy.write_text(
        "import numpy as np\n\ndef onto(y, kind):\n    return np.log(y) if kind == 'log' else y\n",
        encoding="utf-8",
    )
    assert list(scaling_functions(copy)) == ["onto"]


def test_a_scale_applies_where_no_value_is_lost():
    for values, kind, holds in (
        ([0.0, 3.0], "count", False),
        ([1.0, 3.0], "log", True),
        ([float("nan"), 3.0], "log", True),
        ([0.0, 10.0], "identity", True),
    ):
        assert scale.applies(values, scale.to_scale(values, kind)[0]) is holds
