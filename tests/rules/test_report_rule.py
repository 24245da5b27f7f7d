"""The script write_report as Snakemake calls it, and its rule as Snakemake reads it."""

import importlib.util
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "unit" / "report"))


class Names(dict):
    """Named files as Snakemake gives them."""

    __getattr__ = dict.__getitem__


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location(
        "write_report", ROOT / "workflow" / "scripts" / "report" / "write_report.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def job(folder, inputs):
    out = folder / "results" / "report"
    files = {
        "report": out / "report.html",
        "methods": out / "methods.md",
        "figures": out / "figures",
    }
    return SimpleNamespace(
        input=Names(inputs | {"checked": str(folder / "results" / "check" / "plan.txt")}),
        output=Names({k: str(v) for k, v in files.items()}),
        params=Names(),
        log=[str(folder / "write_report.log")],
        rule="write_report",
        wildcards=Names(),
        threads=1,
        config={},
    )


def test_script_writes_page_methods_and_figures(script, tmp_path):
    from report_study import make_study

    work = job(tmp_path, make_study(tmp_path))
    script.main(work)
    page = Path(work.output.report).read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>") and page.rstrip().endswith("</html>")
    assert Path(work.output.methods).read_text(encoding="utf-8").startswith("# Methods: Stem cells")
    assert (Path(work.output.figures) / "forest.svg").is_file()
    assert "MB" in (tmp_path / "write_report.log").read_text(encoding="utf-8")
    assert not list(tmp_path.rglob(".part-*"))


def test_unreadable_dictionary_is_named_in_the_log(script, tmp_path):
    from periomics.core.errors import InputError

    broken = tmp_path / "outcomes.tsv"
    broken.write_text("outcome\tsymbol\nbvtv\tBV/TV\n", encoding="utf-8")
    work = job(tmp_path, {"dictionary": str(broken)})
    with pytest.raises(InputError, match="lacks columns"):
        script.main(work)
    assert not Path(work.output.report).exists() and not Path(work.output.figures).exists()


def test_captions_of_the_rule_exist():
    rule = (ROOT / "workflow" / "rules" / "report.smk").read_text(encoding="utf-8")
    captions = re.findall(r'caption="\.\./report/([^"]+)"', rule)
    assert len(captions) == 3
    for caption in captions:
        assert len((ROOT / "workflow" / "report" / caption).read_text(encoding="utf-8").split()) > 8
