# Bone around the implant, one job per scan; before it, where thresholds or calibration ask for it, one job per scan batch.
# 1200 MB for the programs alone: on a cluster two Snakemake processes of 200 MB stand above the script, which takes up to
# 570 MB with its libraries while numba compiles. For the voxels 80 bytes each, up to what the config allows.


# A table of a row a scan, read in a second: not worth a job of a cluster.
localrules:
    compare_scans,


rule scan_batch:
    input:
        scans=sheet_files("scans", "path"),
    output:
        batch="<results>/microct/batches/{batch}.tsv",
    log:
        "<logs>/microct/scan_batch/{batch}.log",
    benchmark:
        "<benchmarks>/microct/scan_batch/{batch}.tsv"
    conda:
        "../../envs/microct.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(1200, 100, setting("microct/memory_mb")),
        runtime=runtime_for(10, 0.05),
    params:
        facts=sheet_facts("scans"),
        settings=setting("microct"),
        code=code_digest("microct/scan_batch"),
    message:
        "Setting threshold and calibration of scan batch {wildcards.batch}"
    script:
        "../scripts/microct/scan_batch.py"


rule measure_scan:
    input:
        scan=sheet_files("scans", "path"),
        mask=sheet_files("scans", "mask"),
        earlier=sheet_files("scans", "earlier"),
        batch=scan_batch_tables,
    output:
        measurements="<results>/microct/{specimen_id}/measurements.tsv",
        curves="<results>/microct/{specimen_id}/curves.tsv",
        facts="<results>/microct/{specimen_id}/scan.tsv",
        overlay="<results>/microct/{specimen_id}/overlay.png",
        labels="<results>/microct/{specimen_id}/labels.nii.gz",
        thickness="<results>/microct/{specimen_id}/thickness.nii.gz",
        separation="<results>/microct/{specimen_id}/separation.nii.gz",
    log:
        "<logs>/microct/measure_scan/{specimen_id}.log",
    benchmark:
        "<benchmarks>/microct/measure_scan/{specimen_id}.tsv"
    conda:
        "../../envs/microct.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(1200, 100, setting("microct/memory_mb")),
        runtime=runtime_for(10, 0.05),
    params:
        facts=sheet_facts("scans"),
        settings=setting("microct"),
        on_broken=setting("on_broken_specimen"),
        code=code_digest("microct/measure_scan"),
    message:
        "Measuring bone around the implant in scan {wildcards.specimen_id}"
    script:
        "../scripts/microct/measure_scan.py"


rule compare_scans:
    input:
        facts=plan.scan_facts(STUDY),
    output:
        levels="<results>/microct/levels.tsv",
    log:
        "<logs>/microct/compare_scans.log",
    benchmark:
        "<benchmarks>/microct/compare_scans.tsv"
    conda:
        "../../envs/microct.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(600),
        runtime=runtime_for(5),
    params:
        specimens=plan.ids(STUDY, "scans"),
        facts=all_facts("scans"),
        settings=setting("microct"),
        code=code_digest("microct/compare_scans"),
    message:
        "Setting the grey values of scans against those of their batch"
    script:
        "../scripts/microct/compare_scans.py"
