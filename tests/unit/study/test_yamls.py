"""YAML that people write: equal keys, tabs, nesting and aliases each give one clear line, and none hangs."""

import time

import pytest

from periomics.core.yamls import parse, read_mapping

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9)
)
BROKEN = {
    "a key twice": (
        "a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n",
        "x.yaml, column b/c: the key stands twice, in lines 3 and 5 (found 'c'); "
        "allowed: each key once",
    ),
    "a key twice at the top": (
        "a: 1\nb: 2\na: 3\n",
        "x.yaml, column a: the key stands twice, in lines 1 and 3 (found 'a'); "
        "allowed: each key once",
    ),
    "a key twice in a flow mapping of a list": (
        "- {id: A, id: B}\n",
        "x.yaml, column id: the key stands twice, in lines 1 and 1 (found 'id'); "
        "allowed: each key once",
    ),
    "a tab": (
        "a:\n\tb: 1\n",
        "x.yaml: is not valid YAML in line 2: a tab stands where only spaces may (found '\\t'); "
        "allowed: spaces",
    ),
    "nested 5,000 deep": (
        "a: " + "[" * 5000 + "]" * 5000,
        "x.yaml: is nested more than 50 levels deep in line 1; allowed: at most 50 levels",
    ),
    "an alias bomb": (
        BOMB,
        "x.yaml: aliases repeat more than 10,000 values by line 5 (found '*a3'); "
        "allowed: the values written out",
    ),
    "an alias to itself": (
        "a: &a\n  b: *a\n",
        "x.yaml: refers to itself by an alias in line 2 (found '*a'); "
        "allowed: no alias to a part around it",
    ),
    "an open bracket": (
        "a: 1\nb: [1,\n",
        "x.yaml: is not valid YAML in line 3: while parsing a flow node, expected the node "
        "content, but found '<stream end>'",
    ),
    "an alias to nothing": (
        "a: *b\n",
        "x.yaml: is not valid YAML in line 1: found undefined alias 'b'",
    ),
    "a python object": (
        "a: !!python/object/apply:os.system [ls]\n",
        "x.yaml: is not valid YAML in line 1: could not determine a constructor for the tag "
        "'tag:yaml.org,2002:python/object/apply:os.system'",
    ),
    "a day that does not exist": (
        "a: 2024-02-31\n",
        "x.yaml: is not valid YAML: day is out of range for month",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_yaml_is_explained_in_one_line(name):
    text, line = BROKEN[name]
    started = time.monotonic()
    _, problems = parse(text, "x.yaml")
    assert [p.describe() for p in problems] == [line]
    assert time.monotonic() - started < 5


def test_sound_yaml_is_read_as_it_stands():
    text = "base: &b {x: 1, y: [1, 2]}\nmore:\n  <<: *b\n  x: 2\nlist: [{id: A}, {id: B}]\n"
    value, problems = parse(text, "x.yaml")
    assert problems == []
    assert value["more"] == {"x": 2, "y": [1, 2]}
    assert value["list"] == [{"id": "A"}, {"id": "B"}]


@pytest.mark.parametrize(
    ("text", "found"), [("- a\n", "a list"), ("word\n", "a single value"), ("", "nothing")]
)
def test_a_file_that_holds_no_mapping_is_refused(tmp_path, text, found):
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    value, problems = read_mapping(tmp_path / "config.yaml", "config.yaml")
    message = "config.yaml: must be a mapping of keys to values (key: value)"
    assert value == {}
    assert [p.describe() for p in problems] == [f"{message} (found {found!r})"]


def test_a_pipe_and_a_folder_are_refused_without_waiting(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe.yaml")
    for name, what in (("pipe.yaml", "is a device or pipe"), ("", "is a folder")):
        _, problems = read_mapping(tmp_path / name, "x.yaml")
        assert [p.message for p in problems] == [f"{what}, not a file"]
