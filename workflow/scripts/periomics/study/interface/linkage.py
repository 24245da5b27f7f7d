"""Tables of linkage: associations of scores with outcomes, and edges of signed routes."""

ASSOCIATION_COLUMNS = (
    "outcome",
    "score_id",
    "r",
    "lower",
    "upper",
    "p",
    "p_adj",
    "n",
    "family",
    "method",
    "adjusted_for",
    "p_floor",
    "r_pooled",
    "n_units",
    "r_covariates",
    "p_covariates",
    "covariates",
    "r_least",
    "r_most",
    "r_by_arm",
    "per_sd",
    "per_sd_lower",
    "per_sd_upper",
    "per_sd_unit",
    "reason",
)
SCREEN_COLUMNS = (
    "outcome",
    "score_id",
    "units",
    "direction",
    "r",
    "p",
    "p_adj",
    "p_floor",
    "n",
    "n_units",
    "family",
    "adjusted_for",
    "reason",
)
VIEW_COLUMNS = ("view", "part", "name", "block", "component", "value", "n", "reason")
EDGE_COLUMNS = (
    "source",
    "sign",
    "target",
    "frequency",
    "null_frequency",
    "pool_complete",
    "layer",
    "evidence",
    "source_state",
    "target_state",
)
NODE_COLUMNS = ("node", "kind", "state", "weight", "p_adj", "n", "of", "reason")
EVIDENCE_COLUMNS = (
    "axis",
    "response",
    "question",
    "rung",
    "holds",
    "subject",
    "value",
    "unit",
    "p",
    "n",
    "table",
    "reason",
)
AXIS_COLUMNS = ("axis", "response", "question", "rung", "held", "missing", "sentence")
TIMING_COLUMNS = ("response", "test", "direction", "stat", "p", "p_adj", "agree")
MEDIATION_COLUMNS = (
    "response",
    "outcome",
    "contrast",
    "p_treatment",
    "r",
    "p_association",
    "p",
    "p_adj",
    "n",
    "reason",
)
ROUTE_COLUMNS = (
    "receptor",
    "sign",
    "gain",
    "genes",
    "genes_right",
    "rank",
    "of",
    "one_signed",
    "p",
    "p_adj",
    "p_floor",
    "relabellings",
    "topology_share",
    "reason",
)
REFIT_COLUMNS = ("source", "sign", "target", "frequency", "refits")
# Steps of the evidence of an axis, and what each says.
RUNGS = {
    "L1": "ligand in the sender",
    "L2": "receptor in the receiver",
    "L3": "response by treatment",
    "L4": "response tracks the outcome",
    "L5": "perturbation of the ligand",
}
