"""The table of a stain batch from its sections' files; a broken section is left out and named."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pandas as pd

from periomics.core.errors import InputError, SpecimenError, nearest
from periomics.histology.batch import COLUMNS, FURTHER, OVERVIEW_UM, pool, sample_section, white_of
from periomics.histology.laminin import contrasts
from periomics.histology.large.batch import sample_large
from periomics.histology.large.section import open_large
from periomics.histology.members import minority, odd_members
from periomics.histology.sections import (
    LARGE_PIXELS,
    open_section,
    overrules,
    section_name,
    sheet_pixel,
)
from periomics.histology.settings import StainSettings
from periomics.imaging.readers import read_rgb
from periomics.imaging.stains import StainPair


def batch_table(
    facts: Sequence[Mapping[str, object]],
    settings: Mapping[str, StainSettings],
    warn: Callable[[str], None],
) -> pd.DataFrame:
    """One row per stain: see `batch.pool`.

    Parameters
    ----------
    facts
        Rows of the sections sheet that share the batch.
    settings
        Stains of the config.
    warn
        Is told of every section that cannot be read; its animal's job says so in the measurements.

    Raises
    ------
    InputError
        If a stain is not in the config, or no section of a stain can be read.
    """
    rows = []
    for stain in sorted({str(f["stain"]) for f in facts}):
        if stain not in settings:
            raise InputError(
                f"config histology/stains does not describe this stain{nearest(stain, settings)}",
                column="stain",
                value=stain,
                allowed=", ".join(settings),
            )
        rows.append(
            _stain_row([f for f in facts if str(f["stain"]) == stain], settings[stain], warn)
        )
    return pd.DataFrame(rows, columns=[*COLUMNS, *FURTHER])


def _stain_row(facts, settings: StainSettings, warn: Callable[[str], None]) -> dict[str, object]:
    samples, read = [], []
    for fact in sorted(facts, key=lambda f: (str(f["section_id"]), str(f.get("field_id", "")))):
        try:
            control = str(fact.get("role", "")) == "negative_control"
            if large := open_large(fact, settings, LARGE_PIXELS):
                samples.append(sample_large(large, control))
                read.append(fact)
                continue
            opened = open_section(fact, settings)
            overview = (
                read_rgb(
                    str(fact["path"]), OVERVIEW_UM, sheet_pixel(fact), overrule=overrules(fact)
                )[0]
                if opened.in_part and not settings.shines
                else None
            )
            samples.append(sample_section(opened, control, overview))
        except (InputError, SpecimenError) as error:
            warn(f"section {fact['section_id']} is left out of its batch: {error}")
            continue
        read.append(fact)
    sections = [s for s in samples if not s.control]
    lined = settings.detector == "laminin"

    @lru_cache
    def contrast(k: int, white: tuple[float, ...], vectors: bytes) -> np.ndarray:
        pair = replace(settings.pair, vectors=np.frombuffer(vectors).reshape(2, 3))
        return contrasts(open_section(read[k], settings), settings, np.array(white), pair)

    def lines(of: Iterable[int], white: np.ndarray, pair: StainPair) -> list[np.ndarray]:
        return [contrast(k, tuple(white.tolist()), pair.vectors.tobytes()) for k in of]

    along = None
    if lined and sections:
        along = lines(range(len(samples)), white_of(sections, settings), settings.pair)
    odd = odd_members(samples, settings, along)
    left_out = odd if minority(list(odd), len(sections)) else {}
    kept = [k for k in range(len(samples)) if k not in left_out]

    def pooled(white: np.ndarray, pair: StainPair, control: bool) -> np.ndarray:
        of = [k for k in kept if samples[k].control == control]
        return np.concatenate(lines(of, white, pair))

    row = pool([samples[k] for k in kept], settings, pooled if lined else None)
    names = {section_name(read[k]): why for k, why in odd.items()}
    said = [
        f"{n} is {'left out' if left_out else 'unlike the others'}: {w}" for n, w in names.items()
    ]
    reason = "; ".join([str(row[k]) for k in ("reason", "fallback") if row[k]] + said)
    return row | {"odd": json.dumps(names), "reason": reason}
