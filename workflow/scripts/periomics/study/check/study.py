"""The check: all problems of all files in one report, before any pixel is read; then the plan."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pandas as pd

from periomics.core.errors import InputError
from periomics.core.files import write_text
from periomics.core.problems import Problem, count, listing
from periomics.core.tables import ERROR_MESSAGES, read_table
from periomics.study.blinding import key_file
from periomics.study.check.asked import check_asked
from periomics.study.check.claims import check_claims, check_estimable
from periomics.study.check.design import check_design
from periomics.study.check.files import check_files
from periomics.study.check.frozen import check_lock
from periomics.study.check.opened import Areas
from periomics.study.check.settings import check_results_folder, check_settings
from periomics.study.check.sheets import check_sheet
from periomics.study.check.values import check_measured, check_values
from periomics.study.config import check_config
from periomics.study.dictionary import load_dictionary
from periomics.study.plan import own_outcomes
from periomics.study.plan_text import plan_text
from periomics.study.sheets import SHEETS, SPECIMEN_SHEETS
from periomics.study.study import PATH_COLUMNS, Study


def known_outcomes(study: Study, tables: Mapping[str, str]) -> pd.DataFrame:
    """The outcome dictionary with the study's own rows; where these cannot be read, the team's alone, and the study has a problem."""
    table = tables["outcomes"]
    try:
        return load_dictionary([table, *own_outcomes(study)])
    except InputError as e:
        value = "" if e.value is None else str(e.value)
        found = Problem(e.file, e.row or 0, e.column, e.message, value, e.allowed)
    except OSError as e:
        found = Problem("config", 0, "resources/outcomes", str(e.strerror), str(e.filename))
    study.problems.append(found)
    return load_dictionary(table)


def find_problems(study: Study, dictionary: pd.DataFrame, areas: Areas) -> list[Problem]:
    """Every problem of configuration, sheets, files, claims and design, sorted; one cause is told once."""
    problems = list(study.problems) + check_config(study.written.config)
    names = study.config.get("sheets")
    names = names if isinstance(names, Mapping) else {}
    for name in SHEETS:
        if names.get(name) and (study.folder / str(names[name])).is_file():
            cells = read_table(study.folder / str(names[name]), str(names[name])).data
            if len(cells.columns):
                problems += check_sheet(name, cells, str(names[name]))
    if not names.get("animals"):
        problems.append(Problem("config", 0, "sheets/animals", "a study needs its animals sheet"))
    problems += check_results_folder(study) + check_settings(study)
    broken = _unreadable(study, problems, {n: str(names[n]) for n in SHEETS if names.get(n)})
    if "animals" in broken or not names.get("animals"):
        # Nearly everything else refers to it: what that would say has this one cause.
        message = "is needed first: arms, claims and files are checked when it is mended"
        problems.append(Problem(str(names.get("animals")), 0, "", message, level="note"))
        return sorted(set(_first_causes(problems)))
    found = check_design(study, dictionary) + check_files(study, areas.openers, dictionary)
    found += [p for check in areas.designs for p in check(study)]
    problems += [p for p in found if p.file not in {str(names.get(n)) for n in broken}]
    problems += check_claims(study, dictionary) + check_estimable(study) + check_lock(study)
    problems += (
        check_asked(study, dictionary)
        # What a sheet that cannot be read would have measured is not known.
        + ([] if broken else check_measured(study, dictionary))
        + check_values(study, dictionary)
    )
    return sorted(set(_first_causes(problems)))


def _unreadable(study: Study, problems: list[Problem], files: Mapping[str, str]) -> set[str]:
    """Sheets of which nothing can be said before they are mended: not read at all, or without a needed column."""
    wrong = {p.file for p in problems if p.level == "error"}
    lacking = {p.file for p in problems if p.message == "required column is missing"}
    return {n for n, f in files.items() if f in lacking or (f in wrong and study.sheets[n].empty)}


def _first_causes(problems: list[Problem]) -> list[Problem]:
    """Without what a cell that could not be read gives rise to: the first finding of an error cell is the cause."""
    causes = {
        (p.file, p.row, p.column) for p in problems if p.column and p.message in ERROR_MESSAGES
    }
    return [
        p
        for p in problems
        if (p.file, p.row, p.column) not in causes or p.message in ERROR_MESSAGES
    ]


def fingerprint(study: Study, code: str) -> str:
    """Digest of all that the check looks at: configuration, sheets, claims, and size and time of every raw file."""
    digest = hashlib.sha256(
        f"{code}{json.dumps(study.written.config, sort_keys=True, default=str)}".encode()
    )
    for name in study.sheets:
        file = study.sheet_file(name)
        digest.update(Path(file).read_bytes() if file and Path(file).is_file() else b"-")
    claims = study.claims_file()
    digest.update(Path(claims).read_bytes() if claims and Path(claims).is_file() else b"-")
    tables = map(Path, own_outcomes(study))
    for further in (key_file(study.config, study.folder), Path(study.lock_file()), *tables):
        digest.update(further.read_bytes() if further and further.is_file() else b"-")
    for path in _raw_files(study):
        stat = path.stat()
        digest.update(f"{path}|{stat.st_size}|{stat.st_mtime_ns}".encode())
    return digest.hexdigest() + "\n"


def _raw_files(study: Study) -> Iterator[Path]:
    """Every file and folder that the sheets name, and the files of such a folder."""
    for sheet in SPECIMEN_SHEETS:
        for column in (c for c in PATH_COLUMNS if c in study.sheets[sheet].columns):
            for cell in study.sheets[sheet][column].drop_duplicates():
                path = Path(study.resolve(sheet, cell)) if cell else None
                if path is None or study.is_simulated(cell) or not path.exists():
                    continue
                yield path
                if path.is_dir():
                    yield from (p for p in sorted(path.iterdir()) if p.exists())


def report(study: Study, problems: list[Problem]) -> tuple[str, bool]:
    """Text of the check and whether the study may run.

    The text lists errors, warnings and notes; the plan follows only where there is no error.
    """
    errors = listing(problems, "error")
    lines = [f"periomics check: {_title(study)}", ""]
    if errors:
        number = count(problems, "error")
        lines += [f"{number} problem{'s' * (number > 1)} to mend before anything can run:", ""]
        lines += [f"  {i}. {e}" for i, e in enumerate(errors, start=1)]
        lines += ["", "Nothing was run, nothing was changed."]
    for level, head in (("warning", "Please look at"), ("note", "Understood as")):
        found = listing(problems, level)
        if found:
            lines += ["", f"{head}:", *(f"  - {f}" for f in found)]
    if not errors:
        lines += ["", plan_text(study)]
    return "\n".join(lines).rstrip() + "\n", not errors


def _title(study: Study) -> str:
    about = study.config.get("study")
    title = about.get("title") or about.get("name") if isinstance(about, Mapping) else about
    return f"{title or 'study without a title'} ({Path(study.folder).as_posix()})"


def gate(
    study: Study,
    folder: Path,
    dictionary: pd.DataFrame,
    areas: Callable[[], Areas],
    code: str,
    write: bool = True,
) -> tuple[str, bool]:
    """Check a study before its first job; what to print (nothing where nothing changed) and whether it may run.

    Writes plan.txt into `folder`, or problems.txt in its place; a study that has not changed since
    it passed is not checked again. With `write` false (a dry run) nothing is written and only what
    hinders a run, or is in doubt, is given.
    """
    state = fingerprint(study, code)
    plan, seen, problems_file = folder / "plan.txt", folder / "fingerprint", folder / "problems.txt"
    if plan.is_file() and seen.is_file() and seen.read_text(encoding="utf-8") == state:
        return "", True
    problems = find_problems(study, dictionary, areas())
    text, usable = report(study, problems)
    warnings = [f"  look at: {w}" for w in listing(problems, "warning")]
    if not write:
        return (text if not usable else "\n".join(warnings)), usable
    if any(p.level == "error" and p.column == "results_dir" for p in problems):
        return text, False  # nothing is written where nothing may be
    if not usable:
        plan.unlink(missing_ok=True)
        write_text(text, problems_file)
        return text, False
    problems_file.unlink(missing_ok=True)
    write_text(text, plan)
    write_text(state, seen)
    return "\n".join([f"The check passed; the plan is in {plan}", *warnings]), True
