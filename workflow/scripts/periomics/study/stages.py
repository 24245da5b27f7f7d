"""Which stage a rule belongs to: measure (knows specimens, never arms), infer (knows arms) or exempt."""

from __future__ import annotations

STAGES = {
    # exempt: they handle sheets, not results
    "all": "exempt",
    "microct": "exempt",
    "histology": "exempt",
    "culture": "exempt",
    "bulk": "exempt",
    "singlecell": "exempt",
    "outcomes": "exempt",
    "statistics": "exempt",
    "linkage": "exempt",
    "report": "exempt",
    "provenance": "exempt",
    "recovery": "exempt",
    "power": "exempt",
    "calibrate": "exempt",
    "allocate": "exempt",
    "default": "exempt",
    "check": "exempt",
    "link_file": "exempt",
    "link_folder": "exempt",
    "freeze": "exempt",
    "unblind": "exempt",
    "record_provenance": "exempt",
    "write_crate": "exempt",
    "simulate_design": "exempt",
    "simulate_microct": "exempt",
    "simulate_histology": "exempt",
    "simulate_culture": "exempt",
    "simulate_bulk": "exempt",
    "simulate_singlecell": "exempt",
    "recover_truth": "exempt",
    # measure
    "scan_batch": "measure",
    "measure_scan": "measure",
    "compare_scans": "measure",
    "stain_batch": "measure",
    "measure_sections": "measure",
    "measure_culture": "measure",
    "collect_counts": "measure",
    "score_bulk": "measure",
    "build_atlas": "measure",
    "score_singlecell": "measure",
    "import_tables": "measure",
    # infer
    "decode_groups": "infer",
    "collect_measurements": "infer",
    "aggregate_animals": "infer",
    "estimate_contrasts": "infer",
    "judge_claims": "infer",
    "estimate_power": "infer",
    "calibrate_part": "infer",
    "collect_calibration": "infer",
    "allocate_animals": "infer",
    "compare_frozen": "infer",
    "fit_bulk": "infer",
    "rank_sets": "infer",
    "test_sets": "infer",
    "fit_pseudobulk": "infer",
    "test_composition": "infer",
    "associate_scores": "infer",
    "weigh_evidence": "infer",
    "solve_network": "infer",
    "refit_routes": "infer",
    "draw_routes": "infer",
    "write_report": "infer",
}


def stage(rule: str) -> str:
    """Stage of a rule.

    Raises
    ------
    KeyError
        For a rule without a declared stage: a new rule must say what it may see.
    """
    return STAGES[rule]
