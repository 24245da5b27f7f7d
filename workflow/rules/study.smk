# The plan, and coded links to files whose own path names an arm.


localrules:
    check,
    link_file,


# The check itself runs as the workflow starts; this prints its plan.
rule check:
    log:
        "<logs>/study/check.log",
    conda:
        "../../envs/study.yaml"
    params:
        plan="<results>/check/plan.txt",
    message:
        "The study as understood"
    shell:
        "cat {params.plan:q} | tee {log:q}"


rule link_file:
    input:
        file=link_source,
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
