"""Golden tests: kinds of slips that used to pass, crash or hang, each with the one line that names it."""

import os

import openpyxl
import pytest

ONE_VALUE = "one value in every cell"


def edit(name, old, new, count=-1):
    return lambda s: s.sheet(name, old, new, count)


def config(key, **change):
    return lambda s: s.config.setdefault(key, {}).update(change)


def results(value):
    return lambda s: s.config.update(results_dir=value)


def claim(key, value):
    return lambda s: s.claims.update({key: value})


def text(name, content):
    def change(s):
        (s.folder / name).write_text(content, encoding="utf-8")

    return change


def claims_text(content):
    def change(s):
        s.config["claims"] = "mine.yaml"
        (s.folder / "mine.yaml").write_text(content, encoding="utf-8")

    return change


def clinical(*lines):
    def change(s):
        s.config["sheets"]["clinical"] = "clinical.tsv"
        head = "animal_id\toutcome\tvalue\ttime\ttime_unit"
        (s.folder / "clinical.tsv").write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")

    return change


def workbook(build):
    """The animals sheet as a workbook, changed by `build`."""

    def change(s):
        book = openpyxl.Workbook()
        for line in (s.folder / "animals.tsv").read_text(encoding="utf-8").splitlines():
            book.active.append(line.split("\t"))
        build(book.active)
        book.save(s.folder / "animals.xlsx")
        s.config["sheets"]["animals"] = "animals.xlsx"

    return change


def pipe(name):
    def change(s):
        (s.folder / name).unlink()
        os.mkfifo(s.folder / name)

    return change


def only_scans(s):
    del s.config["sheets"]["sections"]


def nothing_for_a_claim(s):
    only_scans(s)
    s.claims["claims"][2].update(outcomes=["mvd"])


SHEETS = {
    "a first cell that is an error": (
        edit("scans", "R4-ct\t", "#N/A\t"),
        "scans.tsv, row 5, column specimen_id: an error of the spreadsheet program stands in this "
        "cell (found '#N/A'); allowed: the value itself, or an empty cell",
    ),
    "a lost reference": (
        edit("animals", "R3\tanimal\tPOST", "R3\tanimal\t#REF!"),
        "animals.tsv, row 4, column group: an error of the spreadsheet program stands in this "
        "cell (found '#REF!'); allowed: the value itself, or an empty cell",
    ),
    "an error of LibreOffice in a number": (
        edit("animals", "\t184", "\tErr:502"),
        "animals.tsv, row 6, column weight_g: an error of the spreadsheet program stands in this "
        "cell (found 'Err:502'); allowed: the value itself, or an empty cell",
    ),
    "an error in German": (
        edit("animals", "\t184", "\t#BEZUG!"),
        "animals.tsv, row 6, column weight_g: an error of the spreadsheet program stands in this "
        "cell (found '#BEZUG!'); allowed: the value itself, or an empty cell",
    ),
    "a column too narrow": (
        edit("animals", "\t184", "\t#####"),
        "animals.tsv, row 6, column weight_g: an error of the spreadsheet program stands in this "
        "cell (found '#####'); allowed: the value itself, or an empty cell",
    ),
    "a row that looks like a comment": (
        edit("scans", "R4-ct\t", "#R4-ct\t"),
        "scans.tsv, row 5, column specimen_id: the row starts with '#': is it a comment? "
        "Comments stand above the header only (found '#R4-ct')",
    ),
    "an endless cell": (
        edit("animals", "R4\tanimal", "R4" + "x" * 140_000 + "\tanimal"),
        "animals.tsv, row 5: a cell of more than 131,072 characters: is a quotation mark left "
        "open here?; allowed: at most 131,072 characters",
    ),
    "cells merged over rows": (
        workbook(lambda w: w.merge_cells("C3:C5")),
        "animals.xlsx, row 3: cells are merged, and only the first of them holds the value "
        f"(found 'C3:C5'); allowed: {ONE_VALUE}",
    ),
    "a formula without a value": (
        workbook(lambda w: w.__setitem__("E4", "=180+2")),
        "animals.xlsx, row 4: the formula has no stored value: open and save the file in a "
        "spreadsheet program (found 'E4: =180+2'); allowed: a formula with its value, or the value",
    ),
    "an error in a workbook": (
        workbook(lambda w: w.__setitem__("C4", "#N/A")),
        "animals.xlsx, row 4, column group: an error of the spreadsheet program stands in this "
        "cell (found '#N/A'); allowed: the value itself, or an empty cell",
    ),
    "a pipe as a sheet": (pipe("scans.tsv"), "scans.tsv: is a device or pipe, not a file"),
    "a folder as a sheet": (
        lambda s: s.config["sheets"].update(scans="raw"),
        "raw: is a folder, not a file",
    ),
    "a pipe as a scan": (
        pipe("raw/R6.tif"),
        "scans.tsv, row 7, column path: is a device or pipe, not a file (found 'raw/R6.tif')",
    ),
    "ids that differ by case": (
        edit("animals", "R2\tanimal", "r1\tanimal"),
        "animals.tsv, row 3, column animal_id: differs from 'R1' in row 2 by case only "
        "(found 'r1'); allowed: one spelling of an id",
    ),
    "ids that differ by leading zeros": (
        edit("scans", "R2-ct\t", "R01-ct\t"),
        "scans.tsv, row 3, column specimen_id: differs from 'R1-ct' in row 2 by leading zeros "
        "only (found 'R01-ct'); allowed: one spelling of an id",
    ),
    "an animal in another case": (
        edit("scans", "R4-ct\tR4", "R4-ct\tr4"),
        "scans.tsv, row 5, column animal_id: not in the animals sheet - did you mean 'R4'? "
        "They differ by case only (found 'r4')",
    ),
    "an animal with leading zeros": (
        edit("scans", "R7-ct\tR7", "R7-ct\tR007"),
        "scans.tsv, row 8, column animal_id: not in the animals sheet - did you mean 'R7'? "
        "They differ by leading zeros only (found 'R007')",
    ),
    "a bare number is no other animal": (
        edit("scans", "R7-ct\tR7", "R7-ct\t007"),
        "scans.tsv, row 8, column animal_id: not in the animals sheet (found '007')",
    ),
    "braces in a file name": (
        edit("scans", "raw/R5.tif", "raw/{R5}.tif"),
        "scans.tsv, row 6, column path: a name with braces, which stand for placeholders "
        "(found 'raw/{R5}.tif'); allowed: a name without { and }",
    ),
    "a voxel size in nanometres": (
        edit("scans", "raw/R5.tif\tday2\t18", "raw/R5.tif\tday2\t18000"),
        "scans.tsv, row 6, column voxel_um: out of range - was it written in nm? 18 µm would fit "
        "(found '18000'); allowed: from 0.2 to 1000 µm",
    ),
}
SETTINGS = {
    "results above": (
        results(".."),
        "config, column results_dir: it may not climb out of a folder by '..' (found '..'); "
        "allowed: a folder of its own for results, such as results or results/mystudy",
    ),
    "results here": (
        results("."),
        "config, column results_dir: it is the working folder itself (found '.'); allowed: ",
    ),
    "results among the rules": (
        results("workflow"),
        "config, column results_dir: it is a folder of the workflow's own files "
        "(found 'workflow'); allowed: ",
    ),
    "results in the folder of configs": (
        results("config/"),
        "config, column results_dir: it is a folder of the workflow's own files "
        "(found 'config/'); allowed: ",
    ),
    "results beside the sheets": (
        lambda s: s.config.update(results_dir=str(s.folder)),
        "config, column results_dir: it is a folder that holds the study's own files (animals.tsv)",
    ),
    "results among raw files": (
        lambda s: s.config.update(results_dir=f"{s.folder}/raw"),
        "config, column results_dir: it is a folder that holds the study's own files (R1.tif)",
    ),
    "results with braces": (
        results("results/{study}"),
        "config, column results_dir: the character '{' may not stand in it "
        "(found 'results/{study}'); allowed: ",
    ),
    "results with a command": (
        results("results-$(date)"),
        "config, column results_dir: the character '$' may not stand in it "
        "(found 'results-$(date)'); allowed: ",
    ),
    "results by a detour": (
        results("/tmp/a/../../etc"),
        "config, column results_dir: it may not climb out of a folder by '..' "
        "(found '/tmp/a/../../etc'); allowed: ",
    ),
    "results as a list": (
        results(["a", "b"]),
        "config, column results_dir: input should be a valid string (found \"['a', 'b']\")",
    ),
    "sheets as a list": (
        lambda s: s.config.update(sheets=["animals.tsv"]),
        "config, column sheets: input should be a valid dictionary (found \"['animals.tsv']\")",
    ),
    "bone as bright as metal": (
        config("microct", bone_threshold=200),
        "config, column microct/bone_threshold: is at or above the implant threshold: no voxel "
        "could be bone (found '200'); allowed: below implant_threshold, 200",
    ),
    "a low threshold above the high one": (
        config("microct", bone_threshold_low=150, segmentation="two_level"),
        "config, column microct/bone_threshold_low: is not below bone_threshold (found '150'); "
        "allowed: below 100",
    ),
    "a ring inside out": (
        config("microct", voi={"inner_um": 600, "outer_um": 500}),
        "config, column microct/voi/inner_um: the volume of interest ends before it starts "
        "(found '600'); allowed: below outer_um, 500",
    ),
    "a ring beyond the default": (
        config("microct", voi={"outer_um": 80}),
        "config, column microct/voi/inner_um: the volume of interest ends before it starts "
        "(found '90'); allowed: below outer_um, 80",
    ),
    "an axis backwards": (
        config("microct", voi={"axial_um": [1000, 0]}),
        "config, column microct/voi/axial_um: the range ends before it starts "
        "(found '1000 to 0'); allowed: the smaller number first",
    ),
    "a shell backwards": (
        config("microct", shells_um=[[90, 200], [350, 200]]),
        "config, column microct/shells_um: the range ends before it starts (found '350 to 200'); "
        "allowed: the smaller number first",
    ),
    "a sheet's name with braces": (
        lambda s: s.config["sheets"].update(scans="sc{a}ns.tsv"),
        "config, column sheets/scans: the name of a file may hold no braces "
        "(found 'sc{a}ns.tsv'); allowed: a name without { and }",
    ),
    "margin in percent": (
        claim("margin", {"kind": "deficit", "value": 30}),
        "claims.yaml, column margin/value: a share of the deficit was meant - did you mean 0.3? "
        "(found '30'); allowed: above 0, at most 1",
    ),
    "a rescue in percent": (
        lambda s: s.claims["claims"][2].update(threshold=50),
        "claims.yaml, column claims/C3/threshold: a share of the way to healthy was meant - "
        "did you mean 0.5? (found '50'); allowed: from 0 to 2",
    ),
    "a claim that nothing measures": (
        nothing_for_a_claim,
        "claims.yaml, column claims/C0: nothing in the study measures this outcome (histology); "
        "claims C2, C3 ask for it too (found 'mvd'); allowed: rows in sections or readings",
    ),
    "a key of the claims twice": (
        claims_text("contrasts:\n  C0: {weights: {CTRL: 1, DRUG: -1}}\n  C0: {weights: {}}\n"),
        "mine.yaml, column contrasts/C0: the key stands twice, in lines 2 and 3 (found 'C0'); "
        "allowed: each key once",
    ),
    "a tab in the claims": (
        claims_text("contrasts:\n\tC0: 1\n"),
        "mine.yaml: is not valid YAML in line 2: a tab stands where only spaces may",
    ),
    "claims as a list": (
        claims_text("- a\n"),
        "mine.yaml: must be a mapping of keys to values (key: value) (found 'a list')",
    ),
}


def stain(**change):
    return lambda s: s.config["histology"]["stains"]["CD31"].update(change)


def contrast(**change):
    return lambda s: s.claims["contrasts"]["C2"].update(change)


def left_out(date):
    head = "level\tid\tmodality\treason\tdate\tby\tblind"

    def change(s):
        s.config["sheets"]["exclusions"] = "left_out.tsv"
        text("left_out.tsv", f"{head}\nanimal\tR2\t\tlost\t{date}\tme\tyes\n")(s)

    return change


SHAPES = {
    "treated arms that are no list": (
        config("roles", treated=True),
        "config, column roles/treated: input should be a valid list (found 'True')",
    ),
    "a detector that is a list": (
        stain(detector=[]),
        "config, column histology/stains/CD31/detector: unknown detector (found '[]')",
    ),
    "an analysis that is a word": (
        lambda s: s.config.update(bulk={"analyses": ["x"]}),
        "config, column bulk/analyses/0: input should be a valid dictionary",
    ),
    "contrasts that are a number": (
        lambda s: s.claims.update(contrasts=-1),
        "claims.yaml, column contrasts: input should be a valid dictionary (found '-1')",
    ),
    "claims that are no list": (
        lambda s: s.claims.update(claims={"C0": 1}),
        "claims.yaml, column claims: input should be a valid list",
    ),
    "weights that are a word": (
        contrast(weights="a"),
        "claims.yaml, column contrasts/C2/weights: input should be a valid dictionary (found 'a')",
    ),
    "a weight that is no number": (
        contrast(weights={"POST": float("nan"), "disease": -1}),
        "claims.yaml, column contrasts/C2/weights/POST: input should be a finite number",
    ),
    "outcomes that are a number": (
        lambda s: s.claims["claims"][1].update(outcomes=3),
        "claims.yaml, column claims/C2/outcomes: input should be a valid",
    ),
    "a quotation mark that nothing closes": (
        edit("animals", "R2\tanimal", '"R2\tanimal'),
        "animals.tsv, row 3: a quotation mark that opens in this row takes in the next 8 lines as "
        "one cell",
    ),
    "quotation marks that take in rows": (
        lambda s: (
            edit("sections", "R2-s\t", '"R2-s\t')(s),
            edit("sections", "R5-s\t", 'R5-s"\t')(s),
        ),
        "sections.tsv, row 3: a quotation mark that opens in this row takes in the next 3 lines",
    ),
    "a missing block written as R does": (
        edit("animals", "R2\tanimal\tDRUG\tday1", "R2\tanimal\tDRUG\tNA"),
        "animals.tsv, row 3, column block: a word for a missing value is taken for a name "
        "(found 'NA'); allowed: an empty cell, or another name",
    ),
    "stain vectors that nobody knows": (
        stain(vectors="H-DAP"),
        "config, column histology/stains/CD31/vectors: unknown stain vectors - did you mean "
        "'H-DAB'? (found 'H-DAP'); allowed: H-DAB, H-E",
    ),
    "a stain vector of no stain": (
        stain(vectors={"blue": [0, 0, 0], "brown": [0, 1, 0]}),
        "config, column histology/stains/CD31/vectors: two stains with three OD values each are "
        "needed",
    ),
    "no animals to calibrate with": (
        lambda s: s.config.update(calibration={"sizes": [5, 0]}),
        "config, column calibration/sizes/1: input should be greater than or equal to 3",
    ),
    "an exclusion of no day": (
        left_out("31.12.2026"),
        "left_out.tsv, row 2, column date: not a date (found '31.12.2026'); allowed: YYYY-MM-DD",
    ),
    "an exclusion of a day that there is not": (
        left_out("2026-02-30"),
        "left_out.tsv, row 2, column date: not a date (found '2026-02-30'); allowed: YYYY-MM-DD",
    ),
}
VALUES = {
    "weeks among days": (
        clinical(*(f"R{i}\timpl_surv\t1\t28\t{'week' if i == 4 else 'd'}" for i in range(1, 6))),
        "clinical.tsv, row 5, column time_unit: 4 times of impl_surv are in d: one unit is needed "
        "(found '28 week'); allowed: d",
    ),
    "one week among weeks in days": (
        clinical("R1\tmucosa\t41\t28\td", "R2\tmucosa\t52\t28\td", "R3\tmucosa\t47\t4\tweek"),
        "clinical.tsv, row 4, column time_unit: 2 times of mucosa are in d: one unit is needed "
        "(found '4 week'); allowed: d",
    ),
    "five for yes": (
        clinical("R1\timpl_surv\t5\t28\td"),
        "clinical.tsv, row 2, column value: impl_surv is a yes/no outcome (found '5'); "
        "allowed: 0 (no) or 1 (yes)",
    ),
    "more than all": (
        clinical("R1\tmucosa\t460\t28\td"),
        "clinical.tsv, row 2, column value: out of the range of mucosa (found '460'); "
        "allowed: from 0 to 100 %",
    ),
    "less than nothing": (
        clinical("R1\tweight\t-180\t28\td"),
        "clinical.tsv, row 2, column value: out of the range of weight (found '-180'); "
        "allowed: from 0",
    ),
}
WARNED = {
    "an arm that no contrast names": (
        edit(
            "animals",
            "R9\tanimal\tPOST\tday3\t188",
            "R9\tanimal\tPOST\tday3\t188\nR10\tanimal\tPOST2\tday1\t190\nR11\tanimal\tPOST2\tday2\t191",
        ),
        "animals.tsv, rows 11, 12, column group: no role and no contrast names this arm - did you mean 'POST'?: "
        "it is shown, and no claim is about it (found 'POST2'); allowed: CTRL, DRUG, POST",
    ),
    "a domain of a claim that a partial study lacks": (
        only_scans,
        "claims.yaml, column claims/C0: nothing in the study measures this outcome (histology); "
        "claims C2 ask for it too (found 'mvd'); allowed: rows in sections or readings",
    ),
    "a share among percents": (
        clinical(*(f"R{i}\tmucosa\t{v}\t28\td" for i, v in ((1, 46), (2, 51), (3, 0.46)))),
        "clinical.tsv, row 4, column value: mucosa is in %: is this a share - did you mean 46? "
        "(found '0.46'); allowed: percent, 0 to 100",
    ),
    "a voxel ten times another's": (
        edit("scans", "raw/R5.tif\tday2\t18", "raw/R5.tif\tday2\t180"),
        "scans.tsv, row 6, column voxel_um: 10 times larger than the others in batch day2: "
        "is it right? (found '180'); allowed: about 18 µm",
    ),
    "a pixel half of the others'": (
        edit("sections", "\trun1\t0.5", "\trun1\t0.25", 1),
        "sections.tsv, row 3, column pixel_um: 2 times smaller than the others in batch run1, "
        "stain CD31: is it right? (found '0.25'); allowed: about 0.5 µm",
    ),
}
REFUSED = SHEETS | SHAPES | SETTINGS | VALUES


@pytest.mark.parametrize("name", REFUSED)
def test_a_slip_is_refused_in_one_line(small, name):
    change, line = REFUSED[name]
    change(small)
    text, usable = small.check()
    assert not usable, text
    assert line in text, text
    assert text.count("\n  2. ") == 0 or name in SEVERAL, text


# Slips that give rise to others: a lost animal, a sheet that is gone, a name that no file has.
SEVERAL = {
    "outcomes that are a number",
    "a quotation mark that nothing closes",
    "braces in a file name",
    "results beside the sheets",
    "sheets as a list",
    "a key of the claims twice",
    "a tab in the claims",
    "claims as a list",
    "a sheet's name with braces",
    "ids that differ by case",
}


@pytest.mark.parametrize("name", WARNED)
def test_a_doubt_is_a_warning(small, name):
    change, line = WARNED[name]
    change(small)
    text, usable = small.check()
    assert usable, text
    assert line in text.partition("Please look at:")[2], text


def test_a_bad_header_gives_one_message(small):
    small.sheet("animals", "animal_id", "animal")
    text, usable = small.check()
    assert not usable
    found = [line for line in text.splitlines() if line.startswith("  ") and ". " in line]
    assert found[0].endswith(
        "animals.tsv, row 1, column animal: unknown column - did you mean 'animal_id'?; allowed: "
        "animal_id, unit, group, block, sex, weight_g, source_animals, species, dose, dose_unit, note"
    )
    assert found[1].endswith("animals.tsv, row 1, column animal_id: required column is missing")
    assert len(found) == 2, text
    assert "is needed first: arms, claims and files are checked when it is mended" in text


def test_a_long_list_of_one_kind_ends_with_a_count(small):
    for i in range(1, 10):
        small.sheet("scans", f"R{i}-ct\tR{i}", f"R{i}-ct\tX{i}")
    text, usable = small.check()
    assert not usable
    assert text.count("not in the animals sheet") == 8
    assert "(found 'X8') (and 1 more of this kind)" in text


def test_comments_above_the_header_stay_allowed(small):
    path = small.folder / "scans.tsv"
    path.write_text("# scanned in May\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    text, usable = small.check()
    assert usable, text


def test_a_formula_whose_value_is_stored_is_read(tmp_path):
    from zipfile import ZipFile

    from periomics.core.workbooks import read_workbook

    book = openpyxl.Workbook()
    book.active.append(["a", "b"])
    book.active.append(["=1+1", '=""'])
    book.save(tmp_path / "raw.xlsx")
    with ZipFile(tmp_path / "raw.xlsx") as old, ZipFile(tmp_path / "a.xlsx", "w") as new:
        for name in old.namelist():
            part = old.read(name)
            part = part.replace(b"<f>1+1</f><v />", b"<f>1+1</f><v>2</v>")
            part = part.replace(b'r="B2"><f>""</f><v />', b'r="B2" t="str"><f>""</f><v></v>')
            new.writestr(name, part)
    rows, problems = read_workbook(tmp_path / "a.xlsx", "a.xlsx")
    assert problems == []
    assert rows == [["a", "b"], ["2", ""]]
