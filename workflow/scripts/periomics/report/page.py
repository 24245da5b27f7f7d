"""The page: sections filled into the template, everything escaped, nothing loaded from a network."""

from __future__ import annotations

from pathlib import Path

import jinja2

from periomics.report.sources import Sources
from periomics.study.files import atomic, write_text

TEMPLATES = Path(__file__).parent / "templates"


def environment() -> jinja2.Environment:
    """Templates of the report; every value is escaped unless it was made here as markup."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def write_report(sources: Sources, page: Path, methods: Path, figures: Path) -> int:
    """Write page, methods and figures, each whole or not at all; returns the size of the page in bytes."""
    with atomic(figures) as folder:
        folder.mkdir()
    study = sources.config.get("study") or {}
    verdicts = sources.table("verdicts")
    text = environment().get_template("report.html.j2").render(study=study, verdicts=verdicts.to_dict("records"))
    write_text("# Methods\n", methods)
    write_text(text, page)
    return len(text.encode())
