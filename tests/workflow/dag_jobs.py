"""Prints the planned jobs of studies as JSON, one line each: its configuration, then of each job
rule, wildcards, inputs, params, script.

Run in a folder with the workflow. Each study is planned by a process that begins with Snakemake
imported.
"""

import json
import os
import sys
import traceback
from pathlib import Path

from snakemake.api import SnakemakeApi
from snakemake.settings.types import (
    ConfigSettings,
    DAGSettings,
    OutputSettings,
    Quietness,
    ResourceSettings,
)


def plan(config: str, snakefile: str = "Snakefile") -> None:
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        work = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(configfiles=[Path(config)]),
            snakefile=Path(snakefile),
            workdir=Path(),
        )
        work.dag(DAGSettings(forceall=True))
        workflow = work._workflow
        workflow._prepare_dag(forceall=True, ignore_incomplete=True, lock_warn_only=True)
        workflow._build_dag()
        jobs = [
            {
                "rule": job.rule.name,
                "wildcards": {str(k): str(v) for k, v in job.wildcards.items()}
                if job.wildcards
                else {},
                "input": [str(f) for f in job.input],
                "params": {str(k): v for k, v in job.params.items()},
                "script": str(job.rule.script or ""),
                "log": [str(f) for f in job.log],
                "message": str(job.rule.message or ""),
                "benchmark": str(job.rule.benchmark or ""),
                "benchmark_file": str(job.benchmark or ""),
                "mem_mb": job.resources.get("mem_mb"),
                "runtime": job.resources.get("runtime"),
                "conda": str(job.rule.conda_env or ""),
            }
            for job in workflow.dag.jobs
        ]
    print("JOBS" + json.dumps([str(Path(config).resolve()), jobs], default=str), flush=True)


def main(*configs: str) -> None:
    for config in configs:
        child = os.fork()
        if not child:
            try:
                plan(config)
            except BaseException:  # the child ends here whatever happens
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(0)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
