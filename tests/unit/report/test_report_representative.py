"""Sections that stand for their arm: chosen by the rule, at one scale, and never one that is held back."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from report_study import DICTIONARY

from periomics.report.representative import HEAD, choose, montage, nearest, representative
from periomics.study.dictionary import load_dictionary


def picture(folder, animal, section, pixel_um=1.0, size=(300, 200), scale=True):
    path = folder / "histology" / animal / "sections" / f"{section}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    told = PngInfo()
    if scale:
        told.add_text("um_per_pixel", f"{pixel_um}")
    Image.new("RGB", size, (200, 60, 60)).save(path, pnginfo=told)


def test_nearest_takes_the_lower_of_two_then_the_first_id():
    assert nearest(pd.Series({"a": 9.0, "b": 11.0}), 10.0) == "a"
    assert nearest(pd.Series({"b": 9.0, "a": 9.0}), 10.0) == "a"
    assert nearest(pd.Series({"a": 1.0, "b": 10.2}), 10.0) == "b"


@pytest.fixture
def study(tmp_path):
    """Two arms: values 1, 2, 30 and 4, 6; the animal of median 2 has sections of 0, 2.5 and 9."""
    animals = pd.DataFrame(
        [("A1", "A", 1.0), ("A2", "A", 2.0), ("A3", "A", 30.0), ("B1", "B", 4.0), ("B2", "B", 6.0)],
        columns=["animal_id", "condition", "value"],
    )
    rows = [("A1", "a1", "", 1.0), ("A2", "x", "f1", 0.0), ("A2", "x", "f2", 2.5)]
    rows += [("A2", "y", "", 9.0), ("A3", "a3", "", 30.0), ("B1", "b1", "", 4.0)]
    rows += [("B2", "b2", "", 6.0)]
    for animal, section, field_id, _ in rows:
        picture(tmp_path, animal, f"{section}_{field_id}".rstrip("_"))
    sections = pd.DataFrame(rows, columns=["animal_id", "section_id", "field_id", "value"])
    return animals, sections, tmp_path


def test_the_animal_nearest_the_median_and_its_section_nearest_its_value(study):
    animals, sections, folder = study
    found = choose(animals, sections, ["B", "A"], folder)
    assert [(c.arm, c.animal_id, c.section) for c in found] == [
        ("B", "B1", "b1"),
        ("A", "A2", "x_f2"),
    ]
    assert [(c.value, c.median) for c in found] == [(4.0, 5.0), (2.0, 2.0)]


def test_an_animal_without_a_picture_stands_for_none(study):
    animals, sections, folder = study
    for file in (folder / "histology/A2/sections").iterdir():
        file.unlink()
    arm = choose(animals, sections, ["A"], folder)[0]
    assert arm.animal_id == "A1" and arm.median == 15.5


def test_an_outcome_without_sections_and_an_arm_without_animals_choose_nothing(study):
    animals, sections, folder = study
    assert choose(animals, sections.iloc[:0], ["A", "B"], folder) == []
    assert choose(animals, sections, ["C"], folder) == []
    assert choose(animals.iloc[:0], sections.iloc[:0], ["A"], folder) == []


def test_all_stand_at_one_scale(study):
    animals, sections, folder = study
    picture(folder, "B1", "b1", pixel_um=2.0, size=(300, 100))
    chosen = choose(animals, sections, ["A", "B"], folder)
    sheet = np.asarray(montage(chosen, folder, "1/mm²"))
    red = (sheet[..., 0] > 150) & (sheet[..., 1] < 100)
    heights = red.sum(axis=0)
    first, second = heights[heights > 0][0], heights[heights > 0][-1]
    # 200 pixels of 1 µm are as tall as 100 of 2 µm; twice as wide is the second.
    assert abs(first - second) <= 1
    runs = np.flatnonzero(np.diff((heights > 0).astype(int)))
    assert (runs[2] - runs[1] if len(runs) > 2 else len(heights) - 1 - runs[-1]) / (
        runs[0] + 1
    ) == pytest.approx(2, abs=0.05)
    black = (sheet[HEAD + first + 12] == 0).all(axis=1)
    bar, um = int(np.argmin(black)), 200 / first
    assert any(abs(bar * um - length) < 2 * um for length in (50, 100, 200))


def test_of_several_times_the_last_one_is_shown(study):
    animals, sections, folder = study
    later = animals.assign(value=animals["value"].iloc[::-1].to_numpy())
    values = pd.concat([animals.assign(time=7.0), later.assign(time=28.0)])
    rows = pd.concat([sections.assign(time=7.0), sections.assign(time=28.0)])
    rows = rows.assign(outcome="mvd", variant="", modality="histology", qc="pass")
    rows.loc[rows["time"] == 28.0, "section_id"] += "-late"
    for row in rows[rows["time"] == 28.0].itertuples():
        picture(folder, row.animal_id, f"{row.section_id}_{row.field_id}".rstrip("_"))
    values = values.assign(
        outcome="mvd", variant="", status="measured", unit="1/mm2", dose=np.nan, time_unit="d"
    )
    given = {"animals_values": values, "measurements": rows}
    sources = SimpleNamespace(
        table=lambda name, columns: given[name],
        arms=["A", "B"],
        results=folder,
        dictionary=load_dictionary([DICTIONARY]),
    )
    assert len(representative(sources, ["mvd"], folder / "figures")) == 1
    chosen = pd.read_csv(folder / "figures" / "sections_mvd.tsv", sep="\t")
    assert chosen["section"].str.contains("-late").all()
    # Late values of A1, A2, A3 are 6, 4 and 30: the median is that of A1; of B1, B2 2 and 1, the lower of two.
    assert list(chosen["animal_id"]) == ["A1", "B2"]


def test_pictures_without_a_scale_are_no_montage(study):
    animals, sections, folder = study
    picture(folder, "B1", "b1", scale=False)
    assert montage(choose(animals, sections, ["A", "B"], folder), folder, "") is None
