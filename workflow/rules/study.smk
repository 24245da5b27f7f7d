# The plan, what is declared before data, and names that hide arms: coded links, coded groups.


localrules:
    check,
    freeze,
    link_file,
    link_folder,
    unblind,


# The check runs as the workflow starts; this prints its plan. As a module of another workflow, whose start is not ours, this
# rule is how the check is asked for.
rule check:
    log:
        "<logs>/study/check.log",
    conda:
        "../../envs/study.yaml"
    params:
        plan=f"{STUDY.results}/check/plan.txt",
        script=str(CHECK_SCRIPT),
        request=json.dumps(CHECK_REQUEST, default=str),
        # The Python that runs this, not whichever is first on PATH.
        python=sys.executable,
    message:
        "The study as understood"
    shell:
        "printf '%s' {params.request:q} | {params.python:q} {params.script:q} && cat {params.plan:q} | tee {log:q}"


# These two write beside the sheets, only when asked for by name, and every time: they have no output that could be up to date.
rule freeze:
    input:
        dictionary=outcomes(),
    log:
        "<logs>/study/freeze.log",
    conda:
        "../../envs/study.yaml"
    params:
        config=config,
        code=code_digest("study/freeze"),
    message:
        "Recording the claims as they are declared now"
    script:
        "../scripts/study/freeze.py"


rule unblind:
    input:
        verdicts="<results>/statistics/verdicts.tsv",
    log:
        "<logs>/study/unblind.log",
    conda:
        "../../envs/study.yaml"
    params:
        config=config,
        code=code_digest("study/unblind"),
    message:
        "Recording what the verdicts rest on as the study is unblinded"
    script:
        "../scripts/study/unblind.py"


if STUDY.coding.opened:

    rule decode_groups:
        input:
            **{n: STUDY.sheet_file(n) for n in plan.decoded_sheets(STUDY)},
            key=STUDY.key_file(),
        output:
            **plan.decoded_sheets(STUDY),
        log:
            "<logs>/study/decode_groups.log",
        benchmark:
            "<benchmarks>/study/decode_groups.tsv"
        conda:
            "../../envs/study.yaml"
        threads: 1
        resources:
            mem_mb=memory_for(600),
            runtime=runtime_for(3),
        params:
            arms=dict(STUDY.coding.arms),
            code=code_digest("study/decode_groups"),
        message:
            "Putting arms in place of codes, since the key was opened"
        script:
            "../scripts/study/decode_groups.py"


rule link_file:
    input:
        file=link_source,
    output:
        link="<results>/study/links/{sheet}/{name}",
    log:
        "<logs>/study/link_file/{sheet}/{name}.log",
    wildcard_constraints:
        name=r"[0-9a-f]{12}(\.(?!folder)[A-Za-z0-9.]+)?",
    conda:
        "../../envs/study.yaml"
    message:
        "Giving a file whose path names an arm a coded name: {wildcards.name}"
    shell:
        'ln -sfn "$(realpath {input.file:q})" {output.link:q} 2> {log:q}'


# A folder is linked file by file: Snakemake does not take a link to a folder for a folder.
rule link_folder:
    input:
        file=link_source,
    output:
        link=directory("<results>/study/links/{sheet}/{name}"),
    log:
        "<logs>/study/link_folder/{sheet}/{name}.log",
    wildcard_constraints:
        name=r"[0-9a-f]{12}\.folder",
    conda:
        "../../envs/study.yaml"
    message:
        "Giving a folder whose path names an arm a coded name: {wildcards.name}"
    shell:
        'mkdir -p {output.link:q} && find "$(realpath {input.file:q})" -mindepth 1 -maxdepth 1 -exec ln -s -t {output.link:q} {{}} + 2> {log:q}'
