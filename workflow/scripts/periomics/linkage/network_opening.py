"""What the check says of signalling networks: tests and inputs that do not exist, tables that cannot be read, what is in reach."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from periomics.core.errors import InputError, nearest
from periomics.core.problems import Problem
from periomics.genes.axes import SetTables
from periomics.genes.signatures import names_of
from periomics.linkage.inverse import asked
from periomics.linkage.programmes import EFFECTORS
from periomics.linkage.reach import onward, reach_of
from periomics.linkage.signed import Signed, goals_of, named_inputs, network_of
from periomics.study.plan import bulk_contrasts, network_tables, questions
from periomics.study.settings.linkage import SignallingNetwork
from periomics.study.settings.section import section_of
from periomics.study.study import Study


def check_networks(
    study: Study, networks: Sequence[SignallingNetwork], sets: SetTables, signalling: str
) -> Iterator[Problem]:
    """Everything of the networks that can be told before anything runs.

    Parameters
    ----------
    study
        The study.
    networks
        Of the section `linkage`.
    sets
        The team's sets: their effectors.
    signalling
        Path of the team's signed table.
    """
    tests = bulk_contrasts(study)
    for i, network in enumerate(networks):
        where = f"linkage/networks/{i}"
        if network.inputs == "evidence" and not questions(study):
            message = "there is no evidence of axes: linkage/questions is empty"
            yield Problem("config", 0, f"{where}/inputs", message, "evidence")
            continue
        if network.test not in tests:
            allowed = ", ".join(tests) if len(tests) <= 12 else ""
            message = f"no analysis has this test{nearest(network.test, tests)}"
            yield Problem("config", 0, f"{where}/test", message, network.test, allowed)
            continue
        files = {"signalling": signalling, **network_tables(study, network.name)}
        absent = [(n, f) for n, f in files.items() if "$" not in f and not Path(f).is_file()]
        unset = [(n, f) for n, f in files.items() if "$" in f]
        for name, file in absent:
            yield Problem("config", 0, f"{where}/{name}", "there is no such file", file)
        for name, file in unset:
            message = "the environment variable in this path is not set"
            yield Problem("config", 0, f"{where}/{name}", message, file)
        species = _species(study, network.test)
        if absent or unset or len(species) != 1:
            continue
        try:
            found, receptors = network_of(files, network, species[0])
        except InputError as error:
            yield _told(error)
            continue
        yield from _in_reach(where, network, found, sets, species[0], receptors)


def _told(error: InputError) -> Problem:
    value = "" if error.value is None else str(error.value)
    return Problem(error.file, error.row or 0, error.column, error.message, value, error.allowed)


def _species(study: Study, test: str) -> list[str]:
    """Species of the libraries of a test; two in one analysis are told elsewhere."""
    name = test.split(".", 1)[0]
    analyses: list[Any] = section_of(study.config, "bulk").get("analyses") or []
    libraries = study.rows("libraries", assay="bulk")
    for analysis in analyses:
        if isinstance(analysis, dict) and analysis.get("name") == name:
            for column, value in (analysis.get("select") or {}).items():
                if column in libraries:
                    wanted = value if isinstance(value, list) else [value]
                    libraries = libraries[libraries[column].isin([str(v) for v in wanted])]
    return sorted(set(libraries["species"]) - {""})


def _in_reach(
    where: str,
    network: SignallingNetwork,
    found: Signed,
    sets: SetTables,
    species: str,
    receptors: frozenset[str],
) -> Iterator[Problem]:
    """Inputs that do not exist or have no ortholog, genes of barrier and vessels within the depth, and what the tables lack."""
    for note in found.notes:
        yield Problem("config", 0, where, note, level="note")
    known: dict[str, int] = {}
    for name in network.weights:
        try:
            named_inputs({name: 1}, found)
        except InputError as error:
            yield Problem("config", 0, f"{where}/weights", error.message, name)
    if not isinstance(network.inputs, dict):
        message = "inputs are the receptors of axes with ligand and receptor shown, known then only"
        yield Problem("config", 0, f"{where}/inputs", message, "evidence", level="note")
        return
    for name, sign in network.inputs.items():
        try:
            inputs, lost = named_inputs({name: sign}, found)
        except InputError as error:
            yield Problem("config", 0, f"{where}/inputs", error.message, name)
            continue
        known |= inputs
        for reason in lost:
            yield Problem("config", 0, f"{where}/inputs", reason, name, level="warning")
    edges, start, of = asked(found.edges, known, receptors, network)
    ahead, goals = onward(edges), goals_of(found.edges)
    reached: set[str] = set()
    for symbol, state in start.items():
        reached |= reach_of(ahead, symbol, state, goals, of.depth).genes
    counts = {part: len(reached & _genes(sets, of, species)) for part, of in EFFECTORS.items()}
    told = ", ".join(f"{n} of {part}" for part, n in counts.items())
    message = f"within {network.depth} steps its inputs reach {len(reached)} genes, {told}"
    level = "note" if any(counts.values()) else "warning"
    yield Problem("config", 0, where, message, network.name, level=level)


def _genes(sets: SetTables, start: str, species: str) -> set[str]:
    part = sets.signatures[sets.signatures["set"].str.startswith(start)]
    cells: Iterable[str] = part[f"gene_{species}"]
    return {n for cell in cells for n in names_of(str(cell))}
