"""What linkage names is checked before anything runs: one line each, with the nearest known name."""

import copy

import pytest
import yaml

from periomics.linkage.opening import check_links
from periomics.study.dictionary import load_dictionary
from periomics.study.study import load_study


@pytest.fixture(scope="module")
def toy(root):
    return yaml.safe_load((root / "config/config.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def lines(root, toy):
    tables = {
        n: str(root / f"resources/{n}.tsv") for n in ("signatures", "responses", "signalling")
    }
    dictionary = load_dictionary(root / "resources/outcomes.tsv")

    def check(change=lambda linkage: None, resources=None):
        config = copy.deepcopy(toy)
        change(config["linkage"])
        config["resources"] = resources or {}
        study = load_study(config, root / "config")
        return [p.describe() for p in check_links(study, dictionary, tables)]

    return check


REACH = "its inputs reach"


def test_the_toy_study_is_sound(lines):
    (reach,) = lines()
    assert REACH in reach and " 0 of " not in reach


NETWORK = {"name": "n", "test": "isolation.CM-cue", "inputs": {"EGFR": 1}}


@pytest.mark.parametrize(
    ("network", "said"),
    [
        ({"test": "isolation.CM-cues"}, "did you mean 'isolation.CM-cue'"),
        ({"inputs": {"EGFRR": 1}}, "did you mean 'EGFR'"),
        ({"inputs": {"KRT5": 1}}, "no edge leads on from KRT5"),
        ({"depth": 1}, "0 of barrier, 0 of vessels"),
        ({"table": "nowhere.tsv"}, "there is no such file"),
        ({"regulons": "$NOWHERE/r.tsv"}, "is not set"),
    ],
)
def test_a_network_that_cannot_be_is_told(lines, network, said):
    found = lines(lambda linkage: linkage.update(networks=[NETWORK | network]))
    assert any(said in line for line in found), found


def test_a_table_of_a_network_is_opened(lines, tmp_path):
    path = tmp_path / "net.tsv"

    def told(**more):
        network = NETWORK | {"inputs": {"Egfr": 1}, "table": "mine"} | more
        resources = {"mine": str(path)}
        return lines(lambda linkage: linkage.update(networks=[network]), resources)

    path.write_text("from\tto\nA\tB\n", encoding="utf-8")
    assert any("it has the columns from, to" in line for line in told())
    path.write_text("source\tsign\ttarget\nEgfr\t1\tKrt5\nEgfr\t-1\tKrt5\n", encoding="utf-8")
    assert any("resources/orthologs_rat" in line for line in told())
    found = told(table_species="rat")
    assert any("both signs, kept as two edges: Egfr to Krt5" in line for line in found)
    assert any("reach 1 genes, 1 of barrier, 0 of vessels" in line for line in found)


def test_an_input_without_ortholog_is_named(lines):
    network = NETWORK | {"test": "mucosa.C2", "inputs": {"CXCL8": 1}}
    found = lines(lambda linkage: linkage.update(networks=[network]))
    assert any("CXCL8 has no ortholog" in line for line in found)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("pairs", [{"score": "score:response:mapkk", "outcome": "mvd"}], "did you mean 'mapk'"),
        ("pairs", [{"score": "score:signature:vegf", "outcome": "mvd"}], "no signature of this"),
        ("pairs", [{"score": "score:sets:vegf", "outcome": "mvd"}], "score:<kind>:<name>"),
        ("pairs", [{"score": "score:footprint:JAK-STAT", "outcome": "mvd"}], "resources/progeny"),
        ("pairs", [{"score": "score:tf:STAT33", "outcome": "mvd"}], "did you mean 'STAT3'"),
        ("pairs", [{"score": "score:response:vegf", "outcome": "mvdd"}], "did you mean 'mvd'"),
        ("responses", ["mucosa.C22"], "did you mean 'mucosa.C2'"),
        ("timing", ["CMxcue"], "no analysis has this test"),
        ("mediation", ["mucosa.C2"], "the claims have no such contrast"),
        ("covariates", ["weight"], None),
        ("covariates", ["weightg"], "the dictionary has no such outcome"),
        ("senders", ["mucosa"], "sender and receiver together"),
        ("senders", ["tissue"], "unless cells were sorted"),
        (
            "perturbations",
            [{"axis": "LR_VEGF_KDR", "contrast": "CM", "outcome": "mvd", "expected": 1}],
            "did you mean 'LR_VEGFA_KDR'",
        ),
    ],
)
def test_a_name_that_does_not_exist_is_told(lines, key, value, said):
    found = lines(lambda linkage: linkage.update({key: value}))
    told = [line for line in found if REACH not in line]
    assert any(said in line for line in told) if said else not told, found


def test_scores_of_factors_and_of_a_configured_table_are_known_by_name(lines, tmp_path):
    def pairs(*scores):
        named = [{"score": s, "outcome": o} for s in scores for o in ("mvd", "ln332")]
        return lambda linkage: linkage.update(pairs=named)

    assert all(REACH in line for line in lines(pairs("score:tf:STAT3")))
    path = tmp_path / "p.tsv"
    rows = "".join(f"JAK-STAT\tGene{i}\t1\t.01\n" for i in range(5))
    path.write_text("pathway\tgene\tweight\tp_value\n" + rows, encoding="utf-8")
    orthologs = tmp_path / "o.tsv"
    cells = "".join(f"GENE{i}\tGene{i}\t4\n" for i in range(5))
    orthologs.write_text("human_symbol\trat_symbol\tsupport_n\n" + cells, encoding="utf-8")
    resources = {"progeny": str(path), "orthologs_rat": str(orthologs)}
    resources["orthologs_mouse"] = str(tmp_path / "m.tsv")
    mouse = orthologs.read_text(encoding="utf-8").replace("rat_symbol", "mouse_symbol")
    (tmp_path / "m.tsv").write_text(mouse, encoding="utf-8")
    found = lines(pairs("score:footprint:JAK-STAT"), resources)
    assert all(REACH in line for line in found)
    (line, _) = [x for x in lines(pairs("score:footprint:JAKSTAT"), resources) if REACH not in x]
    assert "did you mean 'JAK-STAT'" in line


def test_a_question_without_a_pair_and_too_few_permutations_are_told(lines):
    found = lines(lambda linkage: linkage.update(pairs=[]))
    assert sum("no axis can reach L4" in line for line in found) == 2
    found = lines(lambda linkage: linkage.update(permutations=99))
    assert any("none can pass 0.05" in line for line in found)


def test_a_table_of_the_medium_is_opened(lines, tmp_path):
    assert any("no such file" in line for line in lines(resources={"secretome": "nowhere.tsv"}))
    path = tmp_path / "medium.tsv"
    path.write_text("ligand\tdetected\nVEGFA\tmaybe\n", encoding="utf-8")
    found = lines(resources={"secretome": str(path)})
    assert any("line 2" in line or "row 2" in line for line in found) and "yes, no" in found[0]
