# From measurements of specimens to one value per animal and outcome: here the arms join for the first time.


# Small tables, read in a second: not worth a job of a cluster.
localrules:
    import_tables,


rule collect_measurements:
    input:
        tables=plan.measurement_tables(STUDY),
        levels=plan.scan_levels(STUDY),
        dictionary=outcomes(),
    output:
        measurements="<results>/outcomes/measurements.tsv",
    log:
        "<logs>/outcomes/collect_measurements.log",
    benchmark:
        "<benchmarks>/outcomes/collect_measurements.tsv"
    conda:
        "../../envs/outcomes.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(600),
        runtime=runtime_for(5),
    params:
        code=code_digest("outcomes/collect_measurements"),
    message:
        "Collecting the measurements of all specimens"
    script:
        "../scripts/outcomes/collect_measurements.py"


rule aggregate_animals:
    input:
        **specimen_sheets(),
        **plan.score_tables(STUDY),
        measurements="<results>/outcomes/measurements.tsv",
        animals=sheet_path("animals"),
        clinical=sheet_path("clinical"),
        readings=sheet_path("readings"),
        exclusions=sheet_path("exclusions"),
        dictionary=outcomes(),
    output:
        animals="<results>/outcomes/animals.tsv",
        everyone="<results>/outcomes/animals_all.tsv",
        variance="<results>/outcomes/variance.tsv",
        sampling="<results>/outcomes/sampling.tsv",
    log:
        "<logs>/outcomes/aggregate_animals.log",
    benchmark:
        "<benchmarks>/outcomes/aggregate_animals.tsv"
    conda:
        "../../envs/outcomes.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(600),
        runtime=runtime_for(5),
    params:
        settings=setting("outcomes"),
        code=code_digest("outcomes/aggregate_animals"),
    message:
        "Bringing fields, sections and wells to the animal"
    script:
        "../scripts/outcomes/aggregate_animals.py"


rule import_tables:
    input:
        files=all_files("imports", "path"),
        clinical=sheet_path("clinical"),
        readings=sheet_path("readings"),
        dictionary=outcomes(),
    output:
        measurements="<results>/outcomes/imported.tsv",
    log:
        "<logs>/outcomes/import_tables.log",
    benchmark:
        "<benchmarks>/outcomes/import_tables.tsv"
    conda:
        "../../envs/outcomes.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(600),
        runtime=runtime_for(5),
    params:
        facts=all_facts("imports"),
        on_broken=setting("on_broken_specimen"),
        code=code_digest("outcomes/import_tables"),
    message:
        "Taking over clinical observations, readings by hand and tables of other programs"
    script:
        "../scripts/outcomes/import_tables.py"
