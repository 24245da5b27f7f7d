"""The log that SkyScan scanners and NRecon write beside the slices: voxel size, rotation, and facts of the acquisition.

The file is made of `[Section]` lines and `key=value` lines. No log of a real scan was at hand: the keys are those that
users quote (specification, section 1) and others from memory, so a key that is missing is simply not recorded.
"""

from __future__ import annotations

from pathlib import Path

from periomics.core.errors import InputError

# Fact that is recorded ← keys of the log, in lower case.
KEYS = {
    "scanner": ("scanner", "instrument"),
    "voltage_kv": ("source voltage (kv)", "voltage (kv)"),
    "current_ua": ("source current (ua)", "current (ua)"),
    "filter": ("filter",),
    "exposure_ms": ("exposure (ms)", "exposure"),
    "rotation_step_degree": ("rotation step (deg)", "rotation step"),
    "rotation_360": ("use 360 rotation",),
    "frame_averaging": ("frame averaging",),
    "reconstruction_program": ("reconstruction program", "program"),
    "reconstruction_version": ("program version",),
    "beam_hardening_percent": ("beam hardening correction (%)",),
    "ring_artifact_correction": ("ring artifact correction",),
    "smoothing": ("smoothing",),
    "angular_step_degree": ("angular step (deg)",),
    "rotation_degree": ("cs rotation (deg)",),
    "minimum_of_image": ("minimum for cs to image conversion",),
    "maximum_of_image": ("maximum for cs to image conversion",),
}
# The reconstructed voxel first: that of the projections differs where NRecon resized.
PIXEL = ("pixel size (um)", "image pixel size (um)")


def read_logs(folder: Path) -> tuple[float | None, dict[str, object]]:
    """Voxel size (µm) and facts from the logs of a folder; None and nothing where there is no log that says them.

    Raises
    ------
    InputError
        If logs state different pixel sizes, or one that is not a positive number.
    """
    sizes: dict[float, str] = {}
    facts: dict[str, object] = {}
    for log in sorted(folder.glob("*.log")):
        entries = parse(log.read_text(encoding="utf-8", errors="replace"))
        text = next((entries[k] for k in PIXEL if k in entries), None)
        if text is not None:
            sizes.setdefault(_positive(text, log), log.name)
        for fact, keys in KEYS.items():
            value = next((entries[k] for k in keys if entries.get(k)), None)
            if value is not None:
                facts.setdefault(f"log_{fact}", value)
    if len(sizes) > 1:
        raise InputError(f"logs state different pixel sizes: {sorted(sizes)} um", file=folder)
    return (next(iter(sizes)) if sizes else None), facts


def parse(text: str) -> dict[str, str]:
    """Entries of a log by key in lower case; a key that stands in several sections keeps the last (the reconstruction's)."""
    entries: dict[str, str] = {}
    for line in text.splitlines():
        key, found, value = line.partition("=")
        if found and not line.lstrip().startswith("["):
            entries[" ".join(key.split()).lower()] = " ".join(value.split())
    return entries


def _positive(text: str, log: Path) -> float:
    try:
        value = float(text.replace(",", "."))
    except ValueError as error:
        raise InputError(
            "pixel size is not a number", file=log, column="Pixel Size (um)", value=text
        ) from error
    if not value > 0:
        raise InputError(
            "pixel size is not a positive number", file=log, column="Pixel Size (um)", value=text
        )
    return value
