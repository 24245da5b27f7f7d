"""What the config states of stains, against what their detectors know: options, results and
outcomes, before any picture is read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

import pandas as pd

from periomics.core.errors import InputError, nearest
from periomics.core.problems import Problem
from periomics.histology.measure import DETECTORS, RESULTS
from periomics.histology.settings import options_from
from periomics.imaging.stains import choose_pair, load_stains
from periomics.imaging.user_model import load_model
from periomics.study.settings.section import section_of
from periomics.study.study import Study

# Key of resources for a model of one's own.
MODEL = "nuclei_model"
# Annotations that a detector needs beside its region, and for which results.
NEEDS = {
    "osteoclasts": ("bone", ("perimeter", "surface", "detached")),
    "labels": ("bone", ("surface", "formation")),
    "contact": ("implant", ("contact", "threads", "ring")),
}


def check_stains(study: Study, dictionary: pd.DataFrame, pairs: str) -> list[Problem]:
    """Options and results that a stain's detector does not have, outcomes that no dictionary has,
    detectors without any, and vectors that are none; `pairs` is resources/stains.yaml."""
    stains = section_of(section_of(study.config, "histology"), "stains")
    blocks = {
        name: block
        for name, block in stains.items()
        if isinstance(block, Mapping) and block.get("detector") in DETECTORS
    }
    problems = [
        problem
        for name, block in blocks.items()
        for problem in _stain(f"histology/stains/{name}", block, set(dictionary["outcome"]))
    ]
    for name, block in blocks.items():
        problems += _vectors(f"histology/stains/{name}/vectors", block.get("vectors"), pairs)
    file = os.path.expandvars(str(section_of(study.config, "resources").get(MODEL) or ""))
    for name, block in blocks.items():
        if block.get("nuclei") == "model":
            problems += _model(f"histology/stains/{name}", block, file)
    return problems


def _vectors(where: str, vectors: str | Mapping | None, pairs: str) -> Iterator[Problem]:
    """What is wrong with the vectors that a stain names or gives."""
    if vectors is None:
        return
    try:
        choose_pair(load_stains(pairs), vectors, where)
    except InputError as error:
        value, allowed = (str(v or "") for v in (error.value, error.allowed))
        yield Problem("config", 0, where, error.message, value, allowed)


def _model(where: str, block: Mapping, file: str) -> Iterator[Problem]:
    """What is wrong with a model of the user's own that a stain asks for."""
    if not file:
        message = f"stain asks for a model of one's own, and resources/{MODEL} names none"
        yield Problem("config", 0, f"{where}/nuclei", message, "model", "an ONNX file by its path")
        return
    channels = 1 if block.get("image") == "fluorescence" else 3
    try:
        model = load_model(file, block.get("model_output", "labels"))
    except InputError as error:
        value, allowed = (str(v or "") for v in (error.value, error.allowed))
        yield Problem("config", 0, f"resources/{MODEL}", error.message, value or file, allowed)
        return
    if model.channels != channels:
        message = f"the model's input has another number of channels than {where} gives"
        yield Problem(
            "config", 0, f"resources/{MODEL}", message, str(model.channels), str(channels)
        )


def _stain(where: str, block: Mapping, known: set[str]) -> Iterator[Problem]:
    detector = str(block["detector"])
    # What is no number at all is told where the form of the config is looked at.
    given = {k: v for k, v in section_of(block, "options").items() if isinstance(v, int | float)}
    try:
        options_from(DETECTORS[detector][0], given, f"{where}/options")
    except InputError as error:
        value = "" if error.value is None else str(error.value)
        column = error.column or f"{where}/options"
        yield Problem("config", 0, column, error.message, value, error.allowed or "")
    results, outcomes = RESULTS[detector], section_of(block, "outcomes")
    for key, outcome in outcomes.items():
        if key not in results:
            message = f"detector {detector} has no such result{nearest(str(key), results)}"
            allowed = ", ".join(results)
            yield Problem("config", 0, f"{where}/outcomes", message, str(key), allowed)
        elif outcome not in (None, "", "none") and str(outcome) not in known:
            message = f"the dictionary has no such outcome{nearest(str(outcome), known)}"
            yield Problem("config", 0, f"{where}/outcomes/{key}", message, str(outcome))
    if not any({**results, **outcomes}.get(k) not in (None, "", "none") for k in results):
        message = f"no result of detector {detector} has an outcome"
        allowed = ", ".join(results)
        yield Problem("config", 0, f"{where}/outcomes", message, "", allowed)


def also_needed(block: Mapping) -> tuple[str, list[str]]:
    """Name of the annotation that a stain needs beside its region, and the results that need it;
    empty where there are none."""
    name, needing = NEEDS.get(str(block.get("detector")), ("", ()))
    results = RESULTS[str(block["detector"])] if name else {}
    outcomes = {**results, **section_of(block, "outcomes")}
    return name, [k for k in needing if outcomes.get(k) not in (None, "", "none")]
