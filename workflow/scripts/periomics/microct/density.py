"""From grey values to mg hydroxyapatite per cm³: by a declared line, a scanner's header, or the rods of a phantom.

Without a calibration a grey value stays a grey value in arbitrary units and is never called a density.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import edt
import numpy as np
from numpy.typing import NDArray

from periomics.core.errors import InputError, SpecimenError
from periomics.study.settings.microct import Microct

Mask = NDArray[np.bool_]
Row = dict[str, object]
# Rods: share of a rod's radius left at its border, and how far a fitted line may be from a rod (share of the range).
CORE_SHARE = 0.7
LARGEST_RESIDUAL = 0.05


@dataclass(frozen=True)
class Calibration:
    """Density = slope * grey + intercept, mg HA/cm³; `source` says where the line comes from."""

    slope: float
    intercept: float
    source: str

    def density(self, grey: float) -> float:
        """mg HA/cm³ of a grey value."""
        return self.slope * grey + self.intercept

    def grey(self, density: float) -> float:
        """Grey value of a density."""
        return (density - self.intercept) / self.slope


def calibration_of(
    settings: Microct, header: Mapping[str, Any], batch: Mapping[str, Any]
) -> Calibration | None:
    """The scan's calibration by the declared way.

    Parameters
    ----------
    header
        Facts of the reader (`density_slope`, `density_intercept` for Scanco files).
    batch
        The scan batch's row (`slope`, `intercept`), for the way `phantom`.

    Raises
    ------
    SpecimenError
        If the declared way gives no line for this scan.
    """
    if settings.calibration == "none":
        return None
    slope: Any
    intercept: Any
    if settings.calibration == "line":
        slope, intercept = settings.calibration_slope, settings.calibration_intercept
        source = "declared line"
    elif settings.calibration == "header":
        slope, intercept = header.get("density_slope"), header.get("density_intercept")
        source = "scan's header"
    else:
        slope, intercept = batch.get("slope"), batch.get("intercept")
        source = "phantom of the batch"
    values = [float(v) if v not in (None, "") else float("nan") for v in (slope, intercept)]
    if not np.isfinite(values).all() or values[0] <= 0:
        raise SpecimenError(
            f"no calibration to mg HA/cm3: the {source} gives slope {slope} and intercept {intercept}"
        )
    return Calibration(values[0], values[1], source)


def in_grey(settings: Microct, calibration: Calibration | None) -> Microct:
    """The settings with bone thresholds and the low-density cut as grey values of this scan."""
    if settings.threshold_unit == "grey" or calibration is None:
        return settings
    names = ("bone_threshold", "bone_threshold_low", "low_density_cut")
    changed = {n: calibration.grey(v) for n in names if (v := getattr(settings, n)) is not None}
    return settings.but(threshold_unit="grey", **changed)


@dataclass(frozen=True)
class Sums:
    """Sum of grey values and number of voxels: of bone without its surface, of the VOI; voxels of that bone below the cut."""

    bone: float
    bone_voxels: int
    voi: float
    voi_voxels: int
    low_voxels: int

    def __add__(self, other: Sums) -> Sums:
        return Sums(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


def density_sums(grey: NDArray, inner: Mask, voi: Mask, settings: Microct) -> Sums:
    """What densities are made of; `inner` is bone without its surface (`inner_bone`). Sums of parts add up."""
    core = inner & voi
    low = (
        0
        if settings.low_density_cut is None
        else int(np.count_nonzero(core & (grey < settings.low_density_cut)))
    )
    bones, all_ = grey[core], grey[voi]
    return Sums(
        float(bones.sum(dtype=np.float64)),
        bones.size,
        float(all_.sum(dtype=np.float64)),
        all_.size,
        low,
    )


def density_rows(sums: Sums, settings: Microct, calibration: Calibration | None) -> list[Row]:
    """Mean density of bone (TMD) and of the VOI (vBMD), or mean grey values; and the share of low-density bone."""
    peel = f"bone without its outer {settings.tmd_peel_voxels} voxels"
    rows: list[Row] = []
    for name, total, n, where in (
        ("tmd", sums.bone, sums.bone_voxels, peel),
        ("bmd", sums.voi, sums.voi_voxels, "all voxels of the VOI"),
    ):
        outcome = {"tmd": "grey_bone", "bmd": "grey_voi"}[name] if calibration is None else name
        unit = "a.u." if calibration is None else "mgHA/cm3"
        if not n:
            rows.append(
                {"outcome": outcome, "unit": unit, "qc": "fail", "qc_reason": f"no voxel: {where}"}
            )
        elif calibration is None:
            rows.append(
                {
                    "outcome": outcome,
                    "value": total / n,
                    "unit": unit,
                    "method": f"{where}; not calibrated",
                }
            )
        else:
            method = f"{where}; {calibration.source}: {calibration.slope:.6g} x grey {calibration.intercept:+.6g}"
            rows.append(
                {
                    "outcome": outcome,
                    "value": calibration.density(total / n),
                    "unit": unit,
                    "method": method,
                }
            )
    if settings.low_density_cut is not None:
        low, n = sums.low_voxels, sums.bone_voxels
        row: Row = {
            "outcome": "low_density_share",
            "value": 100.0 * low / n if n else float("nan"),
            "unit": "%",
            "numerator": float(low),
            "denominator": float(n),
            "denominator_unit": "voxels",
            "method": f"grey < {settings.low_density_cut:g} in {peel}",
        }
        rows.append(row if n else {**row, "qc": "fail", "qc_reason": f"no voxel: {peel}"})
    return rows


def inner_bone(bone: Mask, peel: int, threads: int = 1) -> Mask:
    """Bone more than `peel` voxels from what is not bone; what lies beyond the scan is not counted as either."""
    if peel == 0 or bone.all():
        return bone
    return edt.edt(np.ascontiguousarray(bone), black_border=False, parallel=threads) > peel


def fit_phantom(
    mean: NDArray[np.float64], densities: Sequence[float], path: object = "phantom"
) -> tuple[float, float, float]:
    """Slope, intercept and largest residual (mg HA/cm³) of a phantom with rods along z.

    `mean` (y, x) is the scan averaged along z. The rods are its bright parts at the lowest of 64 thresholds that
    leaves as many parts of like size (at least half of the largest) as densities are declared; sorted by their mean grey,
    each without its border.

    Raises
    ------
    InputError
        If no threshold shows as many rods as declared, or a rod is far off the line (more than 5 % of the range).
    """
    labels, parts = _rods(mean, len(densities))
    if not parts:
        raise InputError(
            f"no threshold shows the {len(densities)} declared rods",
            file=path,
            column="phantom_rods_mgha",
        )
    found = []
    for part in parts:
        depth = edt.edt(np.ascontiguousarray(labels == part))
        found.append(float(mean[depth >= (1 - CORE_SHARE) * depth.max()].mean()))
    x, y = np.sort(found), np.sort(np.asarray(densities, float))
    slope, intercept = np.polyfit(x, y, 1)
    worst = float(np.abs(slope * x + intercept - y).max())
    if slope <= 0 or worst > LARGEST_RESIDUAL * (y[-1] - y[0]):
        greys = ", ".join(f"{v:.6g}" for v in x)
        raise InputError(
            f"rods do not lie on a line: grey {greys}; {worst:.3g} mg HA/cm3 off", file=path
        )
    return float(slope), float(intercept), worst


def _rods(mean: NDArray[np.float64], n: int) -> tuple[NDArray[np.int64], list[int]]:
    """Labels of the mean picture and which of them are rods; none where no threshold leaves n parts of like size."""
    from skimage.measure import label

    labels = np.zeros(mean.shape, np.int64)
    for threshold in np.linspace(mean.min(), mean.max(), 66)[1:-1]:
        labels = label(mean > threshold, connectivity=1)
        sizes = np.bincount(labels.ravel())[1:]
        rods = np.flatnonzero(sizes >= 0.5 * sizes.max()) + 1
        if len(rods) == n:
            return labels, [int(r) for r in rods]
    return labels, []
