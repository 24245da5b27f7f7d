# One self-contained page for the whole study, with the figures and the tables they were drawn from.


rule write_report:
    input:
        **report_inputs(),
    output:
        report=report(
            "<results>/report/report.html",
            caption="../report/report.rst",
            category="Report",
        ),
        methods=report(
            "<results>/report/methods.md",
            caption="../report/methods.rst",
            category="Report",
        ),
        figures=report(
            directory("<results>/report/figures"),
            patterns=["{name}.svg"],
            caption="../report/forest.rst",
            category="Figures",
            labels={"figure": "{name}"},
        ),
    log:
        "<logs>/report/write_report.log",
    benchmark:
        "<benchmarks>/report/write_report.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(1000),
        runtime=runtime_for(10),
    params:
        code=code_digest("report/write_report"),
    message:
        "Writing the report"
    script:
        "../scripts/report/write_report.py"
