"""How much of a scan may be in memory at once."""

from __future__ import annotations

from periomics.core.errors import SpecimenError
from periomics.microct.slabs import Shape, planes_for

# Bytes for each voxel of a slab at work (measured).
SLAB_BYTES = 24.0
MOST_PLANES = 64


def slab_planes(
    memory_mb: float, shape: Shape, more: int = 0, voxel_bytes: float = SLAB_BYTES
) -> int:
    """Planes of a slab at work (grey values if not said), with as many more around it; raises SpecimenError if too few fit."""
    try:
        return min(MOST_PLANES, planes_for(memory_mb, shape, voxel_bytes, more, voxel_bytes / 2))
    except ValueError as error:
        raise SpecimenError(
            f"microct/memory_mb is too little for this scan: {error}, besides its masks"
        ) from error
