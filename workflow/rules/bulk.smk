# Bulk RNA-seq: counts and quality, scores per library, differential tests, and where gene sets stand in them.


rule collect_counts:
    input:
        files=all_files("libraries", "path", assay="bulk"),
        length_tables=all_files("libraries", "lengths", assay="bulk"),
        orthologs_mouse=configured("orthologs_mouse"),
        orthologs_rat=configured("orthologs_rat"),
        tx2gene=configured("tx2gene"),
    output:
        counts="<results>/bulk/counts.tsv",
        lengths="<results>/bulk/lengths.tsv",
        genes="<results>/bulk/genes.tsv",
        qc="<results>/bulk/qc.tsv",
        planes="<results>/bulk/planes.tsv",
        distances="<results>/bulk/distances.tsv",
        figure="<results>/bulk/qc.png",
    log:
        "<logs>/bulk/collect_counts.log",
    benchmark:
        "<benchmarks>/bulk/collect_counts.tsv"
    conda:
        "../../envs/bulk.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(700, 20),
        runtime=runtime_for(5),
    params:
        facts=all_facts("libraries", assay="bulk"),
        animals=all_facts("animals"),
        reading=setting("bulk/counts"),
        settings=setting("bulk/quality"),
        code=code_digest("bulk/collect_counts"),
    message:
        "Collecting the counts of all bulk libraries"
    script:
        "../scripts/bulk/collect_counts.py"


rule score_bulk:
    input:
        counts="<results>/bulk/counts.tsv",
        genes="<results>/bulk/genes.tsv",
        qc="<results>/bulk/qc.tsv",
        signatures=resource("signatures.tsv"),
        responses=resource("responses.tsv"),
        signalling=resource("signalling.tsv"),
        progeny=configured("progeny"),
        regulons=configured("regulons"),
        orthologs_mouse=configured("orthologs_mouse"),
        orthologs_rat=configured("orthologs_rat"),
    output:
        scores="<results>/bulk/scores.tsv",
    log:
        "<logs>/bulk/score_bulk.log",
    benchmark:
        "<benchmarks>/bulk/score_bulk.tsv"
    conda:
        "../../envs/bulk.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(700, 20),
        runtime=runtime_for(5),
    params:
        facts=all_facts("libraries", assay="bulk"),
        settings=setting("bulk/scores"),
        code=code_digest("bulk/score_bulk"),
    message:
        "Scoring signatures and pathways in every bulk library"
    script:
        "../scripts/bulk/score_bulk.py"


rule fit_bulk:
    input:
        counts="<results>/bulk/counts.tsv",
        lengths="<results>/bulk/lengths.tsv",
        genes="<results>/bulk/genes.tsv",
        qc="<results>/bulk/qc.tsv",
        animals=sheet_path("animals"),
        libraries=sheet_path("libraries"),
        exclusions=sheet_path("exclusions"),
        claims=claims_path(),
    output:
        de=expand("<results>/bulk/de/{test}.tsv", test=plan.bulk_contrasts(STUDY)),
        tests="<results>/bulk/tests.tsv",
        dispersion="<results>/bulk/dispersion.tsv",
        figure="<results>/bulk/tests.png",
    log:
        "<logs>/bulk/fit_bulk.log",
    benchmark:
        "<benchmarks>/bulk/fit_bulk.tsv"
    conda:
        "../../envs/bulk.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(1000, 30),
        runtime=runtime_for(20),
    params:
        analyses=setting("bulk/analyses"),
        settings=setting("bulk/tests"),
        roles=setting("roles"),
        code=code_digest("bulk/fit_bulk"),
    message:
        "Testing the declared contrasts gene by gene"
    script:
        "../scripts/bulk/fit_bulk.py"


rule rank_sets:
    input:
        de=expand("<results>/bulk/de/{test}.tsv", test=plan.bulk_contrasts(STUDY)),
        tests="<results>/bulk/tests.tsv",
        signatures=resource("signatures.tsv"),
        gene_sets=configured("gene_sets"),
        orthologs_mouse=configured("orthologs_mouse"),
        orthologs_rat=configured("orthologs_rat"),
    output:
        sets=expand("<results>/bulk/sets/{test}.tsv", test=plan.bulk_contrasts(STUDY)),
    log:
        "<logs>/bulk/rank_sets.log",
    benchmark:
        "<benchmarks>/bulk/rank_sets.tsv"
    conda:
        "../../envs/bulk.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(1000),
        runtime=runtime_for(10),
    params:
        settings=setting("bulk/sets"),
        seed=setting("seed"),
        code=code_digest("bulk/rank_sets"),
    message:
        "Placing gene sets in the ranked tests (display only)"
    script:
        "../scripts/bulk/rank_sets.py"


rule test_sets:
    input:
        counts="<results>/bulk/counts.tsv",
        lengths="<results>/bulk/lengths.tsv",
        genes="<results>/bulk/genes.tsv",
        qc="<results>/bulk/qc.tsv",
        animals=sheet_path("animals"),
        libraries=sheet_path("libraries"),
        exclusions=sheet_path("exclusions"),
        claims=claims_path(),
        tests="<results>/bulk/tests.tsv",
        signatures=resource("signatures.tsv"),
        responses=resource("responses.tsv"),
        gene_sets=configured("gene_sets"),
        orthologs_mouse=configured("orthologs_mouse"),
        orthologs_rat=configured("orthologs_rat"),
    output:
        sets="<results>/bulk/set_tests.tsv",
    log:
        "<logs>/bulk/test_sets.log",
    benchmark:
        "<benchmarks>/bulk/test_sets.tsv"
    conda:
        "../../envs/bulk.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(1000, 30),
        runtime=runtime_for(10),
    params:
        analyses=setting("bulk/analyses"),
        tests=setting("bulk/tests"),
        settings=setting("bulk/sets"),
        roles=setting("roles"),
        code=code_digest("bulk/test_sets"),
    message:
        "Testing which gene sets respond in the declared contrasts"
    script:
        "../scripts/bulk/test_sets.py"
