"""Sections that stand for their arm, chosen by a rule: the animal nearest the median of its arm, and its section nearest its own value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from PIL import Image, ImageDraw, ImageFont

from periomics.core.files import atomic
from periomics.core.results import write_result
from periomics.report.dots import last_time
from periomics.report.pictures import Picture, embed
from periomics.report.sources import Sources
from periomics.report.words import known, number, unit_words
from periomics.study.interface.pictures import UM_PER_PIXEL

# Width of a montage, space between its sections, and height of the lines above and of the bar below them, in pixels.
WIDTH, GAP, HEAD, FOOT = 1500, 8, 34, 34
MOST = 6
BARS_UM = (5000, 2000, 1000, 500, 200, 100, 50, 20, 10)


@dataclass(frozen=True)
class Chosen:
    """The section that stands for an arm."""

    arm: str
    animal_id: str
    section: str
    value: float
    median: float
    file: str


def nearest(values: pd.Series, target: float) -> str:
    """Name of the value nearest a target; of two equally near the lower, then by name."""
    ranked = sorted((abs(v - target), v, str(k)) for k, v in values.items())
    return ranked[0][2]


def choose(
    animals: pd.DataFrame, sections: pd.DataFrame, arms: Sequence[str], results: Path
) -> list[Chosen]:
    """One section per arm.

    Parameters
    ----------
    animals
        animal_id, condition, value of one outcome in its default definition.
    sections
        animal_id, section_id, field_id, value of the same.
    arms
        Order of the arms.
    results
        Folder of results, in which the section's picture must stand.
    """
    out = []
    for arm in arms:
        values = animals[animals["condition"] == arm].groupby("animal_id")["value"].mean()
        shown = sections[sections["animal_id"].isin(values.index)]
        names = shown["section_id"] + ("_" + shown["field_id"]).where(shown["field_id"] != "", "")
        files = "histology/" + shown["animal_id"] + "/sections/" + names + ".png"
        shown = shown.assign(name=names, file=files)
        # A mask with an index: a list without rows would choose columns.
        shown = shown[shown["file"].map(lambda f: (results / f).is_file()).astype(bool)]
        values = values[values.index.isin(shown["animal_id"])]
        if values.empty:
            continue
        median = float(values.median())
        animal = nearest(values, median)
        own = shown[shown["animal_id"] == animal].set_index("name")
        section = nearest(own["value"], float(values[animal]))
        file = str(own.loc[section, "file"])
        out.append(Chosen(arm, animal, section, float(values[animal]), median, file))
    return out


def montage(chosen: Sequence[Chosen], results: Path, unit: str) -> Image.Image | None:
    """The sections beside each other at one scale, under their arm, with one scale bar; None where a scale is not known."""
    images = []
    for one in chosen:
        with Image.open(results / one.file) as opened:
            scale = float(opened.info.get(UM_PER_PIXEL, 0))
            images.append((opened.convert("RGB"), scale))
    if not images or any(scale <= 0 for _, scale in images):
        return None
    wide = sum(image.width * scale for image, scale in images)
    um = max(wide / (WIDTH - GAP * (len(images) - 1)), max(scale for _, scale in images))
    sized = [
        image.resize(
            (max(1, round(image.width * scale / um)), max(1, round(image.height * scale / um))),
            Image.Resampling.BOX if scale < um else Image.Resampling.BICUBIC,
        )
        for image, scale in images
    ]
    width = sum(i.width for i in sized) + GAP * (len(sized) - 1)
    height = max(i.height for i in sized)
    sheet = Image.new("RGB", (width, HEAD + height + FOOT), "white")
    draw, x = ImageDraw.Draw(sheet), 0
    for one, image in zip(chosen, sized, strict=True):
        draw.text((x, 1), f"{one.arm}  {one.animal_id}", fill="black", font=_font(14))
        draw.text((x, 17), f"{number(one.value)} {unit}", fill=(70, 70, 70), font=_font(12))
        sheet.paste(image, (x, HEAD))
        x += image.width + GAP
    bar = next((b for b in BARS_UM if b / um <= width / 6), BARS_UM[-1])
    y = HEAD + height + 10
    draw.rectangle((0, y, bar / um, y + 4), fill="black")
    draw.text((bar / um + 8, y - 6), f"{bar} µm, the same for all", fill="black", font=_font(13))
    return sheet


def _font(size: int) -> ImageFont.FreeTypeFont:
    """The font of the figures: that of the picture library has no µ and no ²."""
    import matplotlib as mpl

    return ImageFont.truetype(f"{mpl.get_data_path()}/fonts/ttf/DejaVuSans.ttf", size)


def representative(sources: Sources, outcomes: Iterable[str], figures: Path) -> list[Picture]:
    """A montage per outcome of sections, at the last time of several, kept beside the figures with the table of what was chosen."""
    common = ["animal_id", "outcome", "variant", "value", "time"]
    more = ["status", "condition", "dose", "time_unit", "unit"]
    values = sources.table("animals_values", [*common, *more])
    columns = [*common, "modality", "section_id", "field_id", "qc"]
    rows = sources.table("measurements", columns)
    values = values[(values["status"] == "measured") & (values["variant"] == "")]
    good = (rows["qc"] == "pass") & rows["value"].notna()
    rows = rows[(rows["modality"] == "histology") & (rows["variant"] == "") & good]
    out: list[Picture] = []
    for outcome in outcomes:
        own, parts = (t[t["outcome"] == outcome] for t in (values, rows))
        own, repeated = last_time(own)
        if repeated:
            parts = parts[parts["time"] == own["time"].iloc[0]]
        chosen = choose(own, parts, sources.arms, sources.results)
        if len(chosen) < 2 or len(out) == MOST:
            continue
        sheet = montage(chosen, sources.results, unit_words(str(own["unit"].iloc[0])))
        if sheet is not None:
            symbol = str(known(sources.dictionary, outcome)["symbol"])
            out.append(_kept(sheet, chosen, symbol, figures / f"sections_{outcome}"))
    return out


def _kept(sheet: Image.Image, chosen: Sequence[Chosen], symbol: str, path: Path) -> Picture:
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.with_name(f"{path.name}.png")
    with atomic(file) as part:
        sheet.save(part, format="PNG")
    write_result(pd.DataFrame(chosen), path.with_name(f"{path.name}.tsv"))
    uri, width, height = embed(file, sheet.width)
    return Picture(symbol, "", uri, width, height, file=file.name)
