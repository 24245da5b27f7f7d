# Bone around the implant, one job a scan.


rule measure_scan:
    input:
        scan=sheet_files("scans", "path"),
    output:
        measurements="<results>/microct/{specimen_id}/measurements.tsv",
        overlay="<results>/microct/{specimen_id}/overlay.png",
        labels="<results>/microct/{specimen_id}/labels.nii.gz",
        thickness="<results>/microct/{specimen_id}/thickness.nii.gz",
    log:
        "<logs>/microct/measure_scan/{specimen_id}.log",
    benchmark:
        "<benchmarks>/microct/measure_scan/{specimen_id}.tsv"
    conda:
        "../../envs/microct.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(600, per_input_mb=30),
        runtime=runtime_for(20),
    params:
        facts=sheet_facts("scans"),
        settings=setting("microct"),
        on_broken=setting("on_broken_specimen"),
        code=code_digest("microct/measure_scan"),
    message:
        "Measuring bone around the implant in scan {wildcards.specimen_id}"
    script:
        "../scripts/microct/measure_scan.py"
