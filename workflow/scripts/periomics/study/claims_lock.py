"""claims.lock.tsv: what was declared and when; rows are appended, never changed.

One row per item. The content of a cell is canonical JSON, in which tabs and line ends are escaped, so that the file needs no quoting
and the declared claims can be made again from it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path

from periomics.core.errors import InputError, nearest
from periomics.core.files import write_text

COLUMNS = ("when", "event", "item", "sha256", "change", "content")
EVENTS = ("frozen", "changed", "unblinded")


@dataclass(frozen=True)
class Entry:
    """One row: at `when` (UTC) the item had this digest and this content ('' where it was removed)."""

    when: str
    event: str
    item: str
    sha256: str
    change: str
    content: str

    @property
    def value(self) -> object:
        return json.loads(self.content)


def canonical(value: object) -> str:
    """A value as JSON that does not depend on the order of keys, nor on whether 1 was written 1 or 1.0."""
    return json.dumps(_plain(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float):
        if value != value:
            return None
        return int(value) if value.is_integer() and abs(value) < 1e15 else float(f"{value:.10g}")
    return value if value is None or isinstance(value, str | int | bool) else str(value)


def digest(content: str) -> str:
    """SHA-256 of a text."""
    return hashlib.sha256(content.encode()).hexdigest()


def now() -> str:
    """The present time as it stands in the file: ISO 8601, UTC, seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_lock(path: str | os.PathLike[str] | None) -> list[Entry]:
    """Rows of a lock file in their order; none where the file does not exist.

    Raises
    ------
    InputError
        Naming the row: where the file was edited by hand, its digests no longer fit its contents.
    """
    path = Path(path) if path else None
    if path is None or not path.is_file() or not path.stat().st_size:
        return []
    lines = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    if tuple(lines[0].rstrip("\r").split("\t")) != COLUMNS:
        raise InputError(
            "is no lock of claims",
            file=path,
            row=1,
            value=lines[0][:60],
            allowed=", ".join(COLUMNS),
        )
    out = []
    for row, line in enumerate(lines[1:], start=2):
        cells = line.rstrip("\r").split("\t")
        if len(cells) != len(COLUMNS):
            message = "a row was edited or cut: bring back the file as `snakemake freeze` wrote it"
            raise InputError(
                message,
                file=path,
                row=row,
                value=f"{len(cells)} cells",
                allowed=f"{len(COLUMNS)} cells",
            )
        entry = Entry(*cells)
        if entry.event not in EVENTS:
            message = f"unknown event{nearest(entry.event, EVENTS)}"
            raise InputError(
                message,
                file=path,
                row=row,
                column="event",
                value=entry.event,
                allowed=", ".join(EVENTS),
            )
        if entry.event != "unblinded" and entry.content and digest(entry.content) != entry.sha256:
            message = "the content does not fit its digest: the row was edited after it was written"
            raise InputError(
                message,
                file=path,
                row=row,
                column="sha256",
                value=entry.sha256,
                allowed=digest(entry.content),
            )
        out.append(entry)
    return out


def append(
    path: str | os.PathLike[str], make: Callable[[Sequence[Entry]], Iterable[Entry]]
) -> list[Entry]:
    """Add the rows that `make` gives for the rows so far; returns them.

    Two processes that append at once wait for each other, and each sees the other's rows; a reader sees the file before or after,
    never in between. Nothing is touched where there is nothing to add.
    """
    path = Path(path)
    if not list(make(read_lock(path))):
        return []
    # The folder is locked, not the file: the file is replaced as a whole, and a lock would stay with the old one.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        # Some network file systems lock no folder; there the file is still whole, and Snakemake's own lock keeps runs apart.
        with contextlib.suppress(OSError):
            fcntl.flock(folder, fcntl.LOCK_EX)
        before = read_lock(path)
        added = list(make(before))
        rows = [COLUMNS, *(astuple(e) for e in [*before, *added])]
        if added:
            write_text("".join("\t".join(r) + "\n" for r in rows), path)
        return added
    finally:
        os.close(folder)
