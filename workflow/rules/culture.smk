# Pictures of cultures, plates and tables of Cq or bands: one job per isolation.


rule measure_culture:
    input:
        files=sheet_files("cultures", "path"),
    output:
        measurements="<results>/culture/{animal_id}/measurements.tsv",
        fronts="<results>/culture/{animal_id}/fronts.png",
        curves="<results>/culture/{animal_id}/curves.png",
        networks="<results>/culture/{animal_id}/networks.png",
        nuclei="<results>/culture/{animal_id}/nuclei.png",
        plates="<results>/culture/{animal_id}/plates.png",
    log:
        "<logs>/culture/measure_culture/{animal_id}.log",
    benchmark:
        "<benchmarks>/culture/measure_culture/{animal_id}.tsv"
    conda:
        "../../envs/culture.yaml"
    threads: 1
    resources:
        mem_mb=picture_memory("cultures", 900),
        runtime=runtime_for(10, 0.05),
    params:
        facts=sheet_facts("cultures"),
        settings=setting("culture"),
        on_broken=setting("on_broken_specimen"),
        code=code_digest("culture/measure_culture"),
    message:
        "Measuring the cultures of isolation {wildcards.animal_id}"
    script:
        "../scripts/culture/measure_culture.py"
