"""Omics code shared by bulk and single cell: identifiers, gene sets, the count model."""
