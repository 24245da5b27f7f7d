# What was run, on what, with what.


rule record_provenance:
    input:
        raw=raw_files(),
        sheets=list(study_sheets().values()),
        claims=claims_path(),
        lock=lock_path(),
        key=STUDY.key_file() or [],
    output:
        record="<results>/provenance/run.json",
        config="<results>/provenance/config.yaml",
        inputs="<results>/provenance/inputs.tsv",
        software="<results>/provenance/software.tsv",
        sheets=directory("<results>/provenance/sheets"),
    log:
        "<logs>/provenance/record_provenance.log",
    benchmark:
        "<benchmarks>/provenance/record_provenance.tsv"
    conda:
        "../../envs/provenance.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(600, 0),
        runtime=runtime_for(10, 0.002),
    params:
        config=config,
        resources=setting("resources") or {},
        rules=plan.SEEDED_RULES,
        code=code_digest("provenance/record_provenance"),
    message:
        "Recording configuration, software and checksums of all inputs"
    script:
        "../scripts/provenance/record_provenance.py"


rule write_crate:
    input:
        record="<results>/provenance/run.json",
        inputs="<results>/provenance/inputs.tsv",
        files=plan.crate_files(STUDY),
    output:
        crate="<results>/ro-crate-metadata.json",
    log:
        "<logs>/provenance/write_crate.log",
    benchmark:
        "<benchmarks>/provenance/write_crate.tsv"
    conda:
        "../../envs/provenance.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(600, 0),
        runtime=runtime_for(3),
    params:
        title=setting("study/title") or setting("study/name"),
        code=code_digest("provenance/write_crate"),
    message:
        "Describing the results as an RO-Crate"
    script:
        "../scripts/provenance/write_crate.py"
