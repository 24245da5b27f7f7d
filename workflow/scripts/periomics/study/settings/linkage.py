"""Scores beside outcomes, and signalling routes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from periomics.study.settings.section import Section


class SignallingNetwork(Section):
    """One signalling network."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$", description="name of the results folder"
    )
    test: str = Field(
        description="differential test that it explains, <analysis>.<contrast> of bulk"
    )
    inputs: dict[str, Literal[1, -1]] = Field(description="receptor (human symbol) and its sign")
    depth: int = Field(6, ge=1, description="steps; longest path from receptor to gene")
    beta: float = Field(0.2, gt=0, description="cost of a node; a clear gene is worth 1 to 2")
    pool: int = Field(20, ge=1, le=50, description="most optima that are listed")
    nulls: int = Field(
        20, ge=0, description="shuffles of the genes' changes for the null frequency"
    )
    q: float = Field(
        0.05, gt=0, lt=1, description="false discovery rate at which a gene counts as changed"
    )
    genes: int = Field(40, ge=1, description="most genes that are explained")
    solver: Literal["HiGHS", "CBC"] = Field("HiGHS", description="CBC comes with PuLP")


class Pair(Section):
    """A declared pair of score and outcome."""

    score: str = Field(description="score:<kind>:<id>")
    outcome: str = Field(description="outcome of the dictionary")
    units: Literal["animal", "isolation"] = Field("animal", description="units that have both")


class Linkage(Section):
    """Scores beside outcomes, and signalling routes."""

    permutations: int = Field(
        9999, ge=99, description="permutations for each pair, of what the design allows"
    )
    pairs: tuple[Pair, ...] = Field(
        (),
        description="6 to 12 pairs declared before data; Holm within animals and within isolations",
    )
    networks: tuple[SignallingNetwork, ...] = Field(())
