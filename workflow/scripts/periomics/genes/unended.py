"""Whether a file of counts ends as programs end it: one that was cut within its last number has no
end of line."""

from __future__ import annotations

import gzip
from pathlib import Path

UNENDED = "the last line has no end: the file may have been cut off within its last number"
_CHUNK = 1 << 20


def ends_in_line(path: Path) -> bool:
    """Whether the last line of a file, packed by gzip or plain, has its end."""
    last = b""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as handle:
        if path.suffix != ".gz":
            handle.seek(max(0, path.stat().st_size - 1))
        while chunk := handle.read(_CHUNK):
            last = chunk
    return last.endswith((b"\n", b"\r"))
