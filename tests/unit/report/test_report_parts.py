"""Words, flow of units, agreement, pictures, genes and methods: each against what can be counted by hand."""

import io
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from report_study import DICTIONARY, claims, config

from periomics.report import (
    flow,
    genes,
    linked,
    methods,
    modality,
    pictures,
    recovered,
    told,
    words,
)
from periomics.report.claims import anchor
from periomics.report.explorer import explorer
from periomics.report.page import environment
from periomics.report.sources import sources
from periomics.study.dictionary import load_dictionary


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.12345, "0.123"),
        (-3.0, "−3"),
        (1234567.0, "1\u202f234\u202f567"),
        (1234.0, "1234"),
        (12.345, "12.3"),
        (4.54e-7, "4.54e−7"),
        (np.nan, "–"),
        (True, "yes"),
        ("a", "a"),
        (np.inf, "∞"),
        (0.0, "0"),
        (2.5e9 + 0.25, "2\u202f500\u202f000\u202f000"),
    ],
)
def test_numbers(value, text):
    assert words.number(value) == text


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (0.0, "p < .0001"),
        (0.012, "p = .012"),
        (1.0, "p = 1"),
        (0.5, "p = .5"),
        (0.0497, "p = .0497"),
        (0.0503, "p = .0503"),
        (0.05, "p = .05"),
        (np.nan, ""),
    ],
)
def test_p_values_are_never_zero(p, text):
    assert words.p_value(p).replace("\u00a0", " ") == text


def test_intervals_show_two_digits_of_their_width():
    assert (
        words.interval(0.1933, 1.2157) == "[0.19, 1.22]"
        and words.interval(-20.44, 310.9) == "[−20, 311]"
    )
    assert (
        words.interval(0.012, 2.81) == "[0.01, 2.81]"
        and words.interval(0, 28) == "[0, 28]"
        and words.interval(-0.3, 40) == "[−0.3, 40.0]"
    )
    assert (
        words.interval(np.nan, np.nan) == ""
        and words.interval(-0.001, 0.001) == "[−0.0010, 0.0010]"
    )


def test_an_end_too_near_0_to_be_written_says_on_which_side_it_lies():
    assert words.interval(1e-6, 0.8287) == "[> 0, 0.83]"
    assert words.interval(-0.8287, -1e-6) == "[−0.83, < 0]"
    assert words.interval(0.0004, 0.8287) == "[0.0004, 0.8287]"


def test_units_and_marks():
    assert [words.unit_words(u) for u in ("mm3", "1/mm2", "um", "um3/um2/d", "1", "%")] == [
        "mm³",
        "1/mm²",
        "µm",
        "µm³/µm²/d",
        "",
        "%",
    ]
    dictionary = load_dictionary(DICTIONARY)
    assert words.unvalidated(dictionary, "mvd") == "not validated on real stain"
    assert (
        words.unvalidated(dictionary, "bvtv") == ""
        and words.unvalidated(dictionary, "impl_surv") == ""
    )
    assert words.unvalidated(dictionary, "prol") == "not validated on real data"
    assert words.symbol(dictionary, "no such outcome") == "no such outcome"
    assert (
        words.tone("supported")[0] == "good"
        and words.tone("a word of tomorrow") == words.OTHER_TONE
    )


def test_anchors_stay_apart():
    names = ["a b", "a-b", "a_b", "a%b", "ä", "a--b"]
    assert len({anchor("x", n) for n in names}) == len(names)


def test_flow_counts_allocated_measured_and_excluded(toy):
    grid = flow.flow(toy.sources)
    of_donors = [r for r in grid.rows if r[0] == "donor"]
    grid_rows = [r for r in grid.rows if r[0] != "donor"]
    rows = {row[1]: dict(zip(grid.header, row, strict=True)) for row in grid_rows}
    animals = toy.sources.sheets["animals"].set_index("animal_id")["group"]
    arm = animals[toy.sources.sheets["exclusions"]["id"].iloc[0]]
    assert rows[arm]["Allocated"] == "6" and rows[arm]["Micro-CT"] == "5 of 6 (1 excluded)"
    donors = dict(zip(grid.header, of_donors[0], strict=True))
    assert len(of_donors) == 1 and donors["Allocated"] == "3"
    assert [r[1] for r in grid_rows] == ["CTRL", "DRUG", "PRE", "POST", flow.WITHIN]
    assert (
        rows[flow.WITHIN]["Cell culture"] == "6 of 6"
        and rows[flow.WITHIN]["Micro-CT"] == "not planned"
    )
    other = next(a for a in ("CTRL", "DRUG") if a != arm)
    scanned = toy.sources.sheets["scans"]["animal_id"].map(animals)
    assert (
        rows[other]["Micro-CT"] == f"{(scanned == other).sum()} of {(scanned == other).sum()}"
        and rows[other]["Bulk RNA-seq"] == "6 of 6"
    )


def test_batches_count_units_once(toy):
    tables = flow.batches(toy.sources)
    scans = tables[0]
    total = sum(int(c) for row in scans.rows for c in row[1:])
    assert total == toy.sources.sheets["scans"]["animal_id"].nunique()


def test_notes_of_the_plan():
    text = "periomics check: x\n\nPlease look at:\n  - a\n  - b\n\nUnderstood as:\n  - c\n\n\nSheets\n  animals: 1 row\n"
    assert flow.plan_notes(text) == [("Please look at", ["- a", "- b"]), ("Understood as", ["- c"])]
    assert flow.plan_notes("") == []


def test_agreement_is_bland_and_altman(toy):
    values = toy.sources.table("animals_values", modality.VALUE_COLUMNS)
    part = values[(values["outcome"] == "elac") & (values["status"] == "measured")]
    wide = part.pivot_table(index="animal_id", columns="variant", values="value")
    difference = wide["source=reading"] - wide[""]
    row = dict(
        zip(
            *(
                modality.agreement(part, toy.sources.dictionary).header,
                modality.agreement(part, toy.sources.dictionary).rows[0],
            ),
            strict=True,
        )
    )
    assert row["n"] == "24" and row["Mean difference"] == words.number(difference.mean())
    half = 1.96 * difference.std(ddof=1)
    assert row["Limits of agreement"] == words.interval(
        difference.mean() - half, difference.mean() + half
    )


def test_sensitivity_compares_with_the_default_definition(toy):
    grid = modality.sensitivity(toy.sources, {"bvtv"})
    assert {row[2] for row in grid.rows} == {"threshold=+10%"} and {
        row[-1] for row in grid.rows
    } <= {"yes", "no"}
    assert modality.sensitivity(toy.sources, {"mvd"}) is None


def test_quality_joins_outcomes_of_one_reason():
    df = pd.DataFrame(
        {
            "specimen_id": "s",
            "animal_id": "a",
            "modality": "microct",
            "section_id": "",
            "outcome": ["x", "y", "z"],
            "qc": ["fail", "fail", "pass"],
            "qc_reason": ["r", "r", ""],
        }
    )
    grid = modality.quality(df, "microct")
    assert len(grid.rows) == 1 and grid.rows[0] == ["fail", "1", "s", "1", "x, y", "r"]
    many = pd.concat([df.assign(specimen_id=f"s{i:02d}", animal_id=f"a{i}") for i in range(11)])
    assert modality.quality(many, "microct").rows[0][1:4] == [
        "11",
        "s00, s01, s02, s03, s04, s05, s06, s07 and 3 more",
        "11",
    ]
    assert modality.quality(df, "culture").reason == "No specimen was flagged and none failed."


def noise(path, size):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (*size, 3), dtype=np.uint8)).save(
        path
    )
    return path


def test_pictures_are_made_small_and_stay_within_the_budget(tmp_path):
    files = [("p", "", noise(tmp_path / f"{i}.png", (600, 1500))) for i in range(4)]
    shown, note = pictures.embedded(files, tmp_path, 4, budget=500_000)
    assert (
        all(p.width <= pictures.width_for(4, 500_000) for p in shown)
        and abs(shown[0].width / shown[0].height - 2.5) < 0.02
    )
    assert len(shown) < 4 and "further pictures" in note
    assert (
        pictures.width_for(1) == pictures.WIDTHS[0]
        and pictures.width_for(10_000) == pictures.WIDTHS[-1]
    )


def test_sections_at_full_size_are_linked_from_the_folder_of_the_report(tmp_path):
    sheet = noise(tmp_path / "histology" / "R1" / "overlays.png", (60, 150))
    for name in ("R1-HE", "R1-CD31"):
        page = sheet.parent / "sections" / f"{name}.html"
        page.parent.mkdir(exist_ok=True)
        page.touch()
    shown, _ = pictures.embedded([("R1", "CTRL", sheet)], tmp_path, 1)
    assert shown[0].pages == (
        "histology/R1/sections/R1-CD31.html",
        "histology/R1/sections/R1-HE.html",
    )
    macros = environment().get_template("macros.html.j2").module
    for address in re.findall(r'href="([^"]+)"', macros.pictures(shown, "")):
        assert (tmp_path / "report" / address).resolve().is_file()


def test_plots_stay_png_where_that_is_smaller(tmp_path):
    flat = tmp_path / "flat.png"
    Image.new("RGB", (300, 200), "white").save(flat)
    assert pictures.embed(flat, 400)[0].startswith("data:image/png")
    uri, width, _ = pictures.embed(noise(tmp_path / "n.png", (200, 600)), 400)
    assert uri.startswith("data:image/jpeg") and width == 400


def test_ids_that_are_no_file_names_are_not_followed(tmp_path):
    sheets = {
        "scans": pd.DataFrame(
            {"specimen_id": ["../secret", "ok"], "animal_id": ["a", "a"], "condition": ["", ""]}
        ),
        "animals": pd.DataFrame({"animal_id": ["a"], "group": ["CTRL"]}),
    }
    noise(tmp_path / "secret" / "overlay.png", (4, 4))
    noise(tmp_path / "microct" / "ok" / "overlay.png", (4, 4))
    assert [f[0] for f in pictures.find("microct", sheets, tmp_path, ["CTRL"])] == ["ok"]


def test_changed_genes_are_counted_and_refusals_quoted():
    table = pd.DataFrame({"padj": [0.01, 0.04, 0.2, np.nan], "log2FC": [1, -1, 2, 0]})
    assert genes.changed(table) == "2 of 3 genes changed (q ≤ 0.05): 1 up, 1 down"
    assert (
        genes.changed(table.assign(padj=np.nan, note="two donors"))
        == "no test was made: two donors"
    )
    assert genes.changed(table.iloc[:0]).startswith("no test was made")
    overview = {"reason": "no library in arm PRE", "n_per_arm": "PRE 0; DRUG 3"}
    assert (
        genes.changed(table.iloc[:0], overview)
        == "no test was made: no library in arm PRE (n: PRE 0; DRUG 3)"
    )
    assert genes.changed(table, {"n_per_arm": "PRE 4; DRUG 3"}).endswith(
        "1 down (n: PRE 4; DRUG 3)"
    )
    counted = {"margin": 1.0, "n_beyond": "1", "n_within": 2}
    assert genes.changed(table, counted).endswith(
        "1 down; 2 shown to change by less than 2-fold, 1 by more; of the others neither is shown"
    )
    assert genes.changed(table, counted | {"n_within": ""}).endswith("1 down")


def test_composition_separates_units_from_contrasts(toy):
    contrasts, units = genes.composition_grids(toy.sources.table("sc_composition"))
    assert len(contrasts.rows) == 1 and "fewer than 3 units in an arm" in contrasts.rows[0]
    assert len(units.rows) == 4 and units.rows[0][4] == "0.400"
    assert (toy.figures / "composition--basal.tsv").is_file()


def test_scores_are_ordered_by_the_variance_between_arms():
    rows = pd.DataFrame(
        {
            "outcome": ["a"] * 4 + ["b"] * 4,
            "condition": ["x", "x", "y", "y"] * 2,
            "value": [1.0, 1, 5, 5, 1, 5, 1, 5],
        }
    )
    share = genes.separation(rows)
    assert share.to_dict() == {"a": 1.0, "b": 0.0} and list(share.index) == ["a", "b"]


def test_scores_of_animals_and_isolations_are_drawn_apart(toy):
    names = {p.stem for p in toy.figures.glob("score*.svg")}
    assert names and all(n.endswith("--animal") for n in names)
    first, further = genes.score_plots(toy.sources, "bulk", toy.figures)
    declared = (
        {p["score"] for p in config()["linkage"]["pairs"]} if config().get("linkage") else set()
    )
    drawn = {d.name for d in first}
    assert drawn == {
        anchor(s, "animal") for s in declared & set(toy.sources.table("animals_values")["outcome"])
    }
    assert {d.name for d in [*first, *further]} == names


def test_share_of_edges_from_memory(tmp_path):
    path = tmp_path / "signalling.tsv"
    path.write_text("source\tevidence\nA\tmemory\nB\tseen\nC\tmemory\nD\ttable\n", encoding="utf-8")
    said = "50 % are known from memory, 25 % have their sign from a named table, for 25 % a source was read"
    assert linked.memory_share(sources({"signalling": str(path)}, tmp_path)) == (
        f"Of the 4 edges of the team's signed table {said}."
    )
    assert linked.memory_share(sources({}, tmp_path)) == ""


def test_recovery_by_outcome(toy):
    grid, text = recovered.recovery(toy.sources)
    row = dict(zip(grid.header, grid.rows[0], strict=True))
    assert (
        row["n"] == "2"
        and row["Bias"] == "0.250"
        and row["Slope on truth"] == "1.02"
        and row["Within tolerance"] == "3 of 3"
    )
    assert text == "3 of 3 comparisons lie within their tolerance."


def test_methods_use_only_what_the_config_says(toy):
    settings = config()
    text = toy.methods
    assert (
        f"scenario {settings['simulate']['scenario']}" in text
        and f"seed {settings['seed']}" in text
    )
    assert (
        "tube voltage: not reported" in text
        and "Allocation: not reported" in text
        and "Operators: not reported" in text
    )
    assert ", ".join(c["id"] for c in claims()["claims"]) in text
    for heading in (
        "Micro-CT",
        "Histology",
        "Cell culture",
        "RNA sequencing",
        "Statistics",
        "Linkage",
    ):
        assert f"## {heading}\n" in text
    for heading, sentences in methods.methods(toy.sources, toy.sources.mapping("claims")):
        assert heading and all(
            s.strip() and "None" not in s and "nan" not in s.split() for s in sentences
        )


def test_settings_stand_as_they_were_written(tmp_path):
    assert [told.plain(v) for v in (0.6, 0.05, 17000, 18.0, 1.625, "H-DAB", True)] == [
        "0.6",
        "0.05",
        "17\u202f000",
        "18",
        "1.625",
        "H-DAB",
        "True",
    ]
    settings = {"a": {"b": [36.0, 54.5], "c": 0.8, "d": None, "e": False}}
    assert (
        told.value(settings, "a/b", "µm") == "36, 54.5 µm" and told.value(settings, "a/c") == "0.8"
    )
    assert told.value(settings, "a/e") == "no"
    assert (
        told.value({"vectors": {"blue": [0.65, 0.7], "brown": [0.27]}}, "vectors")
        == "blue (0.65, 0.7); brown (0.27)"
    )
    assert {told.value(settings, p) for p in ("a/d", "a/x", "z/y/x", "a/c/d")} == {
        told.NOT_REPORTED
    }


def test_plan_is_found_where_the_check_left_it(tmp_path):
    found = sources({}, tmp_path)
    assert flow.checked_plan(found) == ""
    (tmp_path / "check").mkdir()
    (tmp_path / "check" / "plan.txt").write_text("periomics check: x\n", encoding="utf-8")
    assert flow.checked_plan(found) == "periomics check: x\n"


def test_settings_beside_the_defaults_are_told_in_the_methods(toy):
    assert "bulk/scores/regulon_genes 7 (5)" in toy.methods
    (said,) = methods._set_otherwise({"study": {"name": "x"}})
    assert said == "All settings of analysis that have a default were left at it."


def test_a_changed_setting_changes_its_sentence_and_no_other(toy):
    def sentences(threshold):
        found = toy.sources.config | {"microct": {"bone_threshold": threshold}}
        copy = type(toy.sources)(toy.sources.files, toy.sources.results)
        copy.__dict__["record"] = toy.sources.record | {"config": found}
        return [s for _, part in methods.methods(copy, {}) for s in part]

    changed = [(a, b) for a, b in zip(sentences(17000), sentences(18000), strict=True) if a != b]
    assert (
        len(changed) == 1
        and "17000" in changed[0][0].replace("\u202f", "")
        and "18000" in changed[0][1].replace("\u202f", "")
    )


@pytest.mark.parametrize(
    ("told", "word"),
    [(None, "not reported"), (True, "blinded, as reported"), (False, "not blinded, as reported")],
)
def test_blinding_says_who_told(told, word):
    line = methods.blinding({"study": {"operators_blinded": told}})
    assert "Software blinded" in line and f"Operators: {word}" in line


def test_explorer_cannot_be_broken_out_of(toy):
    values = toy.sources.table("animals_values", modality.VALUE_COLUMNS).assign(
        batch="</script><script>x"
    )
    spec, library = explorer(values, toy.sources.dictionary, ["CTRL"])
    assert "<" not in spec and "</script" not in library
    assert explorer(values.iloc[:0], toy.sources.dictionary, []) is None


def test_explorer_shows_whole_outcomes_only(toy, monkeypatch):
    from periomics.report import explorer as module

    values = toy.sources.table("animals_values", modality.VALUE_COLUMNS)
    everything = module.explorer_rows(values, toy.sources.dictionary)
    assert (
        not everything["what"].str.contains("threshold").any() and everything["value"].notna().all()
    )
    first = everything["what"].iloc[0]
    monkeypatch.setattr(module, "MOST_ROWS", int((everything["what"] == first).sum()) + 1)
    assert set(module.explorer_rows(values, toy.sources.dictionary)["what"]) == {first}


def test_sources_read_lists_folders_and_absent_names(tmp_path):
    folder = tmp_path / "de"
    folder.mkdir()
    for name in ("b", "a"):
        (folder / f"{name}.tsv").write_text("gene_id\tp\ng\t0.1\n", encoding="utf-8")
    found = sources({"sc_de": str(folder), "de": [str(folder / "a.tsv")], "claims": []}, tmp_path)
    assert [p.stem for p in found.tables("sc_de")] == ["a", "b"] and len(found.tables("de")) == 1
    assert (
        found.tables("sets") == {} and found.mapping("claims") == {} and found.path("plan") is None
    )
    assert list(found.table("verdicts", ("x",)).columns) == ["x"]
    assert io.StringIO(found.text("plan")).read() == ""


def test_donors_have_no_arm(tmp_path):
    animals = "animal_id\tspecies\tunit\tgroup\nR01\trat\tanimal\tCTRL\nD1\trat\tdonor\t\nI1\trat\tisolation\t\n"
    libraries = (
        "specimen_id\tanimal_id\tcondition\tassay\tpath\tspecies\n"
        "a\tD1\t\tbulk\tx.tsv\trat\nb\tI1\tmedium\tbulk\tx.tsv\trat\n"
    )
    files = {"dictionary": str(DICTIONARY)}
    for name, text in (("animals", animals), ("libraries", libraries)):
        files[name] = str(tmp_path / f"{name}.tsv")
        (tmp_path / f"{name}.tsv").write_text(text, encoding="utf-8")
    rows = flow.flow(sources(files, tmp_path)).rows
    assert {r[0]: r[1] for r in rows} == {
        "animal": "CTRL",
        "donor": flow.NO_ARM,
        "isolation": flow.WITHIN,
    }
