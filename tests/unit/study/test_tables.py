"""Reading what people write: separators, byte order marks, decimal commas, workbooks."""

import pandas as pd
import pytest

from periomics.core.tables import decimal_commas, read_table
from periomics.study.sheets import read_sheet, read_sheet_with_problems


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def test_rows_are_numbered_as_a_spreadsheet_counts(tmp_path):
    table = read_table(write(tmp_path / "a.tsv", "# comment\nanimal_id\tgroup\nR1\tA\n\nR2\tB\n"))
    assert list(table.data.index) == [3, 5]
    assert list(table.data["group"]) == ["A", "B"]
    assert table.problems == []


@pytest.mark.parametrize(
    ("text", "separator"), [("a;b\n1;2\n", "semicolon"), ("a,b\n1,2\n", "comma")]
)
def test_a_tsv_with_another_separator_is_refused_by_name(tmp_path, text, separator):
    table = read_table(write(tmp_path / "a.tsv", text))
    assert table.data.empty
    assert f"separated by {separator}, not by tab" in table.problems[0].message


def test_csv_may_use_semicolons_and_says_so(tmp_path):
    table = read_table(write(tmp_path / "a.csv", "animal_id;weight_g\nR1;180,5\n"))
    assert list(table.data.columns) == ["animal_id", "weight_g"]
    assert table.problems[0].level == "note"


def test_byte_order_mark_is_skipped_with_a_note(tmp_path):
    table = read_table(write(tmp_path / "a.tsv", "\ufeffanimal_id\tunit\nR1\tanimal\n"))
    assert list(table.data.columns) == ["animal_id", "unit"]
    assert "byte order mark" in table.problems[0].message


def test_too_many_cells_name_the_row(tmp_path):
    table = read_table(write(tmp_path / "a.tsv", "a\tb\n1\t2\t3\n"))
    assert (table.problems[0].row, table.problems[0].value) == (2, "3")


def test_workbook_reads_like_text(tmp_path):
    import openpyxl

    book = openpyxl.Workbook()
    for row in (["animal_id", "unit", "weight_g"], ["R1", "animal", 180.5], ["R2", "animal", 190]):
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    df = read_sheet("animals", tmp_path / "a.xlsx")
    assert list(df["animal_id"]) == ["R1", "R2"]
    assert list(df["weight_g"]) == [180.5, 190.0]


@pytest.mark.parametrize(
    ("cells", "result", "level"),
    [
        (["0,5", "1,234"], ["0.5", "1.234"], "note"),
        (["12,75"], ["12.75"], "note"),
        (["1,234", "5"], None, "error"),
        (["0,5", "1.5"], None, "error"),
    ],
)
def test_decimal_commas_only_where_unambiguous(cells, result, level):
    column = pd.Series(cells, index=range(2, 2 + len(cells)), name="dose")
    out, problems = decimal_commas(column, "x.tsv")
    assert [p.level for p in problems] == [level]
    assert list(out) == (result or cells)


def test_a_broken_sheet_still_has_all_columns(tmp_path):
    df, problems = read_sheet_with_problems("scans", tmp_path / "nothing.tsv", "scans.tsv")
    assert df.empty and "voxel_um" in df.columns
    assert problems[0].message == "file does not exist"
