"""What a measuring job is told of a specimen: never its arm, condition or dose."""

from pathlib import Path

import pytest
import yaml

from periomics.study.config import resolve_config
from periomics.study.study import load_study

ROOT = Path(__file__).resolve().parents[3]
TELLING = {"group": "DRUG", "condition": "CM", "dose": 25.0}


@pytest.mark.parametrize("folder", ["config", "config/tiny", "config/nano"])
def test_facts_of_no_sheet_tell_the_arm(folder):
    text = (ROOT / folder / "config.yaml").read_text(encoding="utf-8")
    study = load_study(resolve_config(yaml.safe_load(text)), ROOT / folder)
    hidden = set()
    for name, sheet in study.sheets.items():
        for column in TELLING.keys() & set(sheet.columns):
            sheet[column] = TELLING[column]
            hidden |= {column} if len(sheet) else set()
        for row in study.facts(name):
            assert not TELLING.keys() & {k.casefold() for k in row}, name
    assert hidden == set(TELLING)
