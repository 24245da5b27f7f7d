"""The list of the library's files, which a workflow that is used from afar fetches one by one: `python -m periomics.core.listing`."""

from __future__ import annotations

from pathlib import Path

from periomics.core.code import scripts_folder
from periomics.core.files import write_text


def library_files(folder: Path) -> list[str]:
    """Files of the library relative to the folder of the scripts, sorted; caches are left out."""
    found = (
        p for p in (folder / "periomics").rglob("*") if p.is_file() and "__pycache__" not in p.parts
    )
    return sorted(p.relative_to(folder).as_posix() for p in found if p.name != "files.txt")


if __name__ == "__main__":
    write_text(
        "\n".join(library_files(scripts_folder())) + "\n",
        scripts_folder() / "periomics" / "files.txt",
    )
