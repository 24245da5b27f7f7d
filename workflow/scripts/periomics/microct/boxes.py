"""Boxes of a scan: what lies around a region, cut out of what is read by planes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from periomics.microct.formats.header import three
from periomics.microct.periimplant import Place
from periomics.microct.slabs import BitVolume, Mask, Reader, Shape, bounds, empty_bits

Box = tuple[slice, slice, slice]


def grown(low: Place, size: Shape, margin: int, shape: Shape) -> Box:
    """The box of a part with a margin, as far as the scan reaches."""
    return three(
        slice(max(0, a - margin), min(n, a + s + margin))
        for a, s, n in zip(low, size, shape, strict=True)
    )


def everything(shape: Shape) -> Box:
    """The box of a whole scan."""
    return three(slice(0, n) for n in shape)


def box_around(region: BitVolume | None, margin: int, shape: Shape) -> Box:
    """The bounding box of a mask with a margin; the whole scan if there is none."""
    return everything(shape) if region is None else grown(*bounds(region), margin, shape)


def joined(a: Box, b: Box) -> Box:
    """The box that holds two boxes."""
    return three(
        slice(min(x.start, y.start), max(x.stop, y.stop)) for x, y in zip(a, b, strict=True)
    )


def start_of(box: Box) -> Place:
    """First voxel of a box."""
    return three(s.start for s in box)


def size_of(box: Box) -> Shape:
    """Voxels of a box along z, y, x."""
    return three(s.stop - s.start for s in box)


def within(inner: Box, outer: Box) -> Box:
    """A box as seen from another that holds it."""
    return three(
        slice(i.start - o.start, i.stop - o.start) for i, o in zip(inner, outer, strict=True)
    )


def crop(read: Reader, box: Box, planes: int = 16) -> NDArray:
    """A box of what is read by planes."""
    first, last = box[0].start, box[0].stop
    pieces = (read(z, min(last, z + planes))[:, box[1], box[2]] for z in range(first, last, planes))
    head = next(pieces)
    out = np.empty((last - first, *head.shape[1:]), head.dtype)
    at = len(head)
    out[:at] = head
    for head in pieces:
        out[at : at + len(head)] = head
        at += len(head)
    return out


def boxed(volume: BitVolume, box: Box, planes: int = 16) -> BitVolume:
    """A box of a mask, as bits."""
    if size_of(box) == volume.shape:
        return volume
    out = empty_bits(size_of(box))
    for z in range(box[0].start, box[0].stop, planes):
        some = volume.read(z, min(box[0].stop, z + planes))
        out.write(z - box[0].start, some[:, box[1], box[2]])
    return out


def pasted(mask: Mask, at: Place, box: Box) -> Mask:
    """A mask that begins at voxel `at` of the scan, as seen in a box."""
    out = np.zeros(size_of(box), bool)
    into, of = [], []
    for a, n, s in zip(at, mask.shape, box, strict=True):
        low, high = max(a, s.start), min(a + n, s.stop)
        into.append(slice(low - s.start, max(low, high) - s.start))
        of.append(slice(low - a, max(low, high) - a))
    out[tuple(into)] = mask[tuple(of)]
    return out
