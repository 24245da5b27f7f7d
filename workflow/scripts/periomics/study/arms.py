"""Arms in reading order; their order gives their colours, the same in every figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def arm_order(
    config: Mapping[str, Any], present: Sequence[str], vehicles: Sequence[str] = ()
) -> list[str]:
    """Arms in reading order: healthy, diseased, treated, vehicles, then the rest by name."""
    roles = config.get("roles") or {}
    treated = roles.get("treated") or []
    named = [
        roles.get("healthy"),
        roles.get("disease"),
        *([treated] if isinstance(treated, str) else treated),
    ]
    first = [a for a in (*named, *sorted(vehicles)) if a in set(present)]
    return list(dict.fromkeys([*first, *sorted(set(present) - set(first))]))
