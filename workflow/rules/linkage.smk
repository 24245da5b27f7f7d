# Which pathway scores track the outcomes, and through which signed routes.


rule associate_scores:
    input:
        outcomes="<results>/outcomes/animals.tsv",
        animals=sheet_path("animals"),
        signatures=resource("signatures.tsv"),
        responses=resource("responses.tsv"),
        signalling=resource("signalling.tsv"),
        progeny=configured("progeny"),
        regulons=configured("regulons"),
        orthologs_mouse=configured("orthologs_mouse"),
        orthologs_rat=configured("orthologs_rat"),
        assays=resource("assay_genes.tsv"),
        dictionary=outcomes(),
    output:
        associations="<results>/linkage/associations.tsv",
        sets="<results>/linkage/sets.tsv",
        overlap="<results>/linkage/overlap.tsv",
        figure="<results>/linkage/associations.svg",
        views="<results>/linkage/views.tsv",
        views_figure="<results>/linkage/views.svg",
    log:
        "<logs>/linkage/associate_scores.log",
    benchmark:
        "<benchmarks>/linkage/associate_scores.tsv"
    conda:
        "../../envs/linkage.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(800),
        runtime=runtime_for(10),
    params:
        settings=setting("linkage"),
        scores=setting("bulk/scores"),
        seed=setting("seed"),
        roles=setting("roles"),
        code=code_digest("linkage/associate_scores"),
    message:
        "Testing whether pathway scores track outcomes within arms"
    script:
        "../scripts/linkage/associate_scores.py"


rule weigh_evidence:
    input:
        **plan.evidence_inputs(STUDY),
        signatures=resource("signatures.tsv"),
        responses=resource("responses.tsv"),
        secretome=configured("secretome"),
    output:
        evidence="<results>/linkage/evidence.tsv",
        axes="<results>/linkage/axes.tsv",
        timing="<results>/linkage/timing.tsv",
        mediation="<results>/linkage/mediation.tsv",
        figure="<results>/linkage/axes.svg",
    log:
        "<logs>/linkage/weigh_evidence.log",
    benchmark:
        "<benchmarks>/linkage/weigh_evidence.tsv"
    conda:
        "../../envs/linkage.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(700, 20),
        runtime=runtime_for(5),
    params:
        settings=setting("linkage"),
        facts=all_facts("libraries"),
        code=code_digest("linkage/weigh_evidence"),
    message:
        "Weighing the evidence of every paracrine axis"
    script:
        "../scripts/linkage/weigh_evidence.py"


rule solve_network:
    input:
        unpack(network_tables),
        **plan.tracking(STUDY),
        de=network_test,
        tests="<results>/bulk/tests.tsv",
        signalling=resource("signalling.tsv"),
        signatures=resource("signatures.tsv"),
        responses=resource("responses.tsv"),
    output:
        edges="<results>/linkage/network/{network}/edges.tsv",
        nodes="<results>/linkage/network/{network}/nodes.tsv",
        genes="<results>/linkage/network/{network}/genes.tsv",
        solver="<results>/linkage/network/{network}/solver.tsv",
        graph="<results>/linkage/network/{network}/routes.graphml",
    log:
        "<logs>/linkage/solve_network/{network}.log",
    benchmark:
        "<benchmarks>/linkage/solve_network/{network}.tsv"
    conda:
        "../../envs/linkage.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(1000),
        runtime=runtime_for(15),
    params:
        settings=network_settings,
        questions=setting("linkage/questions"),
        alpha=setting("linkage/alpha"),
        seed=setting("seed"),
        code=code_digest("linkage/solve_network"),
    message:
        "Finding signed routes from receptor to changed genes: {wildcards.network}"
    script:
        "../scripts/linkage/solve_network.py"


rule refit_routes:
    input:
        unpack(network_tables),
        counts="<results>/bulk/counts.tsv",
        lengths="<results>/bulk/lengths.tsv",
        genes="<results>/bulk/genes.tsv",
        qc="<results>/bulk/qc.tsv",
        animals=sheet_path("animals"),
        libraries=sheet_path("libraries"),
        exclusions=sheet_path("exclusions"),
        claims=claims_path(),
        signalling=resource("signalling.tsv"),
        signatures=resource("signatures.tsv"),
        responses=resource("responses.tsv"),
    output:
        routes="<results>/linkage/network/{network}/routes.tsv",
        refits="<results>/linkage/network/{network}/refits.tsv",
    log:
        "<logs>/linkage/refit_routes/{network}.log",
    benchmark:
        "<benchmarks>/linkage/refit_routes/{network}.tsv"
    conda:
        "../../envs/linkage.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(1000, 30),
        runtime=runtime_for(30),
    params:
        settings=network_settings,
        analyses=setting("bulk/analyses"),
        tests=setting("bulk/tests"),
        roles=setting("roles"),
        seed=setting("seed"),
        code=code_digest("linkage/refit_routes"),
    message:
        "Refitting routes without a unit and with arms dealt anew: {wildcards.network}"
    script:
        "../scripts/linkage/refit_routes.py"


rule draw_routes:
    input:
        edges="<results>/linkage/network/{network}/edges.tsv",
        nodes="<results>/linkage/network/{network}/nodes.tsv",
        solver="<results>/linkage/network/{network}/solver.tsv",
        refits="<results>/linkage/network/{network}/refits.tsv",
        signatures=resource("signatures.tsv"),
        responses=resource("responses.tsv"),
    output:
        figure="<results>/linkage/network/{network}/routes.svg",
    log:
        "<logs>/linkage/draw_routes/{network}.log",
    benchmark:
        "<benchmarks>/linkage/draw_routes/{network}.tsv"
    conda:
        "../../envs/linkage.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(700),
        runtime=runtime_for(5),
    params:
        settings=network_settings,
        code=code_digest("linkage/draw_routes"),
    message:
        "Drawing signed routes: {wildcards.network}"
    script:
        "../scripts/linkage/draw_routes.py"
