"""Cells on bone that touch: a row of one nucleus each is counted one by one, merged giant cells
hold the section back."""

import numpy as np
import pytest
from sketched import Slide, measured, region, spread, whole

WIDE, HIGH, BONE = 420, 180, 120.0
BLOCK = {"detector": "osteoclasts", "roi": "tissue"}
OSTEOBLASTS = BLOCK | {
    "vectors": "H-DAB",
    "outcomes": {"perimeter": "nob", "surface": "obs", "detached": "none"},
    "options": {"nuclei_on_bone": 1, "cell_um": 12},
}


def section(bodies, nuclei, ink, strength):
    """Bone below a straight edge, stained bodies (masks) on it with nuclei, cells in the marrow."""
    slide = Slide(WIDE, HIGH, seed=3)
    bone = slide.cover(BONE - slide.y)
    slide.put(bone * slide.grain(3, 0.15), "eosin", 0.1)
    slide.put((1 - bone) * slide.grain(3, 0.15), "haema", 0.06)
    slide.put(bodies(slide) * slide.grain(1.2, 0.08), ink, strength)
    for at in nuclei:
        slide.oval(at, (2.9, 2.5), 0.4, "haema", 0.9)
    for at in spread(slide.rng, 25, WIDE, BONE - 25, apart=14, edge=6):
        slide.oval(at, (4, 2.2), slide.rng.uniform(0, 3), "haema", 0.7)
    return slide


def seen(slide, table, block):
    edges = [(0, BONE), (WIDE, BONE), (WIDE, HIGH), (0, HIGH)]
    return measured(
        slide.photograph(), [whole("tissue", slide), region("bone", edges)], table, **block
    )


@pytest.mark.parametrize(("pitch", "gap"), [(11.5, 0.0), (9.0, 0.0), (15.0, 0.0), (13.0, 1.5)])
def test_boxes_in_a_row_are_cells_by_their_nuclei(table, pitch, gap):
    middles = 40 + pitch * np.arange(14)

    def boxes(slide):
        return sum(
            slide.cover(
                np.maximum(np.abs(slide.x - m) - (pitch - gap) / 2, np.abs(slide.y - BONE + 5) - 5)
            )
            for m in middles
        )

    slide = section(boxes, [(m, BONE - 5) for m in middles], "dab", 0.5)
    rows, beyond = seen(slide, table, OSTEOBLASTS)
    assert not beyond
    assert rows["nob"]["numerator"] == len(middles)
    assert rows["nob"]["denominator"] == pytest.approx(WIDE / 1000, rel=0.01)
    assert rows["obs"]["value"] == pytest.approx(100 * 14 * pitch / WIDE, rel=0.04)


def giants(lengths, starts):
    """Domes on bone with nuclei all along them."""

    def domes(slide):
        body = np.zeros(slide.x.shape)
        for start, long in zip(starts, lengths, strict=True):
            u = (slide.x - start - long / 2) / (long / 2)
            top = 13 * np.clip(1 - u**2, 0, None) ** 0.35
            up = BONE - slide.y
            inside = slide.cover(np.where(up < 6, -up, up - top)) * (np.abs(u) < 1)
            body = np.maximum(body, inside)
        return body

    nuclei = [
        (start + 5 + k * (long - 10) / 3, BONE - 6)
        for start, long in zip(starts, lengths, strict=True)
        for k in range(4)
    ]
    return section(domes, nuclei, "trap", 0.75)


def test_giant_cells_that_lie_apart_are_counted_and_one_long_cell_is_one(table):
    rows, beyond = seen(giants((40, 40, 44, 36), (20, 90, 200, 330)), table, BLOCK)
    assert not beyond
    assert rows["noc"]["numerator"] == 4
    assert rows["ocs"]["value"] == pytest.approx(100 * 160 / WIDE, rel=0.05)


def test_giant_cells_that_touch_hold_the_section_back(table):
    rows, beyond = seen(giants((40, 40, 44, 36), (20, 60, 200, 330)), table, BLOCK)
    assert rows["noc"]["numerator"] == 3  # why it has to
    assert "cells with a waist between nuclei for two" in beyond
