# Stained sections: one job per stain batch, then one job per animal with all its sections.


rule stain_batch:
    input:
        images=sheet_files("sections", "path"),
        rois=sheet_files("sections", "rois"),
        stains=resource("stains.yaml"),
    output:
        batch="<results>/histology/batches/{batch}.tsv",
    log:
        "<logs>/histology/stain_batch/{batch}.log",
    benchmark:
        "<benchmarks>/histology/stain_batch/{batch}.tsv"
    conda:
        "../../envs/histology.yaml"
    threads: 1
    resources:
        mem_mb=picture_memory("sections", 800, sampled=True),
        runtime=runtime_for(10, 0.05),
    params:
        facts=sheet_facts("sections"),
        settings=setting("histology"),
        code=code_digest("histology/stain_batch"),
    message:
        "Setting white point, stain vectors and thresholds of stain batch {wildcards.batch}"
    script:
        "../scripts/histology/stain_batch.py"


rule measure_sections:
    input:
        images=sheet_files("sections", "path"),
        rois=sheet_files("sections", "rois"),
        edited=sheet_files("sections", "mask"),
        batches=batch_tables,
        stains=resource("stains.yaml"),
        network=resource("nuclei_brightfield.npz"),
        model=configured("nuclei_model"),
    output:
        measurements="<results>/histology/{animal_id}/measurements.tsv",
        objects="<results>/histology/{animal_id}/objects.parquet",
        quality="<results>/histology/{animal_id}/quality.tsv",
        overlay="<results>/histology/{animal_id}/overlays.png",
        sections=directory("<results>/histology/{animal_id}/sections"),
    log:
        "<logs>/histology/measure_sections/{animal_id}.log",
    benchmark:
        "<benchmarks>/histology/measure_sections/{animal_id}.tsv"
    conda:
        "../../envs/histology.yaml"
    threads: 1
    resources:
        mem_mb=picture_memory("sections", 900),
        runtime=runtime_for(10, 0.05),
    params:
        facts=sheet_facts("sections"),
        settings=setting("histology"),
        on_broken=setting("on_broken_specimen"),
        code=code_digest("histology/measure_sections"),
    message:
        "Measuring the stained sections of animal {wildcards.animal_id}"
    script:
        "../scripts/histology/measure_sections.py"
