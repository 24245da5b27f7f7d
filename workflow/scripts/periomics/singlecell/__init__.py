"""Single-cell RNA-seq: quality, clusters, labels, pseudobulk, composition."""
