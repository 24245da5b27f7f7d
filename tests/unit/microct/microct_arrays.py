"""What is measured by slabs, of arrays at hand and in one slab: for bodies that tests draw whole."""

from types import SimpleNamespace

import numpy as np

from periomics.microct import (
    anisotropy as mil,
)
from periomics.microct import (
    components,
    density,
    masks,
    mid_axes,
    resample,
    structure,
    survey,
)
from periomics.microct import connectivity as euler
from periomics.microct import measure as measuring
from periomics.microct import surface as meshes
from periomics.microct.boxes import everything
from periomics.microct.counting import Regions
from periomics.microct.formats.lazy import in_memory
from periomics.microct.masks import LABELS
from periomics.microct.morphometry import fraction
from periomics.microct.slabs import bits_of
from periomics.microct.streamed_thickness import Moments, NoBorder, streamed_thickness


def bits(mask):
    return None if mask is None else bits_of(mask)


def pasted(shape, placed):
    """A map in the scan's frame."""
    at, size, planes = placed
    out = np.zeros(shape, np.float32)
    out[tuple(slice(a, a + n) for a, n in zip(at, size, strict=True))] = planes(0, size[0])
    return out


def measure(grey, spacing_um, settings, common, **more):
    """Everything of a scan, its label map and maps as arrays in the scan's frame, and regions read off the label map."""
    scan = in_memory(grey, spacing_um)
    scan = resample.to_cubes(scan) if settings.voxels == "resample" else scan
    return as_arrays(measuring.measure(scan, settings, common, **more), scan.shape)


def as_arrays(found, shape):
    labels = found.labels(0, shape[0])
    zone = np.isin(labels, (LABELS["implant"], LABELS["exclusion band"]))
    voi = np.isin(labels, (LABELS["bone in VOI"], LABELS["marrow in VOI"]))
    thickness, separation = (pasted(shape, one) for one in found.maps)
    return SimpleNamespace(
        measured=found,
        table=found.table,
        curves=found.curves,
        warnings=found.warnings,
        voxel_um=found.voxel_um,
        labels=labels,
        thickness_mm=thickness,
        separation_mm=separation,
        regions=Regions(labels == LABELS["implant"], zone, voi, None, None, found.axis),
    )


def find_regions(grey, voxel_um, settings):
    found = survey.survey(in_memory(grey, (voxel_um,) * 3), voxel_um, settings)
    return found.ground.regions(everything(grey.shape), settings)


def segment_implant(grey, settings):
    found = survey.greys(in_memory(grey, (1.0,) * 3), settings, len(grey))
    implant, at, _ = survey.find_implant(found, settings, len(grey), None)
    return survey.pasted(implant, at, everything(grey.shape))


def bone_mask(grey, settings, voxel_um, zone):
    scan = in_memory(grey, (voxel_um,) * 3)
    return survey.segmented(scan, settings, voxel_um, bits_of(zone), len(grey))[0].read(
        0, len(grey)
    )


def corrected(labels, shape, path="mask"):
    return masks.corrected(in_memory(labels, (1.0,) * 3), shape, path)


def to_cubes(grey, spacing_um):
    found = resample.to_cubes(in_memory(grey, spacing_um))
    return found.slab(0, found.shape[0]), found.spacing_um


def connectivity(bone, voi=None):
    return euler.connectivity(bits_of(bone), bits(voi), len(bone))


def purify(bone, outside=None):
    return components.purify(bits_of(bone), bits(outside), len(bone)).read(0, len(bone))


def surface(bone, voi, voxel_mm):
    return meshes.surface(bits_of(bone), voxel_mm, bits_of(voi), 2 * len(bone))


def anisotropy(bone, voi, threads=1):
    return mil.anisotropy(bits_of(bone), bits_of(voi), threads)


def noise_floors(bone, voi, n=1, threads=1):
    return mil.noise_floors(bits_of(bone), bits_of(voi), n, threads=threads)


def mid_axis(bone):
    return mid_axes.mid_axis(bits_of(bone), None, len(bone)).read(0, len(bone))


def mid_axis_spacing(bone, voi, voxel_mm):
    found = mid_axes.mid_axis_spacing(bits_of(bone), bits_of(voi), len(bone))
    return None if found is None else found.mean * voxel_mm


def density_rows(grey, bone, voi, settings, calibration):
    inner = density.inner_bone(bone, settings.tmd_peel_voxels)
    sums = density.density_sums(grey, inner, voi, settings)
    return density.density_rows(sums, settings, calibration)


def structure_rows(bone, seen, zone, voi, voxel_mm, tbth_mm, settings):
    axis = anisotropy(bone, voi) if settings.anisotropy else None
    spacing = mid_axis_spacing(bone, voi, voxel_mm) if settings.thickness_variants else None
    found = structure.Structure(
        surface=surface(seen, voi, voxel_mm),
        seen=fraction(seen, voi),
        bone=fraction(bone, voi),
        pure=connectivity(purify(bone, zone), voi),
        all_parts=connectivity(bone, voi),
        mid_axes=structure.MidAxes(spacing),
        anisotropy=axis,
        fields=noise_floors(bone, voi, settings.da_noise_fields) if axis else (),
    )
    return structure.structure_rows(found, voxel_mm, tbth_mm, settings)


def thickness(phase, voi, voxel_mm=1.0, zone=None, planes=None):
    """Mean, deviation, maximum, share of clipped voxels, the same in ImageJ's form, both maps (voxels, 0 outside the VOI); None
    where there is none."""
    whole, moments = voi.all(), Moments()
    plain, plugin = np.zeros(phase.shape, np.float32), np.zeros(phase.shape, np.float32)
    box = (
        tuple(
            slice(0, n) if whole else slice(int(a.min()), int(a.max()) + 1)
            for n, a in zip(phase.shape, np.nonzero(voi), strict=True)
        )
        if voi.any()
        else ()
    )
    inside = phase & voi

    def take(low, squares):
        plain[low : low + len(squares), box[1], box[2]] = 2 * np.sqrt(squares, dtype=np.float32)

    def take_plugin(low, sizes):
        plugin[low : low + len(sizes), box[1], box[2]] = sizes
        moments.take(low, sizes, inside[low : low + len(sizes), box[1], box[2]])

    try:
        found = streamed_thickness(
            bits_of(phase).read,
            phase.shape,
            None if whole else bits_of(voi),
            planes or len(phase),
            clipped=True,
            metal_zone=bits(zone),
            write=take,
            write_bonej=take_plugin,
        )
    except NoBorder:
        return None
    if not found.n_voxels:
        return None
    mean, sd = moments.mean_and_sd()
    return SimpleNamespace(
        mean=found.mean * voxel_mm,
        sd=found.sd * voxel_mm,
        maximum=found.maximum * voxel_mm,
        n_voxels=found.n_voxels,
        clipped_share=found.clipped / found.n_voxels,
        bonej_mean=mean * voxel_mm,
        bonej_sd=sd * voxel_mm,
        map_voxels=np.where(inside, plain, 0),
        bonej_map=np.where(inside, plugin, 0),
    )
