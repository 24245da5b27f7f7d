"""What files of cells there are and what they must hold, in the words of the check and of the job."""

ALLOWED = "h5ad, 10x folder or h5"
NO_CELLS_FILE = "is no file of cells"
NOT_WHOLE = "cells do not hold whole counts: raw counts are needed, in X or in layers['counts']"
# Columns of genes in which an h5ad may hold symbols.
SYMBOLS = ("symbol", "gene_symbols", "gene_name", "gene_symbol", "feature_name")
