"""The study: units by arm and modality, what was left out, batches, the check's notes."""

from __future__ import annotations

import pandas as pd

from periomics.report.grids import Grid, grid
from periomics.report.modality import ORDER, VALUE_COLUMNS, areas
from periomics.report.sources import Sources
from periomics.report.words import area_name
from periomics.study.arms import arm_order
from periomics.study.dictionary import scores_among
from periomics.study.modalities import BATCHES, OF_SHEET

WITHIN, NO_ARM = "arms within the unit", "no arm"


def planned(sources: Sources) -> pd.DataFrame:
    """Specimens in the sheets by unit and modality: animal_id, area, specimens."""
    parts = [sources.sheets[s][["animal_id"]].assign(area=a) for s, a in OF_SHEET.items()]
    libraries = sources.sheets["libraries"]
    parts.append(libraries[["animal_id"]].assign(area=libraries["assay"]))
    rows = pd.concat(parts, ignore_index=True)
    rows = rows[rows["animal_id"] != ""]
    return rows.groupby(["animal_id", "area"], sort=True).size().rename("specimens").reset_index()


def outcome_status(sources: Sources) -> pd.DataFrame:
    """What became of each unit in each modality: animal_id, area, status (measured if any outcome has a value), reason."""
    values = sources.table("animals_values", VALUE_COLUMNS)
    if values.empty:
        return pd.DataFrame(columns=["animal_id", "area", "status", "reason"])
    score = scores_among(values["outcome"])
    values = values.assign(area=areas(values, sources.dictionary).where(~score, values["modality"]))
    values.loc[values["modality"].isin(["imports", "readings"]), "area"] = values["modality"]
    rank = values["status"].map({"measured": 0, "failed": 1, "excluded": 2, "missing": 3}).fillna(4)
    best = (
        values.assign(rank=rank)
        .sort_values("rank", kind="stable")
        .drop_duplicates(["animal_id", "area"])
    )
    return best[["animal_id", "area", "status", "reason"]]


def flow(sources: Sources) -> Grid:
    """Units by arm: allocated, and for each modality measured of planned, with failed and excluded ones named."""
    animals = sources.sheets["animals"].drop_duplicates("animal_id")
    if animals.empty:
        return grid(
            animals, {"arm": "Arm"}, title="Flow of units", reason="The study has no animals sheet."
        )
    status, plan = outcome_status(sources), planned(sources)
    shown = in_order(set(plan["area"]) | set(status["area"]))
    rows = []
    for (unit, arm), part in units_by_arm(sources).groupby(["unit", "arm"], sort=False):
        row = {"unit": unit, "arm": arm, "allocated": len(part)}
        for area in shown:
            row[area] = _cell(set(part["animal_id"]), area, plan, status)
        rows.append(row)
    columns = {"unit": "Unit", "arm": "Arm", "allocated": "Allocated"} | {
        a: area_name(a) for a in shown
    }
    return grid(
        pd.DataFrame(rows),
        columns,
        title="Flow of units: measured of planned",
        file="outcomes/animals.tsv",
    )


def units_by_arm(sources: Sources) -> pd.DataFrame:
    """Units with `arm` (within the unit, or none, said in words), by kind and arm in reading order."""
    animals = sources.sheets["animals"].drop_duplicates("animal_id")
    inside = animals["animal_id"].isin(_with_conditions(sources)).map({True: WITHIN, False: NO_ARM})
    arms = animals["group"].where(animals["group"] != "", inside)
    order = [*arm_order(sources.config, sorted(set(arms) - {WITHIN, NO_ARM})), WITHIN, NO_ARM]
    place = arms.map({a: i for i, a in enumerate(order)})
    found = animals.assign(arm=arms, _place=place)
    return found.sort_values(["unit", "_place"], kind="stable").drop(columns="_place")


def _with_conditions(sources: Sources) -> set[str]:
    """Units of which a specimen says under which condition it was kept."""
    sheets = [
        sources.sheets[s] for s in (*OF_SHEET, "libraries") if "condition" in sources.sheets[s]
    ]
    return {u for df in sheets for u in df.loc[df["condition"] != "", "animal_id"]}


def in_order(names: set[str]) -> list[str]:
    """Modalities in the order of the page."""
    return sorted(names - {""}, key=lambda a: (ORDER.index(a) if a in ORDER else len(ORDER), a))


def _cell(units: set[str], area: str, plan: pd.DataFrame, status: pd.DataFrame) -> str:
    wanted = units & set(plan.loc[plan["area"] == area, "animal_id"])
    here = status[(status["area"] == area) & status["animal_id"].isin(units)]
    measured = set(here.loc[here["status"] == "measured", "animal_id"])
    if not wanted and not measured:
        return "not planned"
    text = f"{len(measured)} of {len(wanted | measured)}"
    rest = here[(here["status"] != "measured")].groupby("status")["animal_id"].nunique()
    lost = [f"{n} {s}" for s, n in rest.items()]
    return text + (f" ({', '.join(lost)})" if lost else "")


def overlap(sources: Sources) -> Grid:
    """Units × modality: specimens in the sheets, and a dash where there are none."""
    animals = sources.sheets["animals"].drop_duplicates("animal_id")
    plan = planned(sources)
    shown = in_order(set(plan["area"]))
    wide = plan.pivot_table(index="animal_id", columns="area", values="specimens", aggfunc="sum")
    table = (
        animals[["animal_id", "unit", "group", "block", "sex"]]
        .set_index("animal_id")
        .join(wide)
        .reset_index()
    )
    columns = {
        "animal_id": "Unit",
        "unit": "Kind",
        "group": "Arm",
        "block": "Block",
        "sex": "Sex",
    } | {a: area_name(a) for a in shown}
    return grid(
        table,
        columns,
        title="Overlap: specimens of each unit by modality",
        reason="The study has no units.",
    )


def batches(sources: Sources) -> list[Grid]:
    """Units of each arm in each batch, a table for each kind of specimen."""
    group = sources.sheets["animals"].drop_duplicates("animal_id").set_index("animal_id")["group"]
    out = []
    for sheet, title in BATCHES.items():
        rows = sources.sheets[sheet]
        rows = rows[rows["role"].isin(["sample", "vehicle"]) & (rows["batch"] != "")]
        if rows.empty:
            continue
        arm = rows["animal_id"].map(group).fillna("")
        arm = arm.where(arm != "", rows["condition"])
        counts = (
            rows.assign(arm=arm)
            .groupby(["batch", "arm"])["animal_id"]
            .nunique()
            .unstack(fill_value=0)
        )
        order = arm_order(sources.config, [str(a) for a in counts.columns])
        counts = counts[order].reset_index()
        out.append(
            grid(
                counts,
                {"batch": "Batch"} | {a: a or "no arm" for a in order},
                title=f"Units by batch and arm: {title}",
            )
        )
    return out


def exclusions(sources: Sources) -> Grid:
    """What was left out, and why."""
    columns = {
        "level": "Level",
        "id": "Id",
        "modality": "Modality",
        "reason": "Reason",
        "date": "Date",
        "by": "By",
        "blind": "Blind to the arm",
    }
    return grid(
        sources.sheets["exclusions"], columns, title="Exclusions", reason="Nothing was excluded."
    )


def corrections(sources: Sources) -> Grid | None:
    """Corrected masks and edited annotations, with author and reason."""
    parts = [
        sources.sheets[s].reindex(columns=["specimen_id", "mask", "mask_by", "mask_reason"])
        for s in ("scans", "sections")
    ]
    rows = pd.concat(parts, ignore_index=True).fillna("")
    rows = rows[rows["mask"] != ""]
    if rows.empty:
        return None
    columns = {"specimen_id": "Specimen", "mask": "File", "mask_by": "By", "mask_reason": "Reason"}
    return grid(rows, columns, title="Corrections by hand")


def checked_plan(sources: Sources) -> str:
    """The plan that the check left in the results folder as the run started, '' where there is none."""
    path = sources.results / "check" / "plan.txt"
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def plan_notes(text: str) -> list[tuple[str, list[str]]]:
    """Notes and warnings of the check as (heading, lines): all before the plan's first table."""
    head = text.split("\nSheets\n")[0].strip().splitlines()
    out: list[tuple[str, list[str]]] = []
    for line in head[1:]:
        if not line.strip():
            continue
        if not line.startswith((" ", "-", "*")) and line.rstrip().endswith(":"):
            out.append((line.strip().rstrip(":"), []))
        elif out:
            out[-1][1].append(line.strip())
        else:
            out.append(("Notes", [line.strip()]))
    return out
