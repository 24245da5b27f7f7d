"""What the report reads: result tables, sheets and records, by name; a table that a study does not have is empty."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from periomics.core.results import read_result
from periomics.study.arms import arm_order
from periomics.study.dictionary import load_dictionary
from periomics.study.sheets import SHEETS, read_sheet


@dataclass(frozen=True)
class Sources:
    """Files of one study by name.

    Parameters
    ----------
    files
        Name → files; a name that the study does not have is absent or empty.
    results
        Folder of all results, in which pictures are looked for.
    """

    files: Mapping[str, tuple[Path, ...]]
    results: Path

    def path(self, name: str) -> Path | None:
        """The file of a name, None where the study has none."""
        found = self.files.get(name) or ()
        return found[0] if found and found[0].is_file() else None

    def table(self, name: str, columns: Sequence[str] = ()) -> pd.DataFrame:
        """A result table with at least `columns`; empty where the study has none."""
        path = self.path(name)
        return complete(read_table(path), columns) if path else pd.DataFrame(columns=list(columns))

    def tables(self, name: str) -> dict[Path, pd.DataFrame]:
        """The tables of a name that stands for several files or a folder of them, in their order."""
        paths = [
            p
            for f in self.files.get(name, ())
            for p in (sorted(f.glob("*.tsv")) if f.is_dir() else [f])
        ]
        return {path: read_table(path) for path in paths if path.is_file()}

    def mapping(self, name: str) -> dict:
        """A YAML file as a mapping, empty where the study has none or it cannot be read."""
        try:
            found = yaml.safe_load(self.text(name) or "{}")
        except yaml.YAMLError:
            return {}
        return found if isinstance(found, dict) else {}

    def text(self, name: str) -> str:
        """A text file, '' where the study has none."""
        path = self.path(name)
        return path.read_text(encoding="utf-8") if path else ""

    @cached_property
    def sheets(self) -> dict[str, pd.DataFrame]:
        """Every sheet by name, empty where the study has none."""
        return {name: read_sheet(name, self.path(name)) for name in SHEETS}

    @cached_property
    def dictionary(self) -> pd.DataFrame:
        """The outcome dictionary."""
        return load_dictionary(self.files["dictionary"])

    @cached_property
    def record(self) -> dict:
        """provenance/run.json."""
        text = self.text("record")
        return json.loads(text) if text else {}

    @cached_property
    def arms(self) -> list[str]:
        """Every arm of the study in reading order; its order gives the colours, the same in all figures."""
        cultures, values = self.sheets["cultures"], self.table("animals_values", ["condition"])
        vehicles = set(cultures.loc[cultures["role"] == "vehicle", "condition"])
        parts = (self.sheets["animals"]["group"], values["condition"])
        present = {str(a) for part in parts for a in part.unique()}
        present |= vehicles | set(self.table("rescue", ["arm"])["arm"].astype(str))
        return arm_order(self.config, sorted(present - {""}), sorted(vehicles - {""}))

    @property
    def config(self) -> dict:
        """The resolved configuration of the run."""
        return self.record.get("config") or {}


def sources(inputs: Mapping[str, Any], results: Path) -> Sources:
    """Sources from a rule's named inputs: a path, a list of paths, or an empty list."""
    files = {}
    for name, value in inputs.items():
        parts = [value] if isinstance(value, str | Path) else list(value)
        files[name] = tuple(Path(str(p)).absolute() for p in parts if str(p))
    return Sources(files, Path(results).absolute())


def read_table(path: Path) -> pd.DataFrame:
    """A result table; one without even a header is an empty one, and missing text is ''."""
    try:
        df = read_result(path)
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    text = [c for c in df.columns if df[c].dtype == object]
    return df.assign(**{c: df[c].fillna("") for c in text})


def complete(df: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """The table with every column of `columns`; those it lacks are empty."""
    lacking = [c for c in columns if c not in df.columns]
    return df.assign(**dict.fromkeys(lacking, "")) if lacking else df
