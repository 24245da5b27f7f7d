# The check that everything waits for, and coded links to files whose own path names an arm.


localrules:
    check,
    link_file,


rule check_study:
    input:
        **study_sheets(),
        claims=claims_path(),
        dictionary=resource("outcomes.tsv"),
    output:
        plan="<results>/check/plan.txt",
    log:
        "<logs>/study/check_study.log",
    benchmark:
        "<benchmarks>/study/check_study.tsv"
    conda:
        "../../envs/study.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(500),
        runtime=runtime_for(10),
    params:
        folder=str(STUDY.folder),
        config=config,
        missing=STUDY.missing_files,
        code=code_digest("study/check_study"),
    message:
        "Checking sheets, files and claims before anything is measured"
    script:
        "../scripts/study/check_study.py"


# Prints the plan each time it is asked for.
rule check:
    input:
        plan="<results>/check/plan.txt",
    log:
        "<logs>/study/check.log",
    conda:
        "../../envs/study.yaml"
    message:
        "The study as understood"
    shell:
        "cat {input.plan:q} | tee {log:q}"


rule link_file:
    input:
        file=link_source,
        checked=CHECKED,
    output:
        link="<results>/study/links/{sheet}/{name}",
    log:
        "<logs>/study/link_file/{sheet}/{name}.log",
    conda:
        "../../envs/study.yaml"
    message:
        "Giving a file whose path names an arm a coded name: {wildcards.name}"
    shell:
        'ln -sfn "$(realpath {input.file:q})" {output.link:q} 2> {log:q}'
