"""Tables of differential tests, bulk and pseudobulk."""

GENE_COLUMNS = (
    "gene_id",
    "symbol",
    "baseMean",
    "log2FC",
    "lfcSE",
    "stat",
    "p",
    "padj",
    "log2FC_shrunk",
    "df",
    "padj_normal",
    "p_beyond",
    "padj_beyond",
    "p_within",
    "padj_within",
)
PLANE_COLUMNS = (
    "compared_with",
    "specimen_id",
    "pc1",
    "pc2",
    "share_pc1",
    "share_pc2",
    "place",
)
DISTANCE_COLUMNS = ("compared_with", "specimen_id", "other", "distance")
# Counts of the negative binomial model; dispersion: squared coefficient of variation beyond that of counting.
DISPERSION_COLUMNS = ("analysis", "gene_id", "baseMean", "own", "trend", "used")
SET_TEST_COLUMNS = (
    "test",
    "set_id",
    "source",
    "direction",
    "n_genes",
    "share_mapped",
    "method",
    "stat",
    "df",
    "p",
    "p_adj",
    "r_between_genes",
)
# Values of `method`: does the mean of the set change, with one variance for all arms and with one for each; does it change more
# than the other genes.
ROTATION, GROUPWISE, COMPETITIVE = "rotation", "groupwise", "competitive"
