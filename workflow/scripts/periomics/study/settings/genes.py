"""What every test of genes is told, bulk or per cell type."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from periomics.study.settings.section import Section


class Design(Section):
    """Which libraries are compared, by which arms, within what."""

    arm: str = Field(
        "group",
        description="column that holds the arm: group, or condition where arms vary within the unit",
    )
    block: str | tuple[str, ...] = Field((), description="columns that enter as blocks")
    contrasts: tuple[str, ...] = Field((), description="names of contrasts in the claims file")
    select: dict[str, str | float | list[str | float]] = Field(
        default_factory=dict, description="libraries: column of the sheets → value"
    )

    @property
    def blocks(self) -> tuple[str, ...]:
        """Columns that enter as blocks."""
        return (self.block,) if isinstance(self.block, str) else self.block


class GeneTests(Section):
    """What a differential test needs."""

    alpha: float = Field(
        0.05, gt=0, lt=1, description="false discovery rate for independent filtering"
    )
    min_total: int = Field(
        10, ge=0, description="reads of a gene over all libraries; fewer are not tested"
    )
    min_per_arm: int = Field(3, ge=2, description="units per arm; fewer get no p-values")
    margin: float = Field(
        1.0, gt=0, description="log2; changes within it count as none, beyond it as large"
    )
    fit: Literal["own", "pydeseq2"] = Field(
        "own", description="who fits the counts; own names DESeq2's genes (docs/omics.md)"
    )
    reference: Literal["moderated", "normal"] = Field(
        "moderated",
        description="normal is DESeq2's and exceeds the stated false discovery rate (docs/omics.md)",
    )
