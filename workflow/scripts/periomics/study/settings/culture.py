"""Scratch assays and plates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from periomics.study.settings.section import Contradiction, Section


class Culture(Section):
    """Scratch assays and plates."""

    closure_h: float = Field(
        24, gt=0, description="h; time at which the scratch closure is reported"
    )
    window_um: float = Field(24, gt=0, description="µm; side of the texture window, about one cell")
    narrow_windows: float = Field(
        2.2,
        ge=0,
        description="texture windows; where less of the gap is left, closure carries a remark: a "
        "cell or debris closes it",
    )
    debris_um2: float = Field(
        8000, ge=0, description="µm²; islands of texture inside the gap up to this area are debris"
    )
    closed_share: float = Field(
        0.8,
        gt=0,
        lt=1,
        description="speed is taken from frames before this share of the gap is closed",
    )
    regrowth_um: float = Field(
        30,
        ge=0,
        description="µm; a gap whose middle moves further across itself tells that the field may have moved",
    )
    regrown_percent: float = Field(
        5,
        ge=0,
        lt=100,
        description="a frame whose gap is larger than before by more than this share of the first gap is left out, by name",
    )
    max_debris_percent: float = Field(
        12,
        gt=0,
        lt=100,
        description="debris, or fronts as ragged as clumps of it, on more of the first gap hold the series back",
    )
    max_gap_texture_percent: float = Field(
        25,
        gt=0,
        lt=100,
        description="a gap with more of the cells' texture is not bare (flat cells, a haze) and holds the series back",
    )
    max_texture_change_percent: float = Field(
        45,
        gt=0,
        lt=100,
        description="a series whose cells' texture differs more from the first frame's is held "
        "back: a failing lamp, focus that drifts",
    )
    max_noise_percent: float = Field(
        75,
        gt=0,
        description="of the threshold of texture: a series in which noise of pixels rises by more "
        "above the first frame's is held back",
    )
    least_z_prime: float = Field(
        0,
        lt=1,
        description="Z' of vehicle over blank wells of a plate (control wells where it has no vehicle); below, its wells carry a remark",
    )
    max_cq_sd: float = Field(
        0.5,
        gt=0,
        description="cycles; technical repeats of a Cq that differ by more carry a remark",
    )
    least_ntc_cycles: float = Field(
        5,
        gt=0,
        description="cycles; wells without template (role blank) nearer than this to a sample are told",
    )
    nucleus_um: float = Field(12, gt=0, description="µm; usual diameter of a nucleus")
    max_widened_times: float = Field(
        1.8,
        gt=1,
        description="a picture in which more than so many times the area of the nuclei shines "
        "about them is held back: spots in nuclei, such as chromocentres, were taken for nuclei",
    )
    max_beside_percent: float = Field(
        30,
        gt=0,
        lt=100,
        description="of a marker's nuclei; where more lie beside those of the nuclear stain, the "
        "picture is held back",
    )
    tube_um: float = Field(20, gt=0, description="µm; usual width of a tube")
    junction_um: float = Field(1.5, gt=0, description="µm; usual width of a junction")
    least_branch_widths: float = Field(
        2.5, gt=0, description="widths of a line; shorter dead ends are none"
    )
    max_line_percent: float = Field(
        50,
        gt=0,
        le=100,
        description="of the field; where more stands out there are sheets of cells, no lines, and the picture is held back",
    )
    pixel_size: Literal["needed", "unknown"] = Field(
        "needed",
        description="unknown: a scratch series whose pixel size neither file nor sheet states is measured in percent and hours only",
    )
    window_px: float | None = Field(
        None,
        gt=1,
        description="pixels; side of the texture window where the pixel size is unknown, about one cell; the other lengths keep "
        "their proportion to it",
    )

    def contradictions(self) -> Iterator[Contradiction]:
        """A texture window in pixels, where there is no pixel size."""
        if self.pixel_size == "unknown" and self.window_px is None:
            message = "is needed where pixel_size is unknown: the side of the texture window"
            yield Contradiction("window_px", message, "", "pixels, above 1")
