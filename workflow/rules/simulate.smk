# Raw files and truth of a simulated study; included only where the config has `simulate:`.


# Seconds, and all layers wait for it: not worth a job of a cluster.
localrules:
    simulate_design,


rule simulate_design:
    output:
        targets="<results>/simulate/truth/targets.tsv",
        animals="<results>/simulate/truth/animals.tsv",
        links="<results>/simulate/truth/links.tsv",
    log:
        "<logs>/simulate/simulate_design.log",
    benchmark:
        "<benchmarks>/simulate/simulate_design.tsv"
    conda:
        "../../envs/simulate.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(700),
        runtime=runtime_for(3),
    params:
        settings=setting("simulate"),
        seed=setting("seed"),
        code=code_digest("simulate/simulate_design"),
    message:
        "Drawing the simulated animals and what each specimen should show"
    script:
        "../scripts/simulate/simulate_design.py"


rule simulate_microct:
    input:
        targets="<results>/simulate/truth/targets.tsv",
    output:
        raw=simulated_files("scans", "path"),
        truth="<results>/simulate/truth/microct.tsv",
    log:
        "<logs>/simulate/simulate_microct.log",
    benchmark:
        "<benchmarks>/simulate/simulate_microct.tsv"
    conda:
        "../../envs/microct.yaml"
    threads: 2
    resources:
        mem_mb=memory_for(2000),
        runtime=runtime_for(15),
    params:
        facts=all_facts("scans"),
        settings=setting("simulate"),
        seed=setting("seed"),
        definitions=setting("microct"),
        code=code_digest("simulate/simulate_microct"),
    message:
        "Simulating micro-CT scans of jaws with an implant"
    script:
        "../scripts/simulate/simulate_microct.py"


rule simulate_histology:
    input:
        targets="<results>/simulate/truth/targets.tsv",
    output:
        raw=simulated_files("sections", "path"),
        rois=simulated_files("sections", "rois"),
        truth="<results>/simulate/truth/histology.tsv",
    log:
        "<logs>/simulate/simulate_histology.log",
    benchmark:
        "<benchmarks>/simulate/simulate_histology.tsv"
    conda:
        "../../envs/histology.yaml"
    threads: 2
    resources:
        mem_mb=memory_for(1200),
        runtime=runtime_for(10),
    params:
        facts=all_facts("sections"),
        settings=setting("simulate"),
        seed=setting("seed"),
        code=code_digest("simulate/simulate_histology"),
    message:
        "Simulating stained sections"
    script:
        "../scripts/simulate/simulate_histology.py"


rule simulate_culture:
    input:
        targets="<results>/simulate/truth/targets.tsv",
    output:
        raw=simulated_files("cultures", "path"),
        truth="<results>/simulate/truth/culture.tsv",
    log:
        "<logs>/simulate/simulate_culture.log",
    benchmark:
        "<benchmarks>/simulate/simulate_culture.tsv"
    conda:
        "../../envs/culture.yaml"
    threads: 2
    resources:
        mem_mb=memory_for(1000),
        runtime=runtime_for(10),
    params:
        facts=all_facts("cultures"),
        settings=setting("simulate"),
        seed=setting("seed"),
        closure_h=setting("culture/closure_h"),
        code=code_digest("simulate/simulate_culture"),
    message:
        "Simulating scratch series and plates"
    script:
        "../scripts/simulate/simulate_culture.py"


rule simulate_bulk:
    input:
        targets="<results>/simulate/truth/targets.tsv",
        signatures=resource("signatures.tsv"),
        responses=resource("responses.tsv"),
        signalling=resource("signalling.tsv"),
    output:
        raw=simulated_files("libraries", "path", assay="bulk"),
        truth="<results>/simulate/truth/bulk.tsv",
        genes="<results>/simulate/truth/bulk_genes.tsv",
        routes="<results>/simulate/truth/routes.tsv",
    log:
        "<logs>/simulate/simulate_bulk.log",
    benchmark:
        "<benchmarks>/simulate/simulate_bulk.tsv"
    conda:
        "../../envs/bulk.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(700),
        runtime=runtime_for(5),
    params:
        facts=all_facts("libraries", assay="bulk"),
        settings=setting("simulate"),
        seed=setting("seed"),
        code=code_digest("simulate/simulate_bulk"),
    message:
        "Simulating bulk RNA-seq counts with planted signatures"
    script:
        "../scripts/simulate/simulate_bulk.py"


rule simulate_singlecell:
    input:
        targets="<results>/simulate/truth/targets.tsv",
        signatures=resource("signatures.tsv"),
        responses=resource("responses.tsv"),
        signalling=resource("signalling.tsv"),
    output:
        raw=simulated_files("libraries", "path", assay="singlecell"),
        truth="<results>/simulate/truth/singlecell.tsv",
        cells="<results>/simulate/truth/singlecell_cells.tsv",
    log:
        "<logs>/simulate/simulate_singlecell.log",
    benchmark:
        "<benchmarks>/simulate/simulate_singlecell.tsv"
    conda:
        "../../envs/singlecell.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(1000),
        runtime=runtime_for(5),
    params:
        facts=all_facts("libraries", assay="singlecell"),
        settings=setting("simulate"),
        seed=setting("seed"),
        code=code_digest("simulate/simulate_singlecell"),
    message:
        "Simulating single cells with planted types and programmes"
    script:
        "../scripts/simulate/simulate_singlecell.py"


rule recover_truth:
    input:
        **plan.recovery_inputs(STUDY),
        measurements="<results>/outcomes/measurements.tsv",
        outcomes="<results>/outcomes/animals.tsv",
        truth=plan.truth_tables(STUDY),
        animals=sheet_path("animals"),
        cultures=sheet_path("cultures"),
        dictionary=outcomes(),
    output:
        recovery="<results>/recovery.tsv",
        figure="<results>/recovery.svg",
    log:
        "<logs>/simulate/recover_truth.log",
    benchmark:
        "<benchmarks>/simulate/recover_truth.tsv"
    conda:
        "../../envs/simulate.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(700),
        runtime=runtime_for(5),
    params:
        code=code_digest("simulate/recover_truth"),
    message:
        "Comparing what was measured with what was simulated"
    script:
        "../scripts/simulate/recover_truth.py"
