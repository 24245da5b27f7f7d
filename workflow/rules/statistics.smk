# From animals to contrasts, rescue fractions and a verdict per claim.


rule estimate_contrasts:
    input:
        outcomes="<results>/outcomes/animals.tsv",
        animals=sheet_path("animals"),
        claims=claims_path(),
        dictionary=outcomes(),
    output:
        contrasts="<results>/statistics/contrasts.tsv",
        animals="<results>/statistics/reproduce.tsv",
        script="<results>/statistics/reproduce.R",
        rescue="<results>/statistics/rescue.tsv",
        losses="<results>/statistics/losses.tsv",
        batches="<results>/statistics/batches.tsv",
    log:
        "<logs>/statistics/estimate_contrasts.log",
    benchmark:
        "<benchmarks>/statistics/estimate_contrasts.tsv"
    conda:
        "../../envs/statistics.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(700),
        runtime=runtime_for(15),
    params:
        roles=setting("roles"),
        withheld=STUDY.withheld,
        seed=setting("seed"),
        code=code_digest("statistics/estimate_contrasts"),
    message:
        "Estimating the declared contrasts with their intervals"
    script:
        "../scripts/statistics/estimate_contrasts.py"


rule judge_claims:
    input:
        outcomes="<results>/outcomes/animals.tsv",
        everyone="<results>/outcomes/animals_all.tsv",
        contrasts="<results>/statistics/contrasts.tsv",
        associations=plan.claimed_associations(STUDY),
        animals=sheet_path("animals"),
        claims=claims_path(),
        dictionary=outcomes(),
    output:
        verdicts="<results>/statistics/verdicts.tsv",
        arms="<results>/statistics/arms.tsv",
    log:
        "<logs>/statistics/judge_claims.log",
    benchmark:
        "<benchmarks>/statistics/judge_claims.tsv"
    conda:
        "../../envs/statistics.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(700),
        runtime=runtime_for(10),
    params:
        roles=setting("roles"),
        withheld=STUDY.withheld,
        code=code_digest("statistics/judge_claims"),
    message:
        "Judging each claim in the declared order"
    script:
        "../scripts/statistics/judge_claims.py"


rule compare_frozen:
    input:
        outcomes="<results>/outcomes/animals.tsv",
        verdicts="<results>/statistics/verdicts.tsv",
        animals=sheet_path("animals"),
        claims=claims_path(),
        dictionary=outcomes(),
        lock=lock_path(),
        recorded=recorded_files(STUDY),
    output:
        deviations="<results>/statistics/deviations.tsv",
    log:
        "<logs>/statistics/compare_frozen.log",
    benchmark:
        "<benchmarks>/statistics/compare_frozen.tsv"
    conda:
        "../../envs/statistics.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(700, 0),
        runtime=runtime_for(5),
    params:
        config=config,
        code=code_digest("statistics/compare_frozen"),
    message:
        "Comparing claims and inputs with what was frozen"
    script:
        "../scripts/statistics/compare_frozen.py"


# Made only when asked for (`snakemake power`); a measured study lends its SD, no study is measured for it.
rule estimate_power:
    input:
        outcomes=plan.measured_animals(STUDY),
        animals=sheet_path("animals"),
        claims=claims_path(),
        dictionary=outcomes(),
    output:
        power="<results>/statistics/power.tsv",
        curves="<results>/statistics/power_curves.tsv",
        figure="<results>/statistics/power.svg",
    log:
        "<logs>/statistics/estimate_power.log",
    benchmark:
        "<benchmarks>/statistics/estimate_power.tsv"
    conda:
        "../../envs/statistics.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(900),
        runtime=runtime_for(20),
    params:
        roles=setting("roles"),
        settings=setting("planning"),
        seed=setting("seed"),
        code=code_digest("statistics/estimate_power"),
    message:
        "Computing what each claim can detect and how many animals it needs"
    script:
        "../scripts/statistics/estimate_power.py"


# Made only when asked for (`snakemake calibrate`): scenarios are dealt to parts, so that all cores work and progress shows.
rule calibrate_part:
    input:
        animals=sheet_path("animals"),
        claims=claims_path(),
        dictionary=outcomes(),
    output:
        table="<results>/statistics/calibration/{part}.tsv",
    log:
        "<logs>/statistics/calibrate_part/{part}.log",
    benchmark:
        "<benchmarks>/statistics/calibrate_part/{part}.tsv"
    wildcard_constraints:
        part=r"[0-9]+",
    conda:
        "../../envs/statistics.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(2000),
        runtime=runtime_for(60),
    params:
        roles=setting("roles"),
        settings=setting("calibration"),
        planning=setting("planning"),
        parts=plan.CALIBRATION_PARTS,
        seed=setting("seed"),
        code=code_digest("statistics/calibrate_part"),
    message:
        "Judging simulated studies whose truth is known, part {wildcards.part}"
    script:
        "../scripts/statistics/calibrate_part.py"


rule collect_calibration:
    input:
        parts=plan.calibration_parts(STUDY),
    output:
        calibration="<results>/statistics/calibration.tsv",
    log:
        "<logs>/statistics/collect_calibration.log",
    benchmark:
        "<benchmarks>/statistics/collect_calibration.tsv"
    conda:
        "../../envs/statistics.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(600),
        runtime=runtime_for(5),
    params:
        code=code_digest("statistics/collect_calibration"),
    message:
        "Comparing error rates and coverage with their bounds"
    script:
        "../scripts/statistics/collect_calibration.py"


# Made only when asked for (`snakemake allocate`).
rule allocate_animals:
    input:
        **specimen_sheets(),
        animals=sheet_path("animals"),
    output:
        allocation="<results>/planning/allocation.tsv",
        layout="<results>/planning/layout.tsv",
        key="<results>/planning/layout_key.tsv",
        balance="<results>/planning/balance.tsv",
    log:
        "<logs>/statistics/allocate_animals.log",
    benchmark:
        "<benchmarks>/statistics/allocate_animals.tsv"
    conda:
        "../../envs/statistics.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(700),
        runtime=runtime_for(20),
    params:
        roles=setting("roles"),
        settings=setting("planning"),
        seed=setting("seed"),
        code=code_digest("statistics/allocate_animals"),
    message:
        "Allocating animals to arms and specimens to batches"
    script:
        "../scripts/statistics/allocate_animals.py"
