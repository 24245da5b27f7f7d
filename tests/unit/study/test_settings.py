"""Every setting, its default and its limits stand once: in periomics/study/settings."""

import ast
import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest
from pydantic import BaseModel

import periomics.study.settings as package
from periomics.core.errors import InputError
from periomics.study.config import Config, check_config
from periomics.study.settings.culture import Culture
from periomics.study.settings.histology import Histology
from periomics.study.settings.microct import Microct
from periomics.study.settings.planning import Planning
from periomics.study.settings.section import Section, inner_model

LIBRARY = Path(package.__file__).parents[2]


def sections():
    """Every section that the configuration reaches."""
    found, todo = set(), [Config]
    while todo:
        model = todo.pop()
        if model in found:
            continue
        found.add(model)
        inner = [inner_model(f.annotation) for f in model.model_fields.values()]
        todo += [m for m in inner if m is not None]
    return found


def defaults_in(tree):
    """(class, names that a class gives a default) of a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            given = {
                a.target.id
                for a in node.body
                if isinstance(a, ast.AnnAssign)
                and isinstance(a.target, ast.Name)
                and a.value is not None
                and not (isinstance(a.value, ast.Constant) and a.value.value is None)
            }
            yield node.name, given


def test_no_class_repeats_the_defaults_of_a_section():
    fields = {m.__name__: set(m.model_fields) for m in sections() if m is not Config}
    twice = [
        (path.name, name, section, sorted(given & known))
        for path in LIBRARY.rglob("*.py")
        if not path.is_relative_to(LIBRARY / "study")
        for name, given in defaults_in(ast.parse(path.read_text(encoding="utf-8")))
        for section, known in fields.items()
        if len(given & known) >= 2
    ]
    assert not twice


def test_every_model_of_a_settings_module_is_part_of_the_configuration():
    reached = sections()
    for info in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        module = importlib.import_module(info.name)
        own = {
            m
            for _, m in inspect.getmembers(module, inspect.isclass)
            if issubclass(m, BaseModel) and m.__module__ == info.name and m is not Section
        }
        bases = {b for m in reached for b in m.__mro__}
        assert own <= reached | bases, info.name


@pytest.mark.parametrize(
    ("model", "values", "where", "text"),
    [
        (Culture, {"closur_h": 3}, "culture", "culture/closur_h: unknown key - did you mean"),
        (Culture, {"closure_h": -1}, "culture", "culture/closure_h: input should be greater"),
        (Culture, {"pixel_size": "unknown"}, "culture", "culture/window_px: is needed where"),
        (Culture, {"closure_h": True}, "culture", "culture/closure_h: is yes or no"),
        (Planning, {"n": [6, True]}, "planning", "planning/n: is yes or no"),
        (Planning, {"effect_of": {"bvtv": False}}, "planning", "effect_of: is yes or no"),
        (Planning, {"n": [2, 9]}, "planning", "planning/n: must rise from at least 3"),
        (Microct, {"bone_threshold": 3}, "microct", "microct/implant_threshold: this key is need"),
        (
            Histology,
            {"stains": {"CD31": {"detector": "vessel"}}},
            "histology",
            "histology/stains/CD31/detector: unknown detector - did you mean 'vessels'",
        ),
    ],
)
def test_a_job_refuses_what_the_check_refuses_in_the_same_words(model, values, where, text):
    with pytest.raises(InputError, match=text) as caught:
        model.of(values, where)
    study = {"study": {"name": "x"}, "seed": 1, "sheets": {}, where: values}
    assert str(caught.value) in [p.describe() for p in check_config(study)]


def test_contradictions_are_told_beside_other_problems():
    study = {"study": {"name": "x"}, "seed": -1, "sheets": {}}
    study["microct"] = {"bone_threshold": 9, "implant_threshold": 8, "shells_um": [[3, 2]]}
    told = {p.column for p in check_config(study)}
    assert told == {"seed", "microct/bone_threshold", "microct/shells_um"}


def test_settings_do_not_change_after_reading():
    settings = Culture()
    with pytest.raises(ValueError, match="frozen"):
        settings.closure_h = 3
    assert settings.but(closure_h=3).closure_h == 3 and settings.closure_h == 24
