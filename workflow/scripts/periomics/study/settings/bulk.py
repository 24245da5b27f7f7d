"""Bulk RNA-seq: quality, scores, designs, tests and rankings."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from periomics.study.settings.genes import Design, GeneTests
from periomics.study.settings.section import Section
from periomics.study.species import Species


class BulkCounts(Section):
    """How files of counts are read, and when they are refused."""

    strand: Literal["auto", "unstranded", "forward", "reverse"] = Field(
        "auto", description="column of STAR's ReadsPerGene tables; auto: by the data, said"
    )
    lengths: Literal["used", "ignored"] = Field(
        "used",
        description="transcript lengths of Salmon, kallisto and RSEM as offsets of the gene tests; "
        "ignored: for reads of one end of each transcript only",
    )
    max_unmapped: float = Field(
        0.1, ge=0, lt=1, description="reads on transcripts without a gene, as a share; more stop"
    )
    min_shared: float = Field(
        0.5, gt=0, le=1, description="genes that all files have, of the largest file's; fewer stop"
    )
    min_own_species: float = Field(
        0.5, ge=0, le=1, description="gene names written as the species' are; a smaller share stops"
    )


class BulkQuality(Section):
    """When a bulk library fails."""

    min_reads: int = Field(10_000, ge=0, description="counted reads; fewer fail")
    min_detected: int = Field(500, ge=0, description="genes with a read; fewer fail")
    duplicates: Literal["flag", "stop"] = Field("flag", description="what identical libraries do")
    sex_cpm: float = Field(
        5.0, gt=0, description="reads per million on XIST, or on genes of Y, that tell a sex"
    )


class BulkScores(Section):
    """Scores per library, and per cell type."""

    footprint_top: int = Field(
        500, ge=10, description="genes per pathway of a configured footprint table"
    )
    footprint_species: Species = Field("mouse", description="species of that table")
    regulon_genes: int = Field(
        5, ge=3, description="genes of a transcription factor; factors with fewer have no score"
    )
    regulon_species: Species = Field(
        "human", description="species of a configured table of regulons (resources/regulons)"
    )


class Analysis(Design):
    """One design of bulk libraries."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_+-]*$", description="name of the analysis")


class BulkTests(GeneTests):
    """Differential tests."""


class BulkSets(Section):
    """Ranking of gene sets, for display."""

    permutations: int = Field(
        1000, ge=10, description="gene permutations that scale the score; no test across animals"
    )
    min_size: int = Field(5, ge=2, description="fewest genes of a set among the tested")
    max_size: int = Field(500, ge=5, description="most genes of a set among the tested")
    species: Species = Field("human", description="species of a configured GMT file")


class Bulk(Section):
    """Bulk RNA-seq."""

    counts: BulkCounts = Field(default_factory=BulkCounts)
    quality: BulkQuality = Field(default_factory=BulkQuality)
    scores: BulkScores = Field(default_factory=BulkScores)
    analyses: tuple[Analysis, ...] = Field(
        (), description="designs; each is one fit for all its contrasts"
    )
    tests: BulkTests = Field(default_factory=BulkTests)
    sets: BulkSets = Field(default_factory=BulkSets)
