"""Tables of other programs: the numbers and units arrive, and what is unclear is refused."""

import pytest

from periomics.core.errors import InputError
from periomics.outcomes.adapters import read_ctan
from periomics.outcomes.qupath import parse_mapping, read_qupath
from periomics.outcomes.units import unit_factor
from periomics.study.dictionary import load_dictionary

CTAN = """MORPHOMETRY RESULTS
Dataset,x_rec
Description,Abbreviation,Value,Unit
Tissue volume,TV,2.5,mm^3
Percent bone volume,BV/TV,41.25,%
Trabecular thickness,Tb.Th,95.5,um
Trabecular number,Tb.N,4.2,1/mm
Structure model index,SMI,1.1,
"""
QUPATH = "Image\tName\tClass\tNum Detections\tNum Positive\tPositive %\tNum Positive per mm^2\tArea {u}^2\n"


@pytest.fixture
def dictionary(root):
    return load_dictionary(root / "resources/outcomes.tsv")


def values(rows):
    return {r["outcome"]: r["value"] for r in rows}


def test_ctan_values_and_units(tmp_path, dictionary):
    (tmp_path / "a.txt").write_text(CTAN, encoding="utf-8")
    assert values(read_ctan(tmp_path / "a.txt", dictionary)) == pytest.approx(
        {"tv": 2.5, "bvtv": 41.25, "tbth": 0.0955, "tbn": 4.2, "smi": 1.1}
    )


def test_ctan_with_semicolons_decimal_commas_and_windows_letters(tmp_path, dictionary):
    text = "Percent bone volume;BV/TV;41,25;%\nTrabecular thickness;Tb.Th;95,5;µm\n"
    (tmp_path / "a.txt").write_bytes(text.encode("cp1252"))
    assert values(read_ctan(tmp_path / "a.txt", dictionary)) == pytest.approx(
        {"bvtv": 41.25, "tbth": 0.0955}
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nothing here", "no CTAn parameter"),
        ("Trabecular thickness,Tb.Th,3.1,pixel", "unit is not known"),
        ("a,BV/TV,40,%\nb,BV/TV,41,%", "stands twice"),
        ("a,BV/TV,forty,%", "not a number"),
    ],
)
def test_ctan_refuses_what_is_unclear(tmp_path, dictionary, text, words):
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=words):
        read_ctan(tmp_path / "a.txt", dictionary)


@pytest.mark.parametrize("micro", ["µm", "um", "μm"])
def test_qupath_densities_are_recomputed_from_counts_and_areas(tmp_path, dictionary, micro):
    text = (
        QUPATH.format(u=micro)
        + "i\tpic\tpie\t50\t10\t20\t999\t200000\ni\tpic\tpie\t10\t8\t80\t999\t50000\ni\tx\tbone\t1\t1\t1\t1\t1\n"
    )
    (tmp_path / "q.tsv").write_text(text, encoding="utf-8")
    rows = read_qupath(
        tmp_path / "q.tsv",
        "neu=Num Positive/Area|ki67=Num Positive/Num Detections",
        "pie",
        dictionary,
    )
    assert [r["value"] for r in rows] == pytest.approx([50.0, 160.0, 20.0, 80.0])
    assert {r["denominator_unit"] for r in rows} == {"mm2", "Num Detections"}
    assert {r["level"] for r in rows} == {"field"}


def test_qupath_refuses_pixels_missing_columns_and_missing_regions(tmp_path, dictionary):
    (tmp_path / "q.tsv").write_text(
        QUPATH.format(u="px") + "i\tpic\tpie\t50\t10\t20\t1\t200\n", encoding="utf-8"
    )
    with pytest.raises(InputError, match="no calibrated area"):
        read_qupath(tmp_path / "q.tsv", "neu=Num Positive/Area", "pie", dictionary)
    with pytest.raises(InputError, match="did you mean 'Num Positive'"):
        read_qupath(tmp_path / "q.tsv", "neu=Num Positives/Area", "pie", dictionary)
    with pytest.raises(InputError, match="allowed: pic, pie"):
        read_qupath(tmp_path / "q.tsv", "neu=Num Positive/Area", "mucosa", dictionary)


def test_units_convert_or_are_refused():
    assert unit_factor("um", "mm") == pytest.approx(1e-3)
    assert unit_factor("1/um", "1/mm") == pytest.approx(1e3)
    assert unit_factor("um^3", "mm3") == pytest.approx(1e-9)
    assert unit_factor("mm²", "mm3") is None and unit_factor("pixel", "mm") is None
    with pytest.raises(ValueError, match="outcome=numerator/denominator"):
        parse_mapping("neu: Num Positive")
