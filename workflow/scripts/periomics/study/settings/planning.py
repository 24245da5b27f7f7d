"""Power, allocation and layout of the next study."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from periomics.study.settings.section import Contradiction, Section


class BatchLayout(Section):
    """What is handled in batches: a stain run, scan sessions, library plates."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_+-]*$", description="name of the layout")
    capacity: int = Field(ge=1, description="specimens that one batch holds")
    sheet: Literal["scans", "sections", "cultures", "libraries"] | None = Field(
        None,
        description="sheet whose specimens are laid out; where empty every animal gives `per_animal` specimens",
    )
    per_animal: int = Field(1, ge=1, description="specimens per animal, where no sheet names them")


class Planning(Section):
    """Power, allocation and layout of the next study (`snakemake power`, `snakemake allocate`)."""

    power: float = Field(
        0.8,
        gt=0.05,
        lt=1,
        description="wanted power; 0.8 is the usual compromise with animal numbers",
    )
    effect_d: float = Field(
        1.2,
        gt=0,
        description="SD between animals; healthy - disease difference that is planned for, low since published effects are inflated",
    )
    effect_of: dict[str, float] = Field(
        default_factory=dict,
        description="outcome → planned difference in its own unit, used where its SD was measured",
    )
    recovery: float = Field(
        0.7, description="share of the deficit that a treated arm makes up, unless R names it"
    )
    R: dict[str, float] = Field(
        default_factory=dict,
        description="arm → share of the deficit that it makes up; 0 where a claim says that the arm does not improve, else `recovery`",
    )
    cv: float = Field(
        0.25,
        gt=0,
        lt=5,
        description="SD over mean between animals where none were measured; 0.15 to 0.4 are usual",
    )
    cv_of: dict[str, float] = Field(default_factory=dict, description="outcome → SD over mean")
    correlation: float = Field(
        0.4, ge=0, lt=1, description="between the outcomes of an animal, for families of claims"
    )
    n: tuple[int, int] = Field(
        (3, 20), description="animals per arm, from and to, of the power curves"
    )
    n_limit: int = Field(200, ge=2, description="most animals per arm that are considered")
    simulations: int = Field(
        2000,
        ge=100,
        description="studies drawn for each point; 2000 give powers to 0.02 (two standard errors)",
    )
    arms: tuple[str, ...] = Field(
        (),
        description="arms of the next allocation; the roles' arms, else the sheet's groups, where empty",
    )
    reallocate: bool = Field(
        False,
        description="whether groups in the animals sheet are ignored; else animals that all have one keep it",
    )
    weight_tolerance: float = Field(
        0.1,
        ge=0,
        description="SD of the weights; arms whose mean weights differ by no more are balanced, a larger choice leaves more to chance",
    )
    batches: tuple[BatchLayout, ...] = Field((), description="layouts of specimens over batches")

    def contradictions(self) -> Iterator[Contradiction]:
        """Numbers of animals that do not rise."""
        if not 3 <= self.n[0] <= self.n[1] <= self.n_limit:
            message = "must rise from at least 3 (there is no inference below) to at most n_limit"
            shown = f"{self.n[0]} to {self.n[1]}"
            yield Contradiction("n", message, shown, f"3 to n_limit, {self.n_limit}")
