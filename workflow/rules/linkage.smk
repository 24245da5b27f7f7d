# Which pathway scores track the outcomes, and through which signed routes.


rule associate_scores:
    input:
        outcomes="<results>/outcomes/animals.tsv",
        animals=sheet_path("animals"),
        signatures=resource("signatures.tsv"),
        assays=resource("assay_genes.tsv"),
        dictionary=resource("outcomes.tsv"),
    output:
        associations="<results>/linkage/associations.tsv",
        overlap="<results>/linkage/overlap.tsv",
        figure="<results>/linkage/associations.svg",
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
        seed=setting("seed"),
        code=code_digest("linkage/associate_scores"),
    message:
        "Testing whether pathway scores track outcomes within arms"
    script:
        "../scripts/linkage/associate_scores.py"


rule solve_network:
    input:
        de=network_test,
        tests="<results>/bulk/tests.tsv",
        signalling=resource("signalling.tsv"),
    output:
        edges="<results>/linkage/network/{network}/edges.tsv",
        genes="<results>/linkage/network/{network}/genes.tsv",
        figure="<results>/linkage/network/{network}/routes.png",
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
        seed=setting("seed"),
        code=code_digest("linkage/solve_network"),
    message:
        "Finding signed routes from receptor to changed genes: {wildcards.network}"
    script:
        "../scripts/linkage/solve_network.py"
