"""The scripts freeze, compare_frozen, unblind and decode_groups on a table of animals without any image."""

import importlib.util
import logging
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "unit" / "statistics"))

from studies import ARMS, CLAIMS, ROLES, simulated  # noqa: E402

from periomics.core.errors import PeriomicsError  # noqa: E402
from periomics.core.results import read_result, write_result  # noqa: E402
from periomics.statistics.claims.judging import COLUMNS  # noqa: E402
from periomics.study.claims_lock import read_lock  # noqa: E402

CODES = dict(zip("ABCD", ARMS, strict=True))
# Of the default claims those that speak of animals.
PRIMARY = CLAIMS | {
    "claims": [c for c in CLAIMS["claims"] if c["id"] in ("C0", "C1", "C2", "C3", "C4")],
    "contrasts": {k: v for k, v in CLAIMS["contrasts"].items() if k in ("C0", "C1", "C2", "C4")},
}
HUGE = {"kind": "sd", "value": 50.0}


class Names(dict):
    """Named files and params as Snakemake gives them."""

    __getattr__ = dict.__getitem__


def load(stem):
    spec = importlib.util.spec_from_file_location(
        stem.replace("/", "_"), ROOT / "workflow" / "scripts" / f"{stem}.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Study:
    """A study of animals only, in a folder; `run` is one job of a rule."""

    def __init__(self, folder: Path):
        self.folder, self.results = folder, folder / "results"
        self.table, sheet = simulated(seed=4)
        sheet.to_csv(folder / "animals.tsv", sep="\t", index=False)
        write_result(self.table, self.results / "outcomes/animals.tsv")
        write_result(self.table.iloc[:0], self.results / "outcomes/animals_all.tsv")
        self.config = {
            "study": {"name": "small"},
            "seed": 1,
            "study_dir": str(folder),
            "results_dir": str(self.results),
            "sheets": {"animals": "animals.tsv"},
            "claims": "claims.yaml",
            "roles": ROLES,
        }
        self.claims(PRIMARY)

    def claims(self, claims):
        (self.folder / "claims.yaml").write_text(
            yaml.safe_dump(claims, sort_keys=False), encoding="utf-8"
        )

    def run(self, stem, output=None, withheld="", animals=None):
        files = {
            "outcomes": "results/outcomes/animals.tsv",
            "everyone": "results/outcomes/animals_all.tsv",
            "verdicts": "results/statistics/verdicts.tsv",
            "animals": "animals.tsv",
            "claims": "claims.yaml",
            "lock": "claims.lock.tsv",
            "key": "key.tsv",
        }
        inputs = {n: str(self.folder / f) for n, f in files.items() if (self.folder / f).is_file()}
        inputs |= {"dictionary": str(ROOT / "resources/outcomes.tsv")} | (
            {"animals": animals} if animals else {}
        )
        rule = stem.partition("/")[2]
        job = SimpleNamespace(
            input=Names(inputs),
            output=Names({n: str(self.folder / f) for n, f in (output or {}).items()}),
            rule=rule,
            wildcards=Names(),
            params=Names(config=self.config, roles=ROLES, withheld=withheld, arms=CODES),
            threads=1,
            log=[str(self.folder / f"{rule}.log")],
        )
        try:
            load(stem).main(job)
        finally:
            logging.shutdown()
        return (self.folder / f"{rule}.log").read_text(encoding="utf-8")

    def judge(self, **more):
        tables = {n: f"results/statistics/{n}.tsv" for n in ("verdicts", "arms")}
        self.run("statistics/judge_claims", tables, **more)
        return read_result(self.results / "statistics/verdicts.tsv")

    def decode(self, file):
        self.run("study/decode_groups", {"animals": file})

    def compare(self):
        log = self.run("statistics/compare_frozen", {"deviations": "deviations.tsv"})
        return read_result(self.folder / "deviations.tsv").fillna(""), log


@pytest.fixture
def study(tmp_path):
    return Study(tmp_path)


def test_claims_are_frozen_once_and_every_change_is_listed_with_its_effect(study):
    assert "rows appended" in study.run("study/freeze")
    before = (study.folder / "claims.lock.tsv").read_bytes()
    assert "nothing changed since the claims were last frozen" in study.run("study/freeze")
    assert (study.folder / "claims.lock.tsv").read_bytes() == before
    then = study.judge()
    assert study.compare()[0].empty
    study.claims(PRIMARY | {"margin": HUGE})
    now = study.judge()
    found, log = study.compare()
    assert set(found["item"]) == {"margin"} and set(found["effect"]) == {"the verdict differs"}
    assert len(found) == (now["verdict"] != then["verdict"]).sum() > 0
    assert "margin" in log and (study.folder / "claims.lock.tsv").read_bytes() == before


def test_a_study_that_froze_nothing_has_an_empty_table_and_a_reason(study):
    study.judge()
    found, log = study.compare()
    assert found.empty and "the claims were never frozen" in log
    with pytest.raises(PeriomicsError, match="never frozen"):
        study.run("study/unblind")


def test_claims_with_a_slip_are_refused_and_nothing_is_written(study):
    study.claims(PRIMARY | {"domains": {"bone": "bvtvv"}})
    with pytest.raises(PeriomicsError, match="cannot be frozen") as error:
        study.run("study/freeze")
    assert "bvtv" in str(error.value) and not (study.folder / "claims.lock.tsv").exists()


def test_inputs_that_change_after_the_unblinding_are_listed(study):
    study.run("study/freeze")
    study.judge()
    assert "rows appended" in study.run("study/unblind")
    assert "the first time counts" in study.run("study/unblind")
    assert study.compare()[0].empty
    text = (study.folder / "animals.tsv").read_text(encoding="utf-8")
    (study.folder / "animals.tsv").write_text(text + "spare\tDRUG\tanimal\t\n", encoding="utf-8")
    found, _ = study.compare()
    assert found[["item", "effect"]].to_numpy().tolist() == [
        ["sheets/animals", "no verdict changes"]
    ]


def test_coded_groups_are_judged_once_the_key_is_opened(study):
    open_verdicts = study.judge()
    text = (study.folder / "animals.tsv").read_text(encoding="utf-8")
    for code, arm in CODES.items():
        text = text.replace(f"\t{arm}\t", f"\t{code}\t")
    (study.folder / "animals.tsv").write_text(text, encoding="utf-8")
    study.config["blinding"] = {"codes": list(CODES), "key": "key.tsv"}
    study.run("study/freeze")
    closed = study.judge(withheld="groups are coded; the key has not been opened")
    assert set(closed["verdict"]) == {"not judged"} and list(closed["claim_id"].unique()) == list(
        open_verdicts["claim_id"].unique()
    )
    with pytest.raises(PeriomicsError, match="key has not been opened"):
        study.run("study/unblind")
    (study.folder / "key.tsv").write_text(
        "code\tarm\n" + "".join(f"{c}\t{a}\n" for c, a in CODES.items()), encoding="utf-8"
    )
    study.decode("decoded.tsv")
    assert set(read_result(study.folder / "decoded.tsv")["group"]) == set(ARMS)
    opened = study.judge(animals=str(study.folder / "decoded.tsv"))
    assert opened[list(COLUMNS)].equals(open_verdicts[list(COLUMNS)])
    study.run("study/unblind")
    row = next(
        e
        for e in read_lock(study.folder / "claims.lock.tsv")
        if e.item == "key" and e.event == "unblinded"
    )
    assert row.value == "key.tsv"
