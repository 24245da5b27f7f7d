"""Every random number generator is seeded from the config seed, the rule and the specimen."""

from __future__ import annotations

import hashlib

import numpy as np


def derive_seed(seed: int, rule: str, specimen: str = "") -> int:
    """Return a 63-bit seed = hash(config seed, rule, specimen): equal on every machine and Python."""
    digest = hashlib.sha256(f"{seed}\x1f{rule}\x1f{specimen}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(seed: int, rule: str, specimen: str = "") -> np.random.Generator:
    """Return a numpy Generator seeded by `derive_seed`."""
    return np.random.default_rng(derive_seed(seed, rule, specimen))
