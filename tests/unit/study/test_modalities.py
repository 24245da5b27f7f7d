"""Sheet, modality and area are paired once; the rules that draw numbers are those that are given the seed."""

import ast
import re
from typing import get_args

from periomics.study import modalities, plan, sheets
from periomics.study.settings.planning import BatchLayout
from periomics.study.stages import STAGES


def names(node):
    return {n.value for n in ast.walk(node) if isinstance(n, ast.Constant)}


def pairings(path):
    """Entries of tables (of dicts, tuples, calls) that hold the name of a sheet and of its modality."""
    wanted = [{m.sheet, m.name} for m in modalities.MODALITIES if m.sheet != m.name]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Dict):
            entries = [
                names(k) | names(v)
                for k, v in zip(node.keys, node.values, strict=True)
                if isinstance(k, ast.Constant) and isinstance(v, ast.Constant | ast.Tuple)
            ]
        elif isinstance(node, ast.Tuple) and all(
            isinstance(e, ast.Constant | ast.Tuple) for e in node.elts
        ):
            entries = [names(node)]
        elif isinstance(node, ast.Call):
            entries = [{a.value for a in node.args if isinstance(a, ast.Constant)}]
        else:
            continue
        yield from (e for e in entries if any(w <= e for w in wanted) and len(e) < 6)


def test_sheet_and_modality_are_paired_in_one_module(root):
    scripts = root / "workflow/scripts"
    files = sorted(scripts.rglob("*.py"))
    found = {p.relative_to(scripts).as_posix() for p in files if list(pairings(p))}
    assert found == {"periomics/study/modalities.py"}


def test_the_search_finds_a_pair_that_is_written_again(tmp_path):
    copy = tmp_path / "again.py"
    for text in ('A = {"scans": "microct"}', 'A = (("sections", "histology", "animal_id"),)'):
        copy.write_text(text + "\n", encoding="utf-8")
        assert list(pairings(copy)), text


def test_sheets_and_layouts_know_the_same_modalities(root):
    with_files = {m.sheet for m in modalities.MODALITIES} - {"clinical", "readings"}
    assert set(sheets.SPECIMEN_SHEETS) == with_files
    allowed = BatchLayout.model_fields["sheet"].annotation
    assert {v for part in get_args(allowed) for v in get_args(part)} == set(modalities.BATCHES)
    assert {m.rule for m in modalities.IMAGING} <= set(STAGES)


def test_seeded_rules_are_those_that_are_given_the_seed(root):
    found, reads = set(), set()
    for file in (root / "workflow/rules").glob("*.smk"):
        for rule in re.split(r"(?m)^rule ", file.read_text(encoding="utf-8"))[1:]:
            name = rule.split(":", 1)[0]
            if re.search(r"\bseed=", rule):
                found.add(name)
            script = re.search(r'script:\s+"\.\./(scripts/\S+)"', rule)
            text = (root / "workflow" / script[1]).read_text(encoding="utf-8") if script else ""
            if "params.seed" in text:
                reads.add(name)
    assert found == reads == set(plan.SEEDED_RULES)
    assert len(plan.SEEDED_RULES) == len(found)
