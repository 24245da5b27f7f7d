"""What differential tests read besides counts: the libraries with their design, and the declared claims."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from periomics.core.errors import InputError
from periomics.genes.axes import RESPONSE, read_responses, response_sets
from periomics.genes.design import sample_table
from periomics.genes.orthologs import between
from periomics.genes.signatures import (
    GeneSet,
    read_gmt,
    read_signatures,
    signed_sets,
    translated,
)
from periomics.study.sheets import read_sheet


def read_samples(files: Mapping[str, Any], modality: str) -> pd.DataFrame:
    """Libraries of a modality with unit, group and block (`sample_table`), from the sheets of a job's input.

    Parameters
    ----------
    files
        Paths of `libraries`, `animals` and `exclusions`; nothing where the study has no such sheet.
    modality
        bulk or singlecell.
    """
    libraries, animals, exclusions = (
        read_sheet(name, files.get(name) or None) for name in ("libraries", "animals", "exclusions")
    )
    return sample_table(libraries, animals, exclusions, modality)


def read_claims(files: Mapping[str, Any]) -> Mapping[str, Any]:
    """The claims file of a job's input; nothing where the study has none."""
    path = files.get("claims")
    return yaml.safe_load(Path(path).read_text(encoding="utf-8")) if path else {}


def read_sets(
    files: Mapping[str, Any], file_species: str, species: str
) -> list[tuple[str, GeneSet]]:
    """Sets of the team and of the configured file, in the symbols of a species: (source, set).

    Parameters
    ----------
    files
        Paths of `signatures`, where wanted of `responses`, and, where the study has them, `gene_sets` (GMT), `orthologs_mouse`,
        `orthologs_rat`.
    file_species
        Species of the GMT file.
    species
        Of the libraries.

    Raises
    ------
    InputError
        For two sets of one name: results are told apart by it.
    """
    table = read_signatures(files["signatures"])
    team = signed_sets(table, species)
    sets = [("signatures", s) for s in team if not s.name.startswith("QC_")]
    if path := files.get("responses"):
        found = response_sets(table, read_responses(path, table), species)
        sets += [(RESPONSE, s) for s in found]
    if path := files.get("gene_sets"):
        tables = {s: files.get(f"orthologs_{s}") or None for s in ("mouse", "rat")}
        orthologs, more = between(tables, file_species, species), read_gmt(path)
        more = more if orthologs is None else translated(more, orthologs)
        _refuse_twice([*(s.name for _, s in sets), *(s.name for s in more)], path)
        sets += [(Path(path).name, s) for s in more]
    return sets


def _refuse_twice(names: Sequence[str], path: str) -> None:
    twice = sorted(n for n, number in Counter(names).items() if number > 1)
    if twice:
        raise InputError(
            "name of a gene set stands twice, in the file or with the team's",
            file=path,
            value=twice[0],
            allowed="one set of a name, apart from those of resources/signatures.tsv and responses.tsv",
        )
