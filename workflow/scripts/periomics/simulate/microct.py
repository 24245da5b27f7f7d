"""Simulated peri-implant scans: a titanium screw in trabecular bone, with soft tissue, air, blur, noise and metal halo.

The share of bone in the measured volume is the specimen's target, met exactly on the voxel labels; thickness and spacing
follow from the field's wavelength, which varies from specimen to specimen. Nothing is clipped: grey levels lie far
enough inside the type's range, which is checked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from periomics.core.errors import InputError
from periomics.core.seeds import generator
from periomics.microct.formats.writers import write_volume
from periomics.simulate.crest import crest_surface, true_levels
from periomics.simulate.sampled_thickness import sampled_thickness
from periomics.simulate.trabeculae import (
    Implant,
    bone_mask,
    draw_implant,
    implant_mask,
    random_field,
)
from periomics.study.settings.microct import Microct
from periomics.study.settings.section import check_keys

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class ScanModel:
    """How a scan is made; lengths in voxels unless the name says µm, grey levels in the scan's units.

    `shape` (z, y, x); `voxel_um` edge of a voxel; `wavelength_um` of the bone's random field and `wavelength_log_sd` between specimens;
    `tilt_degrees` largest tilt of the implant; `crest` and `air` heights of the bone's crest and of the air's lower face
    as shares of the scan's height; `plate_um` thickness of the dense bone that lines the crest; `crater` largest mean depth
    of the crater around the implant, a share of the scan's height, and `crater_floor_um` the width of its floor;
    `psf_sigma` blur; `quantum` grey units a counted photon (variance = quantum x grey); `noise_sd` Gaussian noise; `halo`,
    `halo_radius` height and reach of the bright zone around the metal; `dark` depth of the dark ring behind it;
    `truth_voxels` voxels at which the true thickness is looked up.
    """

    shape: tuple[int, int, int] = (112, 112, 112)
    voxel_um: float = 18.0
    wavelength_um: float = 432.0
    wavelength_log_sd: float = 0.05
    tilt_degrees: float = 5.0
    crest: float = 0.28
    plate_um: float = 90.0
    crater: float = 0.04
    crater_floor_um: float = 250.0
    air: float = 0.06
    air_level: float = 7000.0
    soft_level: float = 12000.0
    bone_level: float = 22000.0
    implant_level: float = 55000.0
    psf_sigma: float = 0.6
    quantum: float = 40.0
    noise_sd: float = 700.0
    halo: float = 9000.0
    halo_radius: float = 2.5
    dark: float = 2500.0
    truth_voxels: int = 4000


@dataclass(frozen=True)
class Specimen:
    """A simulated specimen without any imaging: labels and geometry, all (z, y, x)."""

    bone: Mask
    implant: Mask
    voi: Mask
    distance_um: NDArray[np.float64]
    height_um: NDArray[np.float64]
    screw: Implant
    voxel_um: float


def scan_model(section: Mapping[str, Any]) -> ScanModel:
    """The model from the config's `simulate: microct:`; raises InputError naming an unknown key."""
    check_keys(section, [f.name for f in fields(ScanModel)], "simulate/microct")
    values = dict(section)
    if "shape" in values:
        values["shape"] = tuple(int(n) for n in values["shape"])
        if len(values["shape"]) != 3 or min(values["shape"]) < 32:
            raise InputError(
                "not a usable shape",
                file="config",
                column="simulate/microct/shape",
                value=values["shape"],
                allowed="three numbers (z, y, x) of at least 32",
            )
    return ScanModel(**values)


def build(
    bvtv_percent: float, model: ScanModel, definitions: Microct, rng: np.random.Generator
) -> Specimen:
    """Draw a specimen whose BV/TV in the VOI of `definitions` is the target.

    Raises
    ------
    InputError
        If the VOI is empty: the declared shell does not fit into the simulated scan.
    """
    shape, voxel_um = model.shape, model.voxel_um
    screw = draw_implant(shape, model.tilt_degrees, rng)
    implant = implant_mask(shape, screw)
    distance = ndimage.distance_transform_edt(~implant) * voxel_um
    height = _height(shape, screw) * voxel_um
    voi = _shell(distance, height, definitions.voi.inner_um, definitions.voi.outer_um, definitions)
    wavelength = (
        model.wavelength_um / voxel_um * np.exp(model.wavelength_log_sd * rng.standard_normal())
    )
    field = random_field(shape, float(wavelength), rng)
    spongiosa, plate = _below_crest(shape, screw, model, rng)
    if not (voi & spongiosa).any():
        raise InputError(
            "the simulated scan has no voxel below its crest in the declared VOI",
            file="config: microct: voi",
        )
    bone = bone_mask(field, voi, spongiosa & ~implant, plate & ~implant, bvtv_percent / 100)
    return Specimen(
        bone=bone,
        implant=implant,
        voi=voi,
        distance_um=distance,
        height_um=height,
        screw=screw,
        voxel_um=voxel_um,
    )


def _below_crest(
    shape: tuple[int, int, int], screw: Implant, model: ScanModel, rng: np.random.Generator
):
    """Where spongiosa may be, and the plate that lines the crest and the floor of its crater."""
    depth, turn = model.crater * shape[0] * rng.uniform(0.2, 1), rng.uniform(0, 2 * np.pi)
    floor = model.crater_floor_um / model.voxel_um
    surface = crest_surface(shape, screw, round(model.crest * shape[0]), depth, floor, turn)
    below = np.arange(shape[0])[:, None, None] - surface
    inside = below >= model.plate_um / model.voxel_um
    return inside, (below >= 0) & ~inside


def image(
    specimen: Specimen, model: ScanModel, rng: np.random.Generator | None
) -> NDArray[np.uint16]:
    """The scan of a specimen: levels, blur, metal artefacts, photon and electronic noise, whole numbers.

    Parameters
    ----------
    rng
        None for a scan without noise.

    Raises
    ------
    ValueError
        If a grey value leaves the type's range: the levels of the model must be changed, nothing is clipped.
    """
    grey: NDArray = np.full(specimen.bone.shape, model.soft_level, np.float32)
    grey[: round(model.air * grey.shape[0])] = model.air_level
    grey[specimen.bone] = model.bone_level
    grey[specimen.implant] = model.implant_level
    grey = ndimage.gaussian_filter(grey, model.psf_sigma, mode="nearest")
    grey += _metal_artefact(specimen, model)
    if rng is not None:
        grey = rng.poisson(grey / model.quantum) * model.quantum
        grey = grey + model.noise_sd * rng.standard_normal(grey.shape, dtype=np.float32)
    grey = np.rint(grey)
    if grey.min() < 0 or grey.max() > np.iinfo(np.uint16).max:
        raise ValueError(
            f"simulated grey values {grey.min():g} to {grey.max():g} leave the range of 16 bits"
        )
    return grey.astype(np.uint16)


def truth(specimen: Specimen, definitions: Microct, n_thickness: int) -> list[dict[str, object]]:
    """True values of all reported outcomes on the labels: rows with outcome, variant, truth.

    Counts on the true masks with distances by scipy; thickness by plain search (`sampled_thickness`); heights along the
    true axis. Shells that begin inside the exclusion band are not listed: they are not claimed to be measurable.
    """
    bone, voi, voxel_mm = specimen.bone, specimen.voi, specimen.voxel_um / 1000
    zone = specimen.distance_um <= definitions.voi.inner_um + 1e-3
    rows: list[dict[str, object]] = []

    def add(outcome: str, value: float, variant: str = "") -> None:
        rows.append({"outcome": outcome, "variant": variant, "truth": value})

    def share(low: float, high: float) -> float:
        part = _shell(specimen.distance_um, specimen.height_um, low, high, definitions)
        return 100.0 * bone[part].mean() if part.any() else float("nan")

    add("bvtv", 100.0 * bone[voi].mean())
    add("bv", np.count_nonzero(bone & voi) * voxel_mm**3)
    add("tv", np.count_nonzero(voi) * voxel_mm**3)
    for outcome, phase in (("tbth", bone & ~zone), ("tbsp", ~bone & ~zone)):
        mean, sd, _ = sampled_thickness(phase, voi, n_thickness)
        add(outcome, mean * voxel_mm)
        add(f"{outcome}_sd", sd * voxel_mm)
    offset, width = definitions.ovtv_offset_um, definitions.ovtv_width_um
    if offset >= definitions.voi.inner_um:
        add("ovtv", share(offset, offset + width))
    first = np.ceil(definitions.voi.inner_um / specimen.voxel_um - 1e-6) * specimen.voxel_um
    add("bic_ct", share(first, first + definitions.contact_voxels * specimen.voxel_um))
    for at in definitions.ovtv_curve_um:
        if at >= definitions.voi.inner_um:
            add("ovtv", share(at, at + width), f"offset={at:g}um,width={width:g}um")
    for low, high in definitions.shells_um:
        if low >= definitions.voi.inner_um:
            add("bvtv", share(low, high), f"shell={low:g}-{high:g}um")
    crest, lowest = true_levels(
        bone,
        specimen.distance_um,
        specimen.height_um,
        specimen.screw,
        specimen.voxel_um,
        definitions,
    )
    length = float(np.linalg.norm(specimen.screw.head - specimen.screw.apex)) * specimen.voxel_um
    add("ridge", (length - crest).mean() / 1000)
    add("ridge", (length - crest).max() / 1000, "statistic=max")
    # levels are the middles of slices; both slices are bone to their faces
    half = specimen.voxel_um / 2
    low, tops = max(lowest - half, 0.0), np.minimum(crest + half, length)
    add("insertion", np.where((crest > 0) & (tops > low), tops - low, 0.0).mean() / 1000)
    return rows


def simulate_specimen(
    specimen_id: str, bvtv_percent: float, model: ScanModel, definitions: Microct, seed: int
) -> tuple[NDArray[np.uint16], list[dict[str, object]]]:
    """One scan and its truth; the generator depends on the seed and the specimen only."""
    rng = generator(seed, "simulate_microct", specimen_id)
    specimen = build(bvtv_percent, model, definitions, rng)
    return image(specimen, model, rng), truth(specimen, definitions, model.truth_voxels)


def shares_of(
    rows: Sequence[Mapping[str, Any]], targets: pd.DataFrame
) -> list[tuple[Mapping[str, Any], float]]:
    """Rows of the scans sheet, each with the BV/TV (%) that its specimen should have.

    Raises
    ------
    InputError
        If the targets lack some of the specimens.
    """
    share = targets.query("target == 'bvtv'").set_index("specimen_id")["value"]
    missing = [str(r["specimen_id"]) for r in rows if r["specimen_id"] not in share.index]
    if missing:
        raise InputError("no bvtv target for some scans", value=", ".join(missing[:5]))
    return [(r, float(share[r["specimen_id"]])) for r in rows]


def simulate_to_file(
    job: tuple[Mapping[str, Any], float], *, model: ScanModel, definitions: Microct, seed: int
) -> list[dict[str, object]]:
    """Simulate the specimen of a sheet's row, with its BV/TV, into the row's `path`; truth rows with its identifiers.

    Raises
    ------
    InputError
        If the sheet's voxel size is not the model's.
    """
    facts, bvtv_percent = job
    stated = facts.get("voxel_um")
    if stated not in (None, "") and abs(float(stated) - model.voxel_um) > 1e-6:
        raise InputError(
            "the sheet's voxel size is not the simulated one",
            file=facts["specimen_id"],
            column="voxel_um",
            value=stated,
            allowed=f"{model.voxel_um:g}",
        )
    scan, rows = simulate_specimen(
        str(facts["specimen_id"]), bvtv_percent, model, definitions, seed
    )
    write_volume(scan, (model.voxel_um,) * 3, str(facts["path"]))
    keys = {
        c: facts.get(c, "")
        for c in ("specimen_id", "animal_id", "section_id", "field_id", "roi", "time")
    }
    return [{**keys, **row} for row in rows]


def _height(shape: tuple[int, int, int], screw: Implant) -> NDArray[np.float64]:
    """Position along the screw's axis in voxels, 0 at the apex, rising to the head."""
    return sum(
        (axis - at) * d
        for axis, at, d in zip(
            np.ogrid[tuple(map(slice, shape))], screw.apex, screw.direction, strict=True
        )
    )


def _shell(
    distance: NDArray, height: NDArray, low: float, high: float, definitions: Microct
) -> Mask:
    """Voxels with `low < distance <= high` (µm) within the VOI's range along the axis."""
    part = (distance > low + 1e-3) & (distance <= high + 1e-3)
    if definitions.voi.axial_um is not None:
        part &= (height >= definitions.voi.axial_um[0]) & (height <= definitions.voi.axial_um[1])
    return part


def _metal_artefact(specimen: Specimen, model: ScanModel) -> NDArray[np.float32]:
    """Bright bloom at the metal and a dark ring behind it, stronger along one direction, gone after about five voxels."""
    away = (specimen.distance_um / specimen.voxel_um).astype(np.float32)
    _, y, x = np.ogrid[tuple(map(slice, away.shape))]
    angle = np.arctan2(y - specimen.screw.apex[1], x - specimen.screw.apex[2])
    strength = (1 + 0.3 * np.cos(2 * angle)).astype(np.float32)
    ring = model.halo * np.exp(-((away / model.halo_radius) ** 2)) - model.dark * np.exp(
        -((away - 3.5) ** 2)
    )
    return np.where(specimen.implant, np.float32(0), ring * strength).astype(np.float32)
