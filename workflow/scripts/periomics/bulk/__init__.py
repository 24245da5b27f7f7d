"""Bulk RNA-seq: counts, differential tests, ranked sets, scores per library."""
