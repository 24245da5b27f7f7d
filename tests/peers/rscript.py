"""Run a piece of R on a table and get numbers back; tests that use it are skipped where R is not installed."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest

BEFORE = 'd <- read.delim("table.tsv", stringsAsFactors = FALSE, na.strings = "NA")\n'
AFTER = """
for (name in names(result)) cat(name, sprintf("%.17g", as.numeric(result[[name]])), sep = "\\t", fill = FALSE, "\\n")
"""


def need(package: str, debian: str) -> None:
    """Skip tests where R or a package of it is not installed."""
    if shutil.which("Rscript") is None:
        pytest.skip("R is not installed (Debian: apt install r-base-core)")
    call = ["Rscript", "--vanilla", "-e", f"library({package})"]
    if subprocess.run(call, capture_output=True, check=False).returncode:
        pytest.skip(f"{package} is not installed (Debian: apt install {debian})")


def run_r(code: str, table: pd.DataFrame | Mapping[str, object]) -> dict[str, np.ndarray]:
    """What the code leaves in the list `result`, by name, each a flat array.

    Parameters
    ----------
    code
        R code (base and stats only). The table is its data frame `d`; missing values are NA, text stays text.
    table
        A table, or columns of one.

    Returns
    -------
    dict
        Name → numbers in R's order (matrices column by column); NA is NaN.
    """
    rscript = shutil.which("Rscript")
    if rscript is None:
        pytest.skip(
            "R is not installed (Debian: apt install r-base-core); comparison with R left out"
        )
    with TemporaryDirectory() as folder:
        pd.DataFrame(table).to_csv(
            Path(folder) / "table.tsv", sep="\t", index=False, na_rep="NA", float_format="%.17g"
        )
        script = Path(folder) / "peer.R"
        script.write_text(BEFORE + code + AFTER, encoding="utf-8")
        done = subprocess.run(
            [rscript, "--vanilla", script.name],
            cwd=folder,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
    assert done.returncode == 0, done.stderr
    out = {}
    for line in done.stdout.splitlines():
        name, *numbers = line.rstrip().split("\t")
        out[name] = np.array(
            [np.nan if x.strip() == "NA" else float(x) for x in numbers if x.strip()]
        )
    return out
