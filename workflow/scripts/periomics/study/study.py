"""A study as its sheets and configuration describe it, read leniently: what planning needs, and no more.

Reading never fails on a slip in a sheet (unlocking, linting and running jobs must go on); every slip becomes a problem that
the check reports.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pandas as pd

from periomics.core.problems import Problem
from periomics.core.yamls import read_mapping
from periomics.study.blinding import WITHHELD, Coding, declared_arms, key_file, read_coding
from periomics.study.claims import Claims
from periomics.study.config import Config
from periomics.study.settings.section import well_shaped
from periomics.study.sheets import (
    ARM_COLUMNS,
    CONDITION_SHEETS,
    IDENTIFIER,
    SHEETS,
    SPECIMEN_SHEETS,
    read_sheet_with_problems,
)

T = TypeVar("T")
# A weight that is no number takes all weights of its contrast with it.
DEEPEST_CLAIMS = 3
DEEPEST_CONFIG = 4
RESULTS_TOKEN = "<results>/"  # how a sheet names a file that the simulation will write
PATH_COLUMNS = ("path", "rois", "mask", "earlier", "lengths")


class Written(NamedTuple):
    """Configuration and claims as their files have them, whatever the kind of their parts."""

    config: Mapping[str, Any]
    claims: dict[str, Any]


@dataclass(frozen=True)
class Study:
    """Configuration, sheets and claims of one study.

    Parameters
    ----------
    config
        The resolved configuration, of what is of a kind that it can be.
    folder
        Folder that the names of the sheets are relative to.
    sheets
        Every sheet of `SHEETS`, empty where the study has none; indexed by the spreadsheet's row.
    claims
        The claims file as a mapping, of what is of a kind that claims can be (`well_shaped`).
    problems
        What reading showed.
    coding
        Codes in place of arms; once the key is opened the sheets here name the arms.
    written
        Configuration and claims file as they stand.
    """

    config: Mapping[str, Any]
    folder: Path
    sheets: dict[str, pd.DataFrame]
    claims: dict
    problems: list[Problem] = field(default_factory=list)
    coding: Coding = field(default_factory=Coding)
    written: Written = field(default_factory=lambda: Written({}, {}))

    @cached_property
    def results(self) -> str:
        """Folder of all results; the default also where the name given is a pattern, which the check refuses."""
        stated = str(self.config.get("results_dir") or "results")
        return "results" if is_pattern(stated) else stated

    @cached_property
    def simulated(self) -> bool:
        return bool(self.config.get("simulate"))

    @cached_property
    def arms(self) -> tuple[str, ...]:
        """Every group and condition, sorted; behind codes also every arm that roles and claims speak of."""
        names = set(self.sheets["animals"]["group"])
        for sheet in CONDITION_SHEETS:
            names |= set(self.sheets[sheet]["condition"])
        if self.coding.closed:
            names |= declared_arms(self.config, self.claims)
        return tuple(sorted(n for n in names if n))

    @cached_property
    def hidden_names(self) -> tuple[str, ...]:
        """Arms and codes that no measuring job may see: the same before and after a key is opened, so that nothing is remeasured."""
        coded = (
            {*self.coding.codes, *declared_arms(self.config, self.claims)}
            if self.coding.codes
            else set()
        )
        return tuple(sorted({*self.arms, *coded}))

    @property
    def withheld(self) -> str:
        """Why nothing may be concluded yet, '' where it may."""
        return WITHHELD if self.coding.closed else ""

    def key_file(self) -> str | None:
        """The opened key, or None."""
        return str(key_file(self.config, self.folder)) if self.coding.opened else None

    def lock_file(self) -> str:
        """Where `snakemake freeze` records the claims; it need not exist."""
        return str(self.folder / "claims.lock.tsv")

    def sheet_file(self, name: str) -> str | None:
        """File of a sheet, or None where the study has none that a rule can name."""
        names = self.config.get("sheets") or {}
        return self._file(names.get(name) if isinstance(names, Mapping) else None)

    def claims_file(self) -> str | None:
        """As `sheet_file`, for the claims."""
        return self._file(self.config.get("claims"))

    def _file(self, value: object) -> str | None:
        file = str(self.folder / str(value)) if value else ""
        return None if not file or is_pattern(file) else file

    def resolve(self, sheet: str, path: str) -> str:
        """A path of a sheet as the workflow uses it: relative to the sheet's folder, `<results>/` for simulated files."""
        return self._once(("resolved", sheet, path), lambda: self._resolved(sheet, path))

    def _resolved(self, sheet: str, path: str) -> str:
        if path.startswith(RESULTS_TOKEN):
            return os.path.normpath(str(Path(self.results) / path[len(RESULTS_TOKEN) :]))
        base = Path(self.sheet_file(sheet) or self.folder / "x").parent
        expanded = Path(os.path.expandvars(path)).expanduser()
        return os.path.normpath(str(expanded if expanded.is_absolute() else base / expanded))

    def _path_columns(self, sheet: str) -> list[str]:
        return [c for c in PATH_COLUMNS if c in self.sheets[sheet].columns]

    def is_simulated(self, cell: str) -> bool:
        """Whether the simulation will write the file of a path cell."""
        return self.simulated and cell.startswith(RESULTS_TOKEN)

    def has_braces(self, sheet: str, cell: str) -> bool:
        """Whether a path of a sheet would be read as a pattern."""
        return is_pattern(self.resolve(sheet, cell))

    @cached_property
    def missing_files(self) -> tuple[tuple[str, int, str], ...]:
        """(sheet, row, column) of every named file that neither exists nor will be simulated."""
        out = []
        for sheet in SPECIMEN_SHEETS:
            for column in self._path_columns(sheet):
                for row, cell in self.sheets[sheet][column].items():
                    if not cell or self.is_simulated(cell):
                        continue
                    # `Path.exists` raises where a name is too long.
                    if not os.path.exists(self.resolve(sheet, cell)):  # noqa: PTH110
                        out.append((sheet, int(row), column))
        return tuple(out)

    @cached_property
    def _memory(self) -> dict[tuple, Any]:
        """What was worked out once: planning asks for the same rows again for every job."""
        return {}

    def _once(self, key: tuple, make: Callable[[], T]) -> T:
        if key not in self._memory:
            self._memory[key] = make()
        return self._memory[key]

    def _planned(self, sheet: str) -> pd.DataFrame:
        """Rows of a sheet that can be planned; not to be changed."""
        return self._once(("planned", sheet), lambda: self._usable_rows(sheet))

    def _usable_rows(self, sheet: str) -> pd.DataFrame:
        df = self.sheets[sheet]
        lost = {row for name, row, _ in self.missing_files if name == sheet}
        for column in self._path_columns(sheet):
            lost |= {r for r, cell in df[column].items() if cell and self.has_braces(sheet, cell)}
        keep = pd.Series([row not in lost for row in df.index], index=df.index, dtype=bool)
        for column in ("specimen_id", "section_id", "animal_id"):
            if column in df.columns:
                keep &= df[column].map(lambda v: v == "" or usable(v))
        return df[keep]

    def _places(self, sheet: str, where: Mapping[str, str]) -> list[int] | None:
        """Places of the planned rows that match, None for all; found by an index of the columns asked for."""
        columns = tuple(c for c in where if c in self.sheets[sheet].columns)
        if not columns:
            return None
        index = self._once(("index", sheet, columns), lambda: self._index(sheet, columns))
        return index.get(tuple(where[c] for c in columns), [])

    def _index(self, sheet: str, columns: tuple[str, ...]) -> dict[tuple, list[int]]:
        found: dict[tuple, list[int]] = {}
        cells = zip(*(self._planned(sheet)[c] for c in columns), strict=True)
        for place, values in enumerate(cells):
            found.setdefault(values, []).append(place)
        return found

    def rows(self, sheet: str, **where: str) -> pd.DataFrame:
        """Rows of a sheet that match and can be planned.

        Rows whose file does not exist, whose path would be read as a pattern or whose ids could not be used as file names are
        left out, so that the check, which everything waits for, can name them all; it fails as long as there is one.
        """
        places = self._places(sheet, where)
        planned = self._planned(sheet)
        return planned.copy() if places is None else planned.iloc[places]

    def facts(self, sheet: str, **where: str) -> list[dict[str, object]]:
        """Rows as a measuring job may see them: paths resolved, nothing that tells the arm, no empty cells."""
        told = self._once(("facts", sheet), lambda: self._told(sheet))
        places = self._places(sheet, where)
        return [dict(row) for row in (told if places is None else map(told.__getitem__, places))]

    def _told(self, sheet: str) -> list[dict[str, object]]:
        out = []
        hidden = {a.casefold() for a in self.hidden_names}
        for row, record in self._planned(sheet).to_dict("index").items():
            seen = {k: v for k, v in record.items() if k not in ARM_COLUMNS and v != "" and v == v}
            if str(seen.get("role", "")).casefold() in hidden:
                seen["role"] = "sample"
            for column in self._path_columns(sheet):
                if column in seen:
                    seen[column] = self.job_path(sheet, row, column)
            out.append(seen)
        return out

    def job_path(self, sheet: str, row: int, column: str) -> str:
        """Path that a job is given: the user's own, or a coded link to it where the user's path names an arm."""
        cell = str(self.sheets[sheet].at[row, column])
        return self._once(("path", sheet, cell), lambda: self._job_path(sheet, cell))

    def _job_path(self, sheet: str, cell: str) -> str:
        path = self.resolve(sheet, cell)
        if not self._tells_arm(cell):
            return path
        code = hashlib.sha256(path.encode()).hexdigest()[:12]
        plain = "".join(
            s for s in Path(path).suffixes[-2:] if re.fullmatch(r"\.[A-Za-z0-9]{1,8}", s)
        )
        suffix = ".folder" if Path(path).is_dir() else plain
        return str(Path(self.results) / "study" / "links" / sheet / f"{code}{suffix}")

    def names_arm(self, sheet: str, row: int, column: str) -> bool:
        """Whether a path in the sheet holds an arm's name as a word of its own (not as a part of another word)."""
        return self._tells_arm(str(self.sheets[sheet].at[row, column]))

    def _tells_arm(self, cell: str) -> bool:
        def look() -> bool:
            text = cell.removeprefix(RESULTS_TOKEN)
            return bool(self._arm_pattern and self._arm_pattern.search(text))

        return self._once(("arm", cell), look)

    @cached_property
    def _arm_pattern(self) -> re.Pattern[str] | None:
        if not self.hidden_names:
            return None
        names = "|".join(re.escape(a) for a in self.hidden_names)
        return re.compile(rf"(?<![A-Za-z0-9])(?:{names})(?![A-Za-z0-9])", re.IGNORECASE)

    def links(self) -> dict[str, str]:
        """Coded link → user's file, for paths that name an arm."""
        return dict(self._links)

    @cached_property
    def _links(self) -> dict[str, str]:
        out = {}
        for sheet in SPECIMEN_SHEETS:
            for column in self._path_columns(sheet):
                for row, cell in self._planned(sheet)[column].items():
                    if cell and self.names_arm(sheet, row, column):
                        out[self.job_path(sheet, row, column)] = self.resolve(sheet, cell)
        return out

    def specimens(self) -> pd.DataFrame:
        """All specimens of all sheets with their design columns; what `outcomes` joins measurements to."""
        columns = [
            "specimen_id",
            "animal_id",
            "condition",
            "dose",
            "dose_unit",
            "time",
            "time_unit",
            "batch",
            "role",
            "replaces",
        ]
        parts = [
            self.rows(s)[columns].assign(sheet=s, cue=self.rows(s).get("cue", ""))
            for s in SPECIMEN_SHEETS
        ]
        seen = [p for p in parts if len(p)] or parts[:1]
        return pd.concat(seen).reset_index(drop=True)


def is_pattern(path: str) -> bool:
    """Whether a workflow would take a path for a pattern of paths: braces stand for wildcards."""
    return "{" in path or "}" in path


def usable(identifier: str) -> bool:
    """Whether an id may become part of a file name."""
    return bool(IDENTIFIER.match(identifier)) and ".." not in identifier


def load_study(config: Mapping[str, object], folder: str | os.PathLike[str]) -> Study:
    """Read all sheets and the claims of a study; what is wrong with them is in `problems`."""
    folder = Path(folder)
    given, config = config, well_shaped(Config, config, DEEPEST_CONFIG)
    names = config.get("sheets") or {}
    sheets, problems = {}, []
    for name in SHEETS:
        value = names.get(name)
        file = folder / str(value) if value else None
        sheets[name], found = read_sheet_with_problems(name, file, str(value or ""))
        problems += found
    written, found = _read_claims(folder, config.get("claims"))
    coding, slips = read_coding(config, folder)
    sheets = {name: coding.decoded(sheet) for name, sheet in sheets.items()}
    claims = well_shaped(Claims, written, DEEPEST_CLAIMS)
    return Study(
        config,
        folder,
        sheets,
        claims,
        problems=problems + found + slips,
        coding=coding,
        written=Written(given, written),
    )


def _read_claims(folder: Path, name: object) -> tuple[dict, list[Problem]]:
    if not name:
        return {}, []
    return read_mapping(folder / str(name), str(name))
