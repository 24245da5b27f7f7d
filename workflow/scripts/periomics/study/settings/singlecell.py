"""Single-cell RNA-seq: the atlas, and tests per cell type."""

from __future__ import annotations

from pydantic import Field

from periomics.study.settings.genes import Design, GeneTests
from periomics.study.settings.section import Section
from periomics.study.species import Species


class Atlas(Section):
    """How cells are read, kept, embedded and named; declared blind to arms."""

    sample_column: str = Field(
        "sample", description="column of a shared h5ad that holds the sheet's `sample`"
    )
    label_column: str | None = Field(
        None, description="column with labels of one's own, which take the place of marker labels"
    )
    reference_column: str = Field(
        "cell_type", description="column of the reference (`resources: cell_reference`) with labels"
    )
    species: Species | None = Field(
        None, description="whose cells make the atlas, where the sheet holds libraries of several"
    )
    min_species_share: float = Field(
        0.9,
        gt=0.5,
        le=1,
        description="share of a cell's counts that are of its species, of a combined reference; "
        "cells with less are mixed and dropped",
    )
    min_shared: float = Field(
        0.5, ge=0, le=1, description="genes of the largest file that all share; fewer stop"
    )
    min_own_species: float = Field(
        0.5, ge=0, le=1, description="gene names written as the species' are; a smaller share stops"
    )
    min_counts: int = Field(500, ge=0, description="counts of a cell; fewer are dropped")
    min_genes: int = Field(200, ge=0, description="genes of a cell; fewer are dropped")
    max_mito_percent: float = Field(
        20, ge=0, le=100, description="%; mitochondrial share of a cell; more are dropped"
    )
    mads: float = Field(
        5, gt=0, description="MADs below a library's median log counts or genes; beyond are dropped"
    )
    mito_mads: float = Field(
        4, gt=0, description="MADs above a library's median mitochondrial share; beyond are dropped"
    )
    doublet_rate: float = Field(
        0.05, ge=0, lt=1, description="expected share of doublets in a library"
    )
    drop_doublets: bool = Field(True, description="whether predicted doublets are dropped")
    integrate: bool = Field(
        True, description="whether differences between libraries are taken out before clustering"
    )
    n_variable: int = Field(1000, ge=50, description="variable genes")
    n_components: int = Field(20, ge=2, description="principal components")
    n_neighbours: int = Field(15, ge=2, description="neighbours of a cell")
    resolution: float = Field(1.0, gt=0, description="Leiden resolution")
    min_score: float = Field(
        0.5, gt=0, lt=1, description="share of a type's markers that are on; below it is unknown"
    )
    min_margin: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="by which the best type's share beats the second's; else unknown",
    )


class PseudobulkTests(Design, GeneTests):
    """Tests per cell type on pseudobulk, and of composition."""

    min_cells: int = Field(20, ge=1, description="cells of a type in a library; fewer are left out")
    min_mean_cells: float = Field(
        5, ge=1, description="cells of a type a unit, mean of the arms compared; rarer have no p"
    )
    composition_reference: tuple[str, ...] = Field(
        (), description="types that count as unchanged; none: those that move together"
    )


class SingleCell(Section):
    """Single-cell RNA-seq."""

    atlas: Atlas = Field(default_factory=Atlas)
    tests: PseudobulkTests = Field(default_factory=PseudobulkTests)
