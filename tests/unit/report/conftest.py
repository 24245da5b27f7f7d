"""The toy study and its report, made once for all tests of the report."""

import pickle
from types import SimpleNamespace

import pytest
from report_study import HOSTILE, claims, make_study
from shared import once

from periomics.report.page import write_report
from periomics.report.sources import sources


def build(inputs, results):
    """Write a report and return page text, methods text and folder of figures."""
    folder = results / "report"
    found = sources(inputs, results)
    size = write_report(found, folder / "report.html", folder / "methods.md", folder / "figures")
    page = (folder / "report.html").read_text(encoding="utf-8")
    methods = (folder / "methods.md").read_text(encoding="utf-8")
    return SimpleNamespace(
        page=page,
        methods=methods,
        figures=folder / "figures",
        path=folder / "report.html",
        size=size,
        sources=found,
    )


@pytest.fixture(scope="session")
def toy(tmp_path_factory):
    """Report of the toy study; a claim, the title and a reason carry markup and quotes."""

    def make(folder):
        declared = claims()
        declared["claims"][0]["text"] = HOSTILE
        declared["contrasts"]["C4"]["confounded_with"] = HOSTILE
        inputs = make_study(folder, declared=declared, title=HOSTILE, reason=HOSTILE)
        written = build(inputs, folder / "results")
        whole = SimpleNamespace(inputs=inputs, folder=folder, **vars(written))
        (folder / "toy.pickle").write_bytes(pickle.dumps(whole))

    return pickle.loads((once(tmp_path_factory, "toy-report", make) / "toy.pickle").read_bytes())


@pytest.fixture
def write():
    """`build` as a fixture."""
    return build
