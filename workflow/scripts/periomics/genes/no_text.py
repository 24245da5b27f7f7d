"""What a file is that should have been text in UTF-8: packed under another name, a workbook, or
text in other letters."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from periomics.core.errors import InputError

UTF8 = "text in UTF-8 (a spreadsheet calls it CSV UTF-8)"
# First bytes → what a file is, and what to give in its place.
_KINDS = (
    (b"\x1f\x8b", "is packed by gzip, but not called .gz", "its name with .gz behind it"),
    (b"PK\x03\x04", "is a workbook or a zip archive", "the sheet or file in it, as text"),
    (b"\xd0\xcf\x11\xe0", "is a workbook", "its sheet, as text"),
    (b"BZh", "is packed by bzip2", "the file unpacked, or packed by gzip"),
    (b"\xfd7zXZ", "is packed by xz", "the file unpacked, or packed by gzip"),
    (b"\xff\xfe", "is text in UTF-16", UTF8),
    (b"\xfe\xff", "is text in UTF-16", UTF8),
)
_SHOWN, _LOOKED_AT = 20, 5000


def no_text(path: Path) -> InputError:
    """The refusal of a file whose bytes are not text in UTF-8.

    Parameters
    ----------
    path
        File, packed where it is called .gz.

    Returns
    -------
    InputError
        Says what the file is, where its first bytes tell; else the first row that cannot be read,
        with its letters as Windows-1252 has them.
    """
    raw = path.read_bytes()
    try:
        raw = gzip.decompress(raw) if path.suffix == ".gz" else raw
    except (EOFError, OSError, zlib.error) as error:
        return InputError(f"file is cut off or damaged ({error})", file=path)
    for start, message, allowed in _KINDS:
        # Two first bytes are no proof of UTF-16: every other byte of its text is 0.
        if raw.startswith(start) and ("UTF-16" not in message or b"\0" in raw[:100]):
            return InputError(message, file=path, allowed=allowed)
    controls = any(c < 32 and c not in b"\t\n\r\f" for c in raw[:_LOOKED_AT])
    for row, line in enumerate([] if controls else raw.splitlines(), 1):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as error:
            around = line[max(0, error.start - _SHOWN) : error.start + _SHOWN]
            return InputError(
                "holds letters that are not UTF-8, as Windows-1252 has them",
                file=path,
                row=row,
                value=around.decode("cp1252", "replace"),
                allowed=UTF8,
            )
    return InputError("is no text", file=path, allowed="a table of text in UTF-8")
