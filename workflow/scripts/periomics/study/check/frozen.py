"""Checks of what is frozen: the declaration before it is recorded, the record before it is relied on."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from periomics.core.errors import InputError
from periomics.core.problems import Problem
from periomics.study.check.claims import check_claims
from periomics.study.check.design import check_design
from periomics.study.claims_lock import read_lock
from periomics.study.config import check_config
from periomics.study.frozen import ORDER, ROLES, STATE
from periomics.study.study import Study


def declaration_problems(study: Study, dictionary: pd.DataFrame) -> list[Problem]:
    """Every problem of claims, roles and config; sheets may still lack files, since claims are frozen before there are any."""
    file = str(study.config.get("claims") or "")
    if not study.claims:
        found = [p for p in study.problems if p.file == file]
        return found or [
            Problem("config", 0, "claims", "there are no claims to be frozen: name their file")
        ]
    own = (
        [p for p in study.problems if p.file == file]
        + check_config(study.written.config)
        + check_claims(study, dictionary)
    )
    own += [
        p
        for p in check_design(study, dictionary)
        if p.file == "config" and p.column.startswith(("roles", "blinding"))
    ]
    reserved = {ROLES, STATE, ORDER.partition("/")[0]}
    own += [
        Problem(file, 0, k, "this name is taken by the lock of claims")
        for k in study.claims
        if k in reserved
    ]
    return sorted(set(own))


def check_lock(study: Study) -> list[Problem]:
    """A lock that was edited by hand."""
    path = Path(study.lock_file())
    try:
        read_lock(path)
    except (InputError, UnicodeDecodeError) as error:
        if isinstance(error, InputError):
            return [
                Problem(
                    path.name,
                    error.row or 0,
                    error.column,
                    error.message,
                    str(error.value or ""),
                    error.allowed,
                )
            ]
        return [Problem(path.name, 0, "", "is not UTF-8 text")]
    return []
