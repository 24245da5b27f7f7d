"""Golden tests: a study broken in one way gives the line that says so, with file, row, column, value and what is allowed."""

import pytest


def test_a_sound_study_has_a_plan(small):
    text, usable = small.check()
    assert usable, text
    assert "9 rows" in text and "Jobs of a full run" in text
    assert "microct + histology: 9" in text
    assert "C2 (POST − DRUG, n = 3 + 3): p cannot fall below 0.25" in text


def edit(name, old, new, count=-1):
    return lambda s: s.sheet(name, old, new, count)


def config(**change):
    return lambda s: s.config.update(change)


def claims(path, value):
    def change(s):
        part = s.claims
        for key in path[:-1]:
            part = part[key]
        part[path[-1]] = value

    return change


def remove(name):
    return lambda s: (s.folder / name).unlink()


def write(name, content):
    return lambda s: (s.folder / name).write_bytes(content)


def rename(old, new):
    def change(s):
        text = (s.folder / old).read_text(encoding="utf-8").replace("\t", ";")
        (s.folder / old).unlink()
        (s.folder / new).write_text(text, encoding="utf-8")
        s.config["sheets"]["animals"] = new

    return change


def confound(s):
    lines = (s.folder / "scans.tsv").read_text(encoding="utf-8").splitlines()
    arm = {f"R{i + 1}": ("CTRL", "DRUG", "POST")[i % 3] for i in range(9)}
    out = [lines[0]]
    for line in lines[1:]:
        cells = line.split("\t")
        cells[3] = f"session-{arm[cells[1]][0]}"
        out.append("\t".join(cells))
    (s.folder / "scans.tsv").write_text("\n".join(out) + "\n", encoding="utf-8")


def twice(s):
    (s.folder / "raw/R2.tif").write_bytes((s.folder / "raw/R1.tif").read_bytes())


def quoted_newline(s):
    s.sheet("scans", "R1-ct\t", '"R1\n-ct"\t')


BROKEN = {
    "semicolons in a tsv": (
        lambda s: (s.folder / "animals.tsv").write_text(
            (s.folder / "animals.tsv").read_text(encoding="utf-8").replace("\t", ";"),
            encoding="utf-8",
        ),
        "animals.tsv, row 1: columns are separated by semicolon, not by tab: save it as .tsv, or rename it to .csv",
    ),
    "sheet missing": (remove("scans.tsv"), "scans.tsv: file does not exist"),
    "sheet empty": (write("scans.tsv", b""), "scans.tsv: the file is empty: a header is needed"),
    "ambiguous decimal comma": (
        lambda s: s.sheet("animals", "\t18", "\t1,18"),
        "animals.tsv, row 2, column weight_g: a comma that may be decimal or thousands (found '1,180'); allowed: a decimal point",
    ),
    "typo in a group": (
        edit("animals", "R3\tanimal\tPOST", "R3\tanimal\tPOTS"),
        "animals.tsv, row 4, column group: no role and no contrast names this arm - did you mean 'POST'? (found 'POTS'); "
        "allowed: CTRL, DRUG, POST",
    ),
    "duplicate animal": (
        edit("animals", "R2\tanimal", "R1\tanimal"),
        "animals.tsv, row 3, column animal_id: stands already in row 2: animal_id must be unique (found 'R1')",
    ),
    "animal not in the design": (
        edit("scans", "R4-ct\tR4", "R4-ct\tR44"),
        "scans.tsv, row 5, column animal_id: not in the animals sheet - did you mean 'R4'? (found 'R44')",
    ),
    "voxel size missing": (
        edit("scans", "raw/R5.tif\tday2\t18", "raw/R5.tif\tday2\t"),
        "scans.tsv, row 6, column voxel_um: the file states no size and the sheet gives none; allowed: voxel_um in µm",
    ),
    "micrometres written as millimetres": (
        edit("scans", "raw/R5.tif\tday2\t18", "raw/R5.tif\tday2\t0.018"),
        "scans.tsv, row 6, column voxel_um: out of range - a size below 0.2 µm was probably written in millimetres (found '0.018'); "
        "allowed: from 0.2 to 1000 µm",
    ),
    "file missing": (
        remove("raw/R6.tif"),
        "scans.tsv, row 7, column path: file does not exist; its folder exists (found 'raw/R6.tif')",
    ),
    "file unreadable": (
        write("raw/R6.tif", b"this is no image at all"),
        "scans.tsv, row 7, column path: file cannot be read",
    ),
    "file empty": (
        write("raw/R6.tif", b""),
        "scans.tsv, row 7, column path: file cannot be opened for reading (found 'raw/R6.tif')",
    ),
    "one arm empty": (
        edit("animals", "\tPOST\t", "\tDRUG\t"),
        "config, column roles/treated: no animal is in arm POST (found 'POST'); allowed: CTRL, DRUG",
    ),
    "batch equals group": (
        confound,
        "scans.tsv, column batch: contrast C2 is not estimable: batch and group are confounded (DRUG only in session-D; "
        "POST only in session-P); allowed: every arm in every batch, or allow_confounded: true",
    ),
    "unknown outcome in a claim": (
        claims(["domains", "bone"], "bvtw"),
        "claims.yaml, column claims/C0: unknown outcome 'bvtw' - did you mean 'bvtv'?",
    ),
    "contrast does not sum to zero": (
        claims(["contrasts", "C2", "weights"], {"POST": 1, "disease": -0.5}),
        "claims.yaml, column contrasts/C2: weights must sum to zero, they sum to 0.5 (found 'POST 1, DRUG -0.5')",
    ),
    "no declared direction": (
        claims(["directions"], {}),
        "claims.yaml, column claims/C0: confirmatory outcome bvtv has no declared direction of benefit: state it under directions; "
        "allowed: + or -",
    ),
    "unknown arm in a contrast": (
        claims(["contrasts", "C2", "weights"], {"PSOT": 1, "disease": -1}),
        "claims.yaml, column contrasts/C2: unknown arm - did you mean 'POST'? (found 'PSOT'); allowed: CTRL, DRUG, POST, healthy, disease",
    ),
    "unknown kind of claim": (
        claims(["claims", 1, "kind"], "superiorty"),
        "claims.yaml, column claims/C2/kind: unknown kind - did you mean 'superiority'? (found 'superiorty'); allowed: gate, superiority",
    ),
    "two claims on one finding": (
        claims(["claims", 1, "outcomes"], ["elac", "necr"]),
        "claims.yaml, column claims/C2: repeats what elac says, which claims/C2 names: one finding would count twice (found 'necr'); "
        "allowed: area of clusters of empty lacunae",
    ),
    "unknown contrast in a claim": (
        claims(["claims", 1, "contrast"], "C9"),
        "claims.yaml, column claims/C2: unknown contrast",
    ),
    "same content under two names": (twice, "scans.tsv, row 3, column path: same content as "),
    "line break in a name": (
        quoted_newline,
        "column specimen_id: not a usable name (found 'R1\\n-ct'); allowed: letters, digits and _ . + -",
    ),
    "quotes in a name": (
        edit("scans", "R1-ct\t", "R1'ct\t"),
        'scans.tsv, row 2, column specimen_id: not a usable name (found "R1\'ct")',
    ),
    "semicolon in a name": (
        edit("scans", "R1-ct\t", "R1;ct\t"),
        "not a usable name (found 'R1;ct')",
    ),
    "shell in a name": (
        edit("scans", "R1-ct\t", "$(rm -rf x)\t"),
        "not a usable name (found '$(rm -rf x)')",
    ),
    "a way out of the folder": (
        edit("scans", "R1-ct\t", "../R1\t"),
        "not a usable name (found '../R1')",
    ),
    "dots that climb": (edit("scans", "R1-ct\t", "R1..ct\t"), "not a usable name (found 'R1..ct')"),
    "unknown column": (
        edit("scans", "voxel_um", "voxel_size_um"),
        "scans.tsv, row 1, column voxel_size_um: unknown column - did you mean 'voxel_um'?",
    ),
    "required column missing": (
        edit("sections", "stain\t", "colour\t"),
        "sections.tsv, row 1, column stain: required column is missing",
    ),
    "required cell empty": (
        edit("animals", "R2\tanimal", "R2\t"),
        "animals.tsv, row 3, column unit: a value is needed",
    ),
    "unknown unit of analysis": (
        edit("animals", "R2\tanimal", "R2\tanimals"),
        "animals.tsv, row 3, column unit: not a known entry - did you mean 'animal'? (found 'animals'); "
        "allowed: animal, isolation, donor, technical",
    ),
    "unknown stain": (
        edit("sections", "raw/R1.png.tif\tCD31", "raw/R1.png.tif\tCD13"),
        "sections.tsv, row 2, column stain: config histology/stains does not describe this stain - did you mean 'CD31'? (found 'CD13')",
    ),
    "no animal": (
        edit("scans", "R4-ct\tR4", "R4-ct\t"),
        "scans.tsv, row 5, column animal_id: may be empty only where role is not sample",
    ),
    "text in a number": (
        edit("animals", "\t184", "\t184 g"),
        "animals.tsv, row 6, column weight_g: not a number (found '184 g')",
    ),
    "unknown key in the config": (
        config(on_broken_specimens="flag"),
        "config, column on_broken_specimens: unknown key - did you mean 'on_broken_specimen'?",
    ),
    "key of the config missing": (
        lambda s: s.config.pop("seed"),
        "config, column seed: this key is needed",
    ),
    "claims are no YAML": (
        lambda s: (
            s.config.update(claims="broken.yaml")
            or (s.folder / "broken.yaml").write_text("a: [1,", encoding="utf-8")
        ),
        "broken.yaml: is not valid YAML",
    ),
    "no thresholds declared": (
        config(microct=None),
        "config, column microct: the scans sheet has rows: this section is needed",
    ),
    "a threshold that is no number": (
        config(microct={"bone_threshold": "high", "implant_threshold": 200}),
        "config, column microct/bone_threshold: input should be a valid number",
    ),
    "healthy arm misnamed": (
        config(roles={"healthy": "CTL", "disease": "DRUG"}),
        "config, column roles/healthy: no animal is in arm CTL - did you mean 'CTRL'?",
    ),
    "something given to an arm misnamed": (
        config(study={"name": "s", "given": [{"name": "drug", "arms": ["DRUGG"], "start": 0}]}),
        "config, column study/given: no animal is in arm DRUGG - did you mean 'DRUG'?",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_study_is_explained(small, name):
    change, line = BROKEN[name]
    change(small)
    text, usable = small.check()
    assert not usable, text
    assert line in text, text
    assert "Jobs of a full run" not in text


def test_all_problems_come_at_once(small):
    for name in (
        "typo in a group",
        "duplicate animal",
        "voxel size missing",
        "contrast does not sum to zero",
    ):
        BROKEN[name][0](small)
    text, usable = small.check()
    assert not usable
    for name in (
        "typo in a group",
        "duplicate animal",
        "voxel size missing",
        "contrast does not sum to zero",
    ):
        assert BROKEN[name][1] in text, name


def test_a_byte_order_mark_and_semicolon_csv_are_understood_and_said(small):
    rename("animals.tsv", "animals.csv")(small)
    raw = (small.folder / "animals.csv").read_bytes()
    (small.folder / "animals.csv").write_bytes(b"\xef\xbb\xbf" + raw.replace(b";180", b";180,5"))
    text, usable = small.check()
    assert usable, text
    assert "animals.csv: a byte order mark at the start was skipped" in text
    assert "animals.csv: read with semicolon as separator" in text
    assert "decimal commas were read as points" in text


def test_the_override_for_confounding_keeps_the_message(small):
    confound(small)
    small.config["allow_confounded"] = True
    text, usable = small.check()
    assert usable and "contrast C2 is not estimable" in text


def test_a_path_that_names_an_arm_is_allowed_and_said(small):
    (small.folder / "raw/DRUG").mkdir()
    (small.folder / "raw/R2.tif").rename(small.folder / "raw/DRUG/R2.tif")
    small.sheet("scans", "raw/R2.tif", "raw/DRUG/R2.tif")
    text, usable = small.check()
    assert usable, text
    assert "1 paths name an arm: their jobs get the files under coded names" in text
    assert "link_file: 1" in text
