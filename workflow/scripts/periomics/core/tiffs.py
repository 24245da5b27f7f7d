"""The chain of pages of a TIFF, which readers follow only as far as it leads."""

from __future__ import annotations

from pathlib import Path
from typing import Literal


def tiff_cut(path: Path) -> bool:
    """Whether the chain of a TIFF's pages leads out of the file: readers then pass over the pages that are lost.

    Source: TIFF 6.0, section 2, and its form with 8 bytes an offset (BigTIFF).
    """
    size = path.stat().st_size
    with path.open("rb") as handle:
        head = handle.read(16)
        order: Literal["little", "big"] = "little" if head[:2] == b"II" else "big"
        big = int.from_bytes(head[2:4], order) == 43
        wide, number, entry = (8, 8, 20) if big else (4, 2, 12)
        place, seen = int.from_bytes(head[8:16] if big else head[4:8], order), set()
        while place and place not in seen:
            seen.add(place)
            handle.seek(place)
            entries = int.from_bytes(handle.read(number), order)
            end = place + number + entries * entry
            if end + wide > size:
                return True
            handle.seek(end)
            place = int.from_bytes(handle.read(wide), order)
    return False
