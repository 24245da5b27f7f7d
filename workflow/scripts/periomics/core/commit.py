"""The commit that a checkout is at."""

from __future__ import annotations

import subprocess
from pathlib import Path


def git_state(root: Path) -> dict[str, object]:
    """Commit and whether tracked files were changed; 'not a git checkout' where there is none."""

    def git(*words: str) -> str | None:
        command = ["git", "-C", str(root), *words]
        try:
            done = subprocess.run(  # noqa: S603
                command, capture_output=True, encoding="utf-8", check=False, timeout=30
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    commit = git("rev-parse", "HEAD")
    if commit is None:
        return {"commit": "not a git checkout", "changed": []}
    changed = git("status", "--porcelain", "--untracked-files=no") or ""
    return {"commit": commit, "changed": [line[3:] for line in changed.splitlines()]}
