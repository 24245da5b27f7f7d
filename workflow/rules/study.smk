# The plan, and coded links to files whose own path names an arm.


localrules:
    check,
    link_file,
    link_folder,


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
    message:
        "The study as understood"
    shell:
        "printf '%s' {params.request:q} | python {params.script:q} && cat {params.plan:q} | tee {log:q}"


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
