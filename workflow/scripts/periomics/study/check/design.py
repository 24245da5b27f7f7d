"""Checks across sheets: ids that must exist elsewhere, arms, roles of the arms, stains."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from periomics.core.errors import InputError, nearest
from periomics.core.problems import Problem
from periomics.study.blinding import declared_arms, settings
from periomics.study.design import arm_weights
from periomics.study.dictionary import entry
from periomics.study.modalities import MODALITIES
from periomics.study.settings.section import section_of
from periomics.study.sheets import CONDITION_SHEETS, NUMBER_SHEETS, SPECIMEN_SHEETS, plain_id
from periomics.study.study import Study


def sheet_name(study: Study, sheet: str) -> str:
    """How a sheet's file is called in problems."""
    names = study.config.get("sheets")
    return str(names.get(sheet, sheet)) if isinstance(names, Mapping) else sheet


def check_design(study: Study, dictionary: pd.DataFrame) -> list[Problem]:
    """Every problem that shows only when sheets, configuration and dictionary are seen together."""
    problems = []
    for sheet in CONDITION_SHEETS:
        problems += _units(study, sheet)
    for sheet in NUMBER_SHEETS:
        problems += _changed_arm(study, sheet)
    problems += _dose_units(study)
    for sheet in SPECIMEN_SHEETS:
        problems += _replaced(study, sheet) + _arm_in_path(study, sheet)
    problems += (
        _arms(study) + _coding(study) + _stains(study) + _exclusions(study) + _settings(study)
    )
    for sheet, column in (
        ("clinical", "outcome"),
        ("readings", "outcome"),
        ("cultures", "readout"),
    ):
        problems += _outcomes(study, sheet, column, dictionary)
    return problems


def _units(study: Study, sheet: str) -> list[Problem]:
    file, known = sheet_name(study, sheet), set(study.sheets["animals"]["animal_id"])
    problems = []
    for row, record in study.sheets[sheet].to_dict("index").items():
        animal = record["animal_id"]
        if animal and animal not in known:
            message = f"not in the animals sheet{nearest_id(animal, known)}"
            problems.append(Problem(file, row, "animal_id", message, animal))
        elif not animal and record.get("role", "sample") == "sample":
            problems.append(
                Problem(file, row, "animal_id", "may be empty only where role is not sample")
            )
        if record["time"] == record["time"] and not record["time_unit"]:
            problems.append(
                Problem(file, row, "time_unit", "a time needs its unit", f"{record['time']:g}")
            )
        if record.get("dose", float("nan")) == record.get("dose", float("nan")) and not record.get(
            "dose_unit"
        ):
            problems.append(
                Problem(file, row, "dose_unit", "a dose needs its unit", f"{record['dose']:g}")
            )
    return problems


def _changed_arm(study: Study, sheet: str) -> list[Problem]:
    """Animals of one arm of which a reading says that they belong to another: they would count
    there."""
    animals = study.sheets["animals"]
    own = animals[(animals["unit"] == "animal") & (animals["group"] != "")]
    group = own.drop_duplicates("animal_id").set_index("animal_id")["group"]
    rows = study.sheets[sheet]
    said, at_home = rows["condition"], rows["animal_id"].map(group)
    moved = said.isin(set(group)) & at_home.notna() & (said != at_home)
    message = "the animals sheet has this animal in another arm"
    return [
        Problem(sheet_name(study, sheet), int(row), "condition", message, said[row], at_home[row])
        for row in rows.index[moved]
    ]


def _dose_units(study: Study) -> list[Problem]:
    """Doses of one arm in several units: their numbers are taken as they are."""
    animals = study.sheets["animals"]
    group = animals.drop_duplicates("animal_id").set_index("animal_id")["group"]
    sheets = {s: study.sheets[s] for s in (*CONDITION_SHEETS, "animals")}
    parts = [
        x[x["dose"].notna() & (x["dose_unit"] != "")].assign(_sheet=s)
        for s, x in sheets.items()
        if "dose" in x
    ]
    rows = pd.concat(parts)
    own = rows["animal_id"].map(group).fillna("")
    arm = rows["condition"].where(rows["condition"].fillna("") != "", own)
    problems = []
    for name, part in rows.groupby(arm.to_numpy()):
        counts = part["dose_unit"].value_counts()
        for row, one in part[part["dose_unit"].isin(counts.index[1:])].iterrows():
            file, message = sheet_name(study, str(one["_sheet"])), "and doses are not converted"
            message = f"other doses of {name} are in another unit, {message}"
            unit = str(one["dose_unit"])
            problems.append(
                Problem(file, int(str(row)), "dose_unit", message, unit, str(counts.index[0]))
            )
    return problems


def nearest_id(identifier: str, known: Iterable[str]) -> str:
    """As `nearest`, for ids: one that differs by case or leading zeros only, else a similar word, never another number."""
    known = sorted(known)
    same = [k for k in known if plain_id(k) == plain_id(identifier)]
    if same:
        how = "leading zeros" if same[0].casefold() != identifier.casefold() else "case"
        return f" - did you mean {same[0]!r}? They differ by {how} only"
    if identifier.isdigit():
        return ""
    return nearest(identifier, known)


def _replaced(study: Study, sheet: str) -> list[Problem]:
    df = study.sheets[sheet]
    known = set(df["specimen_id"])
    bad = df[(df["replaces"] != "") & ~df["replaces"].isin(known)]
    return [
        Problem(
            sheet_name(study, sheet),
            int(row),
            "replaces",
            f"no such specimen{nearest_id(v, known)}",
            v,
        )
        for row, v in bad["replaces"].items()
    ]


def _arm_in_path(study: Study, sheet: str) -> list[Problem]:
    rows = [
        r
        for r in study.rows(sheet).index
        if any(_named(study, sheet, r, c) for c in ("path", "rois", "mask", "earlier"))
    ]
    if not rows:
        return []
    message = f"{len(rows)} paths name an arm: their jobs get the files under coded names"
    return [Problem(sheet_name(study, sheet), int(rows[0]), "path", message, level="note")]


def _named(study: Study, sheet: str, row: int, column: str) -> bool:
    df = study.sheets[sheet]
    return column in df.columns and bool(df.at[row, column]) and study.names_arm(sheet, row, column)


def _arms(study: Study) -> list[Problem]:
    """Arms that roles and contrasts name must have animals.

    An arm that nothing names is an extra arm, unless it is one animal's and looks misspelt.
    """
    problems = []
    roles = study.config.get("roles")
    roles = roles if isinstance(roles, Mapping) else {}
    treated = roles.get("treated") or []
    treated = [treated] if isinstance(treated, str) else list(treated)
    named = [(f"roles/{k}", str(roles[k])) for k in ("healthy", "disease") if roles.get(k)]
    named += [("roles/treated", str(t)) for t in treated]
    told = section_of(study.config, "study").get("given") or []
    got = [("study/given", str(arm)) for one in told for arm in one.get("arms") or []]
    for where, arm in named + got:
        if arm not in study.arms:
            message = f"no animal is in arm {arm}{nearest(arm, study.arms)}"
            problems.append(Problem("config", 0, where, message, arm, ", ".join(study.arms)))
    wanted = {arm for _, arm in named} | (set(study.coding.codes) if study.coding.closed else set())
    for contrast in (study.claims.get("contrasts") or {}).values():
        if isinstance(contrast, Mapping) and isinstance(contrast.get("weights"), Mapping):
            try:
                wanted |= set(arm_weights(study, contrast["weights"]))
            except (TypeError, ValueError):
                continue
    animals = study.sheets["animals"]
    for row, group in animals["group"].items():
        if group and wanted and group not in wanted:
            meant = nearest(group, wanted)
            message = f"no role and no contrast names this arm{meant}"
            is_one = (animals["group"] == group).sum() == 1
            is_extra = not study.coding.closed and not (meant and is_one)
            message += ": it is shown, and no claim is about it" if is_extra else ""
            level = "warning" if is_extra else "error"
            where, known = sheet_name(study, "animals"), ", ".join(sorted(wanted))
            problem = Problem(where, int(row), "group", message, group, known, level=level)
            problems.append(problem)
    counts = animals.loc[
        (animals["group"] != "") & (animals["unit"] == "animal"), "group"
    ].value_counts()
    for arm, n in counts.items():
        if n < 3:
            message = f"arm {arm} has {n} animal{'s' * (n > 1)}: no inference below 3"
            problems.append(
                Problem(sheet_name(study, "animals"), 0, "group", message, level="warning")
            )
    return problems


def _coding(study: Study) -> list[Problem]:
    """Codes that no row has, and what is known of them; a wrong key is reported as the study is read."""
    coding, where = study.coding, "blinding/codes"
    if not coding.codes:
        stray = settings(study.config).get("key")
        message = "a key needs the codes that stand in the sheets"
        return [Problem("config", 0, where, message, str(stray))] if stray else []
    problems = []
    for code in sorted(set(coding.codes)):
        if coding.codes.count(code) > 1:
            problems.append(Problem("config", 0, where, "this code stands here twice", code))
        if code in declared_arms(study.config, study.claims):
            problems.append(
                Problem("config", 0, where, "roles and claims name arms, never codes", code)
            )
    if coding.closed:
        present = set(study.sheets["animals"]["group"]) | {
            c for s in CONDITION_SHEETS for c in study.sheets[s]["condition"]
        }
        lost = [c for c in coding.codes if c not in present]
        if lost:
            message = "codes that no animal and no specimen has"
            problems.append(Problem("config", 0, where, message, ", ".join(lost), level="warning"))
        message = f"groups are coded ({', '.join(coding.codes)}) and the key has not been opened: no claim is judged"
    else:
        message = f"the key is opened: {', '.join(f'{code} is {arm}' for code, arm in coding.arms.items())}"
    return [*problems, Problem("config", 0, "blinding", message, level="note")]


def _settings(study: Study) -> list[Problem]:
    """A sheet whose area has no settings: thresholds are declared, never assumed."""
    problems = []
    for m in MODALITIES:
        if m.declared and len(study.sheets[m.sheet]) and not study.config.get(m.name):
            message = f"the {m.sheet} sheet has rows: this section is needed"
            problems.append(Problem("config", 0, m.name, message))
    return problems


def _stains(study: Study) -> list[Problem]:
    settings = study.config.get("histology")
    known = (settings.get("stains") if isinstance(settings, Mapping) else None) or {}
    problems = []
    for row, stain in study.sheets["sections"]["stain"].items():
        if stain and stain not in known:
            message = f"config histology/stains does not describe this stain{nearest(stain, known)}"
            problems.append(
                Problem(
                    sheet_name(study, "sections"),
                    int(row),
                    "stain",
                    message,
                    stain,
                    ", ".join(known),
                )
            )
    return problems


def _exclusions(study: Study) -> list[Problem]:
    df = study.sheets["exclusions"]
    known = {
        "animal": set(study.sheets["animals"]["animal_id"]),
        "section": set(study.sheets["sections"]["section_id"]),
    }
    known["specimen"] = set(study.specimens()["specimen_id"])
    problems = []
    for row, record in df.to_dict("index").items():
        ids = known.get(record["level"], set())
        if record["id"] and record["id"] not in ids:
            message = f"no such {record['level']}{nearest_id(record['id'], ids)}"
            problems.append(
                Problem(sheet_name(study, "exclusions"), int(row), "id", message, record["id"])
            )
    return problems


def _outcomes(study: Study, sheet: str, column: str, dictionary: pd.DataFrame) -> list[Problem]:
    problems = []
    for row, outcome in study.sheets[sheet][column].items():
        if not outcome:
            continue
        try:
            entry(dictionary, outcome)
        except InputError as error:
            problems.append(
                Problem(sheet_name(study, sheet), int(row), column, error.message, outcome)
            )
    return problems
