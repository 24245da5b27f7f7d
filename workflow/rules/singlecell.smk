# Single-cell RNA-seq: atlas, pseudobulk and scores without arms; composition and tests per cell type with them.


rule build_atlas:
    input:
        files=all_files("libraries", "path", assay="singlecell"),
        markers=resource("cell_types.tsv"),
        own=configured("cell_types"),
        reference=configured("cell_reference"),
    output:
        atlas="<results>/singlecell/atlas.h5ad",
        cells="<results>/singlecell/cells.tsv",
        qc="<results>/singlecell/qc.tsv",
        clusters="<results>/singlecell/clusters.tsv",
        markers="<results>/singlecell/markers.tsv",
        facts="<results>/singlecell/atlas.tsv",
        quality="<results>/singlecell/qc.png",
        map="<results>/singlecell/umap.png",
        dots="<results>/singlecell/markers.png",
    log:
        "<logs>/singlecell/build_atlas.log",
    benchmark:
        "<benchmarks>/singlecell/build_atlas.tsv"
    conda:
        "../../envs/singlecell.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(2000, 40),
        runtime=runtime_for(20, 0.05),
    params:
        facts=all_facts("libraries", assay="singlecell"),
        settings=setting("singlecell/atlas"),
        seed=setting("seed"),
        code=code_digest("singlecell/build_atlas"),
    message:
        "Building the atlas of all single-cell libraries"
    script:
        "../scripts/singlecell/build_atlas.py"


rule score_singlecell:
    input:
        atlas="<results>/singlecell/atlas.h5ad",
        signatures=resource("signatures.tsv"),
        responses=resource("responses.tsv"),
        signalling=resource("signalling.tsv"),
        progeny=configured("progeny"),
        regulons=configured("regulons"),
        orthologs_mouse=configured("orthologs_mouse"),
        orthologs_rat=configured("orthologs_rat"),
    output:
        counts="<results>/singlecell/pseudobulk/counts.tsv",
        groups="<results>/singlecell/pseudobulk/groups.tsv",
        genes="<results>/singlecell/pseudobulk/genes.tsv",
        moments="<results>/singlecell/pseudobulk/moments.tsv",
        scores="<results>/singlecell/scores.tsv",
    log:
        "<logs>/singlecell/score_singlecell.log",
    benchmark:
        "<benchmarks>/singlecell/score_singlecell.tsv"
    conda:
        "../../envs/singlecell.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(1000, 40),
        runtime=runtime_for(10),
    params:
        min_cells=setting("singlecell/tests/min_cells"),
        settings=setting("bulk/scores"),
        code=code_digest("singlecell/score_singlecell"),
    message:
        "Summing cells by type and scoring signatures within types"
    script:
        "../scripts/singlecell/score_singlecell.py"


rule test_composition:
    input:
        groups="<results>/singlecell/pseudobulk/groups.tsv",
        cells="<results>/singlecell/cells.tsv",
        animals=sheet_path("animals"),
        libraries=sheet_path("libraries"),
        exclusions=sheet_path("exclusions"),
        claims=claims_path(),
    output:
        composition="<results>/singlecell/composition.tsv",
        arms="<results>/singlecell/umap_arms.png",
        shares="<results>/singlecell/composition.png",
    log:
        "<logs>/singlecell/test_composition.log",
    benchmark:
        "<benchmarks>/singlecell/test_composition.tsv"
    conda:
        "../../envs/singlecell.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(700),
        runtime=runtime_for(5),
    params:
        settings=setting("singlecell/tests"),
        roles=setting("roles"),
        code=code_digest("singlecell/test_composition"),
    message:
        "Comparing shares of cell types between arms"
    script:
        "../scripts/singlecell/test_composition.py"


rule fit_pseudobulk:
    input:
        counts="<results>/singlecell/pseudobulk/counts.tsv",
        groups="<results>/singlecell/pseudobulk/groups.tsv",
        genes="<results>/singlecell/pseudobulk/genes.tsv",
        moments="<results>/singlecell/pseudobulk/moments.tsv",
        animals=sheet_path("animals"),
        libraries=sheet_path("libraries"),
        exclusions=sheet_path("exclusions"),
        claims=claims_path(),
    output:
        de=directory("<results>/singlecell/de"),
        tests="<results>/singlecell/tests.tsv",
    log:
        "<logs>/singlecell/fit_pseudobulk.log",
    benchmark:
        "<benchmarks>/singlecell/fit_pseudobulk.tsv"
    conda:
        "../../envs/singlecell.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(1500, 30),
        runtime=runtime_for(20),
    params:
        settings=setting("singlecell/tests"),
        roles=setting("roles"),
        code=code_digest("singlecell/fit_pseudobulk"),
    message:
        "Testing the declared contrasts within each cell type"
    script:
        "../scripts/singlecell/fit_pseudobulk.py"
