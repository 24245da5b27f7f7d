"""Logs are never empty on failure: scripts hook uncaught exceptions into their log."""

from __future__ import annotations

import logging
import platform
import sys
import traceback
from pathlib import Path
from typing import Any

from periomics import __version__
from periomics.core.errors import PeriomicsError

LOGGER = logging.getLogger("periomics")


def start_log(snakemake: Any) -> logging.Logger:
    """Send logging, warnings and uncaught exceptions of a script to its log file and to stderr.

    Also compares the digest of the library that was really imported with the one the job was planned with, so that a
    stale installed copy cannot silently take the place of the checkout.

    Parameters
    ----------
    snakemake
        The object that Snakemake puts into a script.

    Raises
    ------
    PeriomicsError
        If another copy of the library was imported than the one the job was planned with.
    """
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if len(snakemake.log):
        path = Path(str(snakemake.log[0]))
        path.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(path, mode="w", encoding="utf-8"))
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        handlers=handlers,
        force=True,
    )
    logging.captureWarnings(True)
    logging.getLogger("matplotlib").setLevel(logging.WARNING)
    logging.getLogger("fontTools").setLevel(logging.WARNING)
    sys.excepthook = _log_exception
    LOGGER.info(
        "rule %s, wildcards %s, threads %s",
        snakemake.rule,
        dict(snakemake.wildcards.items()),
        snakemake.threads,
    )
    LOGGER.info(
        "periomics %s, Python %s, %s", __version__, platform.python_version(), platform.machine()
    )
    planned = dict(snakemake.params.items()).get("code")
    if planned:
        _check_digest(planned)
    return LOGGER


def _log_exception(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    if issubclass(kind, PeriomicsError):
        LOGGER.error("%s", error)
        LOGGER.info("".join(traceback.format_tb(trace)))
    else:
        LOGGER.critical("".join(traceback.format_exception(kind, error, trace)))
    logging.shutdown()


def _check_digest(planned: str) -> None:
    from periomics.core.code import script_digest, scripts_folder

    stem, _, digest = planned.partition("@")
    found = script_digest(stem)
    if digest != found:
        raise PeriomicsError(
            f"the library that was imported ({scripts_folder()}) is not the one this job was planned with: "
            "uninstall the old copy, or install the checkout with `pip install -e .`"
        )
