# Reads the study, finds the library, offers the functions that rule files use; the only rule file with Python in it.
import json
import os
import sys
from pathlib import Path


def _library():
    """Folder that holds the library: beside this file in a checkout, a cached copy where the workflow is used from afar."""
    local = Path(str(workflow.current_basedir)) / "../scripts"
    if (local / "periomics/__init__.py").is_file():
        return local.resolve()
    listing = Path(workflow.source_path("../scripts/periomics/files.txt"))
    copies = [
        workflow.source_path(f"../scripts/{name}")
        for name in listing.read_text().split()
    ]
    return Path(next(c for c in copies if c.endswith("periomics/__init__.py"))).parents[
        1
    ]


# One thread for BLAS and OpenMP unless a job asks for more, and a numba cache that can be written: before numpy loads.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(".snakemake/numba").resolve()))
os.environ.setdefault("MPLBACKEND", "Agg")
# What libraries tell their developers is no news for a user.
os.environ.setdefault(
    "PYTHONWARNINGS", "ignore::FutureWarning,ignore::DeprecationWarning"
)
SCRIPTS = _library()
if str(SCRIPTS) not in sys.path:
    sys.path.append(str(SCRIPTS))

from periomics.core.code import code_digest
from periomics.study import cluster, plan
from periomics.study.closing import closing_line
from periomics.study.config import resolve_config
from periomics.study.frozen import recorded_files
from periomics.study.requests import memory_for, runtime_for
from periomics.study.sheets import SPECIMEN_SHEETS
from periomics.study.start import dry_run, passes
from periomics.study.study import load_study


def _study_folder():
    """Folder of the sheets: `study_dir` where the config names it, else the folder of the last config file."""
    if config.get("study_dir"):
        return str(config["study_dir"])
    if not workflow.configfiles:
        raise WorkflowError("used as a module without a config file: name study_dir")
    return os.path.relpath(Path(str(workflow.configfiles[-1])).parent)


# Every default is filled in here, once, so that results and provenance show the whole configuration.
config.update(resolve_config(config))
config["study_dir"] = _study_folder()
STUDY = load_study(config, config["study_dir"])


pathvars:
    results=STUDY.results,
    logs=f"{STUDY.results}/logs",
    benchmarks=f"{STUDY.results}/benchmarks",


wildcard_constraints:
    specimen_id=r"[A-Za-z0-9][A-Za-z0-9_.+-]*",
    animal_id=r"[A-Za-z0-9][A-Za-z0-9_.+-]*",
    batch=r"[A-Za-z0-9][A-Za-z0-9_.+-]*",
    contrast=r"[A-Za-z0-9][A-Za-z0-9_.+-]*",
    network=r"[A-Za-z0-9][A-Za-z0-9_.+-]*",


def _where(wildcards):
    """The sheet columns that a job's wildcards select by."""
    of = ("specimen_id", "animal_id", "section_id", "batch")
    return {k: v for k, v in wildcards.items() if k in of}


def sheet_files(sheet, column, **also):
    """Input function: files of the rows that match the wildcards."""

    def files(wildcards):
        rows = STUDY.facts(sheet, **_where(wildcards), **also)
        return list(dict.fromkeys(r[column] for r in rows if column in r))

    return files


def all_files(sheet, column, **where):
    """Files of all rows of a sheet, in the sheet's order."""
    rows = STUDY.facts(sheet, **where)
    return list(dict.fromkeys(r[column] for r in rows if column in r))


def sheet_facts(sheet, **also):
    """Params function: the matching rows as a measuring job may see them (no group, condition or dose)."""

    def facts(wildcards):
        return STUDY.facts(sheet, **_where(wildcards), **also)

    return facts


def all_facts(sheet, **where):
    """All rows of a sheet as a measuring job may see them."""
    return STUDY.facts(sheet, **where)


def simulated_files(sheet, column, **where):
    """Files of a sheet that the simulation writes."""
    inside = f"{STUDY.results}/simulate/raw/"
    return [f for f in all_files(sheet, column, **where) if f.startswith(inside)]


def sheet_path(name):
    """File of a sheet as an input, with arms in place of opened codes, or nothing where the study has none."""
    return plan.decoded_sheets(STUDY).get(name) or STUDY.sheet_file(name) or []


def specimen_sheets():
    """Every sheet whose rows are specimens with files, by name, as inputs."""
    return {n: sheet_path(n) for n in SPECIMEN_SHEETS}


def study_sheets():
    """Every sheet of the study, by name."""
    return {
        n: f for n in STUDY.sheets if (f := STUDY.sheet_file(n)) and Path(f).is_file()
    }


def claims_path():
    return STUDY.claims_file() or []


def lock_path():
    """What was declared before data, or nothing where the claims were not frozen."""
    return STUDY.lock_file() if Path(STUDY.lock_file()).is_file() else []


def link_source(wildcards):
    """The user's file behind a coded link."""
    return STUDY.links()[
        f"{STUDY.results}/study/links/{wildcards.sheet}/{wildcards.name}"
    ]


def batch_tables(wildcards):
    """Stain batch files that an animal's sections depend on."""
    return plan.batch_tables(STUDY, **_where(wildcards))


def scan_batch_tables(wildcards):
    """Scan batch file that a scan depends on, where the settings want one."""
    return plan.scan_batch_tables(STUDY, **_where(wildcards))


def setting(dpath):
    """A value of the configuration by its path, None where it is not set."""
    value = config
    for part in dpath.split("/"):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def resource(name):
    """A table of the team's own, from the checkout or, where the workflow is used from afar, from its cached copy."""
    local = Path(str(workflow.current_basedir)) / "../../resources" / name
    if local.is_file():
        return os.path.relpath(local)
    return workflow.source_path(f"../../resources/{name}")


def configured(name):
    """A third-party table from a path in the config (`resources:`), relative to the working directory; nothing where unset."""
    return os.path.expandvars(setting(f"resources/{name}") or "") or []


def outcomes():
    """The team's outcomes, and those of the study's own table."""
    return [resource("outcomes.tsv"), *plan.own_outcomes(STUDY)]


def picture_memory(sheet, base_mb, sampled=False):
    """Memory in MB by the pixels of a job's pictures, as their files and the settings tell them,
    and attempt."""

    def mem_mb(wildcards, attempt):
        from periomics.openings import pictures_mb

        facts = STUDY.facts(sheet, **_where(wildcards))
        need = pictures_mb(sheet, facts, setting("histology"), sampled)
        return int((base_mb + need) * attempt)

    return mem_mb


def network_settings(wildcards):
    """Settings of one signalling network."""
    return plan.networks(STUDY)[wildcards.network]


def network_test(wildcards):
    """Differential test that a signalling network explains."""
    return f"{STUDY.results}/bulk/de/{network_settings(wildcards)['test']}.tsv"


def network_tables(wildcards):
    """Third-party tables of a signalling network, and results that it reads, by name."""
    return plan.network_files(STUDY, wildcards.network)


def raw_files():
    """Every raw file that the sheets name, as jobs are given it."""
    return [f for sheet in SPECIMEN_SHEETS for f in all_files(sheet, "path")]


def report_inputs():
    """Files that the report reads, by name: results, sheets, claims and the team's tables."""
    own = {"claims": claims_path(), "lock": lock_path(), "key": STUDY.key_file() or []}
    own |= {"dictionary": outcomes(), "signalling": resource("signalling.tsv")}
    own |= {n: sheet_path(n) for n in study_sheets()}
    return own | plan.report_inputs(STUDY)


# What the check needs is looked up while these files are read; in `onstart` their places are no longer known.
CHECK_SCRIPT = SCRIPTS / "study/check_study.py"
if not CHECK_SCRIPT.is_file():
    CHECK_SCRIPT = workflow.source_path("../scripts/study/check_study.py")
CHECK_REQUEST = {
    "config": config,
    "files": [str(f) for f in workflow.configfiles],
    "folder": str(STUDY.folder),
    "results": STUDY.results,
    "tables": {n: resource(f) for n, f in plan.CHECK_TABLES.items()},
}


def check_study(dry=False):
    """Check the study; stop before the first job, or before a dry run plans, where something is to be mended."""
    wanted = [] if dry else workflow.dag_settings.targets
    if not passes(str(CHECK_SCRIPT), CHECK_REQUEST, wanted, dry):
        raise WorkflowError("the check found problems; they stand above")
