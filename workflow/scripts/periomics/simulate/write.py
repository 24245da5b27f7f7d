"""Write the sheets of simulated studies: `python -m periomics.simulate.write config/config.yaml config/nano/config.yaml`.

The sheets are committed; a test holds that they equal what settings and seed give.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import yaml

from periomics.core.results import write_result
from periomics.simulate.sheets import draw_sheets


def planned_sheets(config_file: Path) -> dict[Path, pd.DataFrame]:
    """File → table for every sheet that a simulated study's config names."""
    config = yaml.safe_load(config_file.read_text(encoding="utf-8"))
    drawn = draw_sheets(config["simulate"], int(config["seed"]))
    return {config_file.parent / file: drawn[name] for name, file in config["sheets"].items()}


def main(files: list[str]) -> None:
    for file in files:
        for path, table in planned_sheets(Path(file)).items():
            write_result(table, path)
            print(f"{path}: {len(table)} rows")


if __name__ == "__main__":
    main(sys.argv[1:])
