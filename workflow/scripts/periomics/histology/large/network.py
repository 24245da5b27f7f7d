"""Nuclei of a large section by the network: in blocks that lie where they lie, whatever the tiles
are, each with what is around it."""

from __future__ import annotations

import numpy as np

from periomics.histology.batch import BatchRow
from periomics.histology.detection import smoothed
from periomics.histology.large.pieces import Collected
from periomics.histology.large.section import Large
from periomics.histology.nuclei import Options
from periomics.histology.settings import StainSettings
from periomics.imaging import nuclei as network_nuclei
from periomics.imaging.blocks import Blocks, Read
from periomics.imaging.boxes import Box
from periomics.imaging.convolution import Network

# The size of nuclei is that of a section of so many pixels, or of so many places along either side
# of a larger one.
SIZED_PIXELS, PLACES = 16_000_000, 3
# Pixels around a block for smoothing.
EDGE = 16


def nuclei_of(
    large: Large, settings: StainSettings, batch: BatchRow, options: Options
) -> Collected:
    """All nuclei, as `nuclei.find` finds them in a section that is in memory."""
    if settings.network is None:
        raise ValueError("nuclei are to be found by the network, and none was given")
    out, pixel = Collected(large, True, options.core), large.pixel_um
    network, read = settings.network, _views(large, batch)
    size = _size(large, network, read, options.nucleus_um / pixel)
    blocks = Blocks(network, large.part, read, size)
    for block in blocks.all():
        labels, box, _ = blocks.labels(block)
        labels[large.view(box, colours=False).implant] = 0
        area = np.bincount(labels.ravel()) * pixel**2
        keep = (area >= options.smallest_um2) & (area <= options.largest_um2)
        keep[0] = False
        dense = (np.cumsum(keep) * keep).astype(np.int32)[labels]
        if dense.any():
            window = box.grown(EDGE, large.part)
            found = smoothed(large.view(window), settings, batch)
            images = {
                "target": found[settings.target][box.inside(window)],
                "other": found[1 - settings.target][box.inside(window)],
            }
            out.add(dense, box, images)
    return out


def _views(large: Large, batch: BatchRow) -> Read:
    def read(box: Box) -> np.ndarray:
        opened = large.view(box)
        view = network_nuclei.absorbing(opened.rgb, batch.white)
        view[opened.implant] = 0
        return view

    return read


def _size(large: Large, network: Network, read: Read, first_px: float) -> float:
    """Size (pixels) at which nuclei are looked for, found once for the section; see
    `imaging.blocks.find`."""

    def areas(size: float) -> np.ndarray:
        blocks, alone = Blocks(network, large.part, read, size), large.part.area > SIZED_PIXELS
        some = blocks.some(PLACES) if alone else blocks.all()
        found = [np.bincount(blocks.labels(b, alone)[0].ravel())[1:] for b in some]
        return np.concatenate(found)

    return network_nuclei.settled(areas, first_px)
