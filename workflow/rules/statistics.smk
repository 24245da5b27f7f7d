# From animals to contrasts, rescue fractions and a verdict per claim.


rule estimate_contrasts:
    input:
        outcomes="<results>/outcomes/animals.tsv",
        animals=sheet_path("animals"),
        claims=claims_path(),
        dictionary=resource("outcomes.tsv"),
    output:
        contrasts="<results>/statistics/contrasts.tsv",
        rescue="<results>/statistics/rescue.tsv",
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
        runtime=runtime_for(20),
    params:
        roles=setting("roles"),
        settings=setting("statistics"),
        seed=setting("seed"),
        code=code_digest("statistics/estimate_contrasts"),
    message:
        "Estimating the declared contrasts with their intervals"
    script:
        "../scripts/statistics/estimate_contrasts.py"


rule judge_claims:
    input:
        outcomes="<results>/outcomes/animals.tsv",
        contrasts="<results>/statistics/contrasts.tsv",
        animals=sheet_path("animals"),
        claims=claims_path(),
        dictionary=resource("outcomes.tsv"),
    output:
        verdicts="<results>/statistics/verdicts.tsv",
    log:
        "<logs>/statistics/judge_claims.log",
    benchmark:
        "<benchmarks>/statistics/judge_claims.tsv"
    conda:
        "../../envs/statistics.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(500),
        runtime=runtime_for(10),
    params:
        roles=setting("roles"),
        code=code_digest("statistics/judge_claims"),
    message:
        "Judging each claim in the declared order"
    script:
        "../scripts/statistics/judge_claims.py"
