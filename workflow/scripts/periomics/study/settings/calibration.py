"""How often verdicts are right on the design of the study."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from periomics.study.settings.section import Section


class Calibration(Section):
    """How often verdicts are right on this design, by simulation (`snakemake calibrate`)."""

    studies: int = Field(
        10_000,
        ge=50,
        description="simulated studies per scenario; 10,000 tell a rate of .05 to .006, 200 are a quick look",
    )
    d: float = Field(
        2.5,
        gt=0,
        description="SD between animals; healthy - disease difference of the simulated studies",
    )
    within_d: float = Field(
        1.5,
        gt=0,
        description="SD of the differences within isolations; effect of the medium where treatments work",
    )
    correlation: float = Field(0.4, ge=0, lt=1, description="between the outcomes of an animal")
    block_share: float = Field(
        0.3, ge=0, lt=1, description="share of the variance between animals that a block explains"
    )
    sizes: tuple[Annotated[int, Field(ge=3)], ...] = Field(
        (3, 4, 5, 6, 7, 8, 9, 10),
        description="animals per arm: each scenario is repeated with them, beside the own numbers of the study",
    )
