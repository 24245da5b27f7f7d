"""Scores beside outcomes, and signalling routes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from periomics.core.errors import nearest
from periomics.study.modalities import NAMES
from periomics.study.settings.section import Contradiction, Section
from periomics.study.species import Species

# A node that costs nothing would be active for no reason.
MOST_OFF = 0.9


class SignallingNetwork(Section):
    """One signalling network."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$", description="name of the results folder"
    )
    test: str = Field(
        description="differential test that it explains, <analysis>.<contrast> of bulk"
    )
    inputs: dict[str, Literal[1, -1]] | Literal["evidence"] = Field(
        {},
        description="receptor as the table names it (the team's own: human symbol) and its sign; "
        "evidence: receptors of the axes whose ligand and receptor are shown (L1 and L2)",
    )
    mode: Literal["forward", "inverse"] = Field(
        "forward",
        description="forward: from these receptors; inverse: no inputs, any receptor of the "
        "team's table may be active, up or down, at the cost of a node",
    )
    weights: dict[str, float] = Field(
        {},
        description="node as the table names it → share of its cost that other evidence takes "
        "off, 0 to 0.9",
    )
    table: str = Field(
        "",
        description="signed table in place of the team's own, by path or as resources name it: "
        "OmniPath, SIGNOR, COSMOS, CARNIVAL",
    )
    regulons: str = Field(
        "",
        description="factors and genes in place of the table's transcription, by path or as "
        "resources name it: CollecTRI, DoRothEA",
    )
    table_species: Species = Field("human", description="species of these two")
    depth: int = Field(6, ge=1, description="steps; longest path from receptor to gene")
    beta: float = Field(0.2, gt=0, description="cost of a node; a clear gene is worth 1 to 2")
    doubt: float | None = Field(
        None,
        ge=0,
        description="cost of an edge of signalling that carries against its sign in the table; 0: "
        "none may; unset: 1 in the team's own table, 0 in another",
    )
    pool: int = Field(20, ge=1, le=50, description="most optima that are listed")
    nulls: int = Field(
        20, ge=0, description="shuffles of the genes' changes for the null frequency"
    )
    relabellings: int = Field(
        199, ge=0, description="of the contrasted arms within blocks, for p-values of routes"
    )
    rewired: int = Field(20, ge=0, description="networks of the same degrees, beside the routes")
    q: float = Field(
        0.05, gt=0, lt=1, description="false discovery rate at which a gene counts as changed"
    )
    genes: int = Field(40, ge=1, description="most genes that are explained")
    solver: Literal["HiGHS", "CBC"] = Field("HiGHS", description="CBC comes with PuLP")

    @property
    def price(self) -> float:
        """Cost of an edge against its sign.

        With 1 routes of the team's table come back where a tenth of its signs are wrong; of a table
        of twenty times the edges an optimum would take 14 s in place of 2 (docs/linkage.md).
        """
        return self.doubt if self.doubt is not None else 0.0 if self.table else 1.0

    def contradictions(self) -> Iterator[Contradiction]:
        """Inputs and mode that do not fit, and weights outside their range."""
        if self.mode == "inverse" and self.inputs:
            yield Contradiction("inputs", "mode inverse has none: every receptor is free")
        if self.mode == "forward" and not self.inputs:
            yield Contradiction("inputs", "this key is needed unless mode is inverse")
        for node, share in self.weights.items():
            if not 0 <= share <= MOST_OFF:
                allowed = f"0 to {MOST_OFF}"
                yield Contradiction(f"weights/{node}", "no share of a cost", share, allowed)


class Pair(Section):
    """A declared pair of score and outcome."""

    score: str = Field(description="score:<kind>:<id>")
    outcome: str = Field(description="outcome of the dictionary")
    units: Literal["animal", "isolation"] = Field("animal", description="units that have both")


class Question(Section):
    """What the axes are asked about: outcomes of one kind, and where their receptors must be."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+ -]*$", description="such as barrier")
    outcomes: tuple[str, ...] = Field(
        min_length=1, description="outcomes whose pairs with a response are evidence"
    )
    receivers: tuple[str, ...] = Field(
        min_length=1, description="compartments of libraries, or cell types, that receive"
    )


class Perturbation(Section):
    """A contrast that blocks or adds the ligand of an axis."""

    axis: str = Field(description="set LR_ of the signatures")
    contrast: str = Field(description="contrast of the claims: with over without")
    outcome: str = Field(description="outcome of the dictionary")
    expected: Literal[1, -1] = Field(description="direction in which the outcome should move")


class Views(Section):
    """Views of all animals at once: principal components, and factor analysis with areas as blocks."""

    areas: tuple[str, ...] = Field(
        (), description="modalities whose outcomes and scores are seen together; none named: all"
    )
    scores: tuple[str, ...] = Field(
        ("response", "footprint"), description="kinds of scores that are seen beside outcomes"
    )
    least_measured: float = Field(
        0.8,
        gt=0,
        le=1,
        description="share of the animals that must have an outcome; animals without all that is kept are left out",
    )
    components: int = Field(3, ge=1, le=10, description="components that are given")
    model_animals: int = Field(
        30,
        ge=12,
        description="animals below which scores do not predict the outcomes of questions (partial least squares)",
    )

    def contradictions(self) -> Iterator[Contradiction]:
        """Areas that are no modality."""
        for i, area in enumerate(self.areas):
            if area not in NAMES:
                message = f"no such modality{nearest(area, NAMES)}"
                yield Contradiction(f"areas/{i}", message, area, ", ".join(NAMES))


class Linkage(Section):
    """Scores beside outcomes, evidence of each paracrine axis, and signalling routes."""

    permutations: int = Field(
        9999, ge=99, description="permutations for each pair, of what the design allows"
    )
    pairs: tuple[Pair, ...] = Field(
        (),
        description="declared before data; Holm over the pairs of each question, animals and isolations apart",
    )
    covariates: tuple[str, ...] = Field(
        (),
        description="columns of the animals sheet, outcomes or scores; a link must hold beyond them too",
    )
    questions: tuple[Question, ...] = Field(
        (), description="evidence of every paracrine axis is weighed for each; none: it is not"
    )
    senders: tuple[str, ...] = Field(
        ("msc", "medium"),
        description="compartments or cell sources of libraries, or cell types, that send; never the mixed tissue",
    )
    expressed_cpm: float = Field(
        1.0, gt=0, description="median counts per million from which a gene is expressed"
    )
    ambient_share: float = Field(
        0.2,
        ge=0,
        le=1,
        description="of the counts of the cell type with most of a gene: fewer may float in droplets",
    )
    responses: tuple[str, ...] = Field(
        (), description="tests <analysis>.<contrast> in which a response may rise"
    )
    timing: tuple[str, ...] = Field(
        (), description="tests whose responses are put side by side: late over early, medium × cue"
    )
    mediation: tuple[str, ...] = Field(
        (), description="contrasts of animals that a response may pass on to an outcome"
    )
    perturbations: tuple[Perturbation, ...] = Field(())
    alpha: float = Field(0.05, gt=0, lt=1, description="level of each step of the evidence")
    views: Views = Field(default_factory=Views)
    networks: tuple[SignallingNetwork, ...] = Field(())

    def contradictions(self) -> Iterator[Contradiction]:
        """Pairs that stand twice: they would count twice in the family."""
        for i, pair in enumerate(self.pairs):
            if pair in self.pairs[:i]:
                value = f"{pair.score} with {pair.outcome}"
                yield Contradiction(f"pairs/{i}", "the same pair stands twice", value)
