"""Methods text of micro-CT: what the scans' sheet, the files themselves and the settings say; a sentence only where it is true."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from periomics.report.sources import Sources, read_table
from periomics.report.told import NOT_REPORTED, Config, listed, plain, value
from periomics.report.words import counted

# Facts of a file that say how it is stored, not how it was scanned.
STORAGE = ("voxel, um (z x y x x)", "voxels (z x y x x)", "grey values", "format", "spacing note")
SURFACE = (
    "Bone surface is that of a mesh of the smoothed mask, without the cuts that the region makes; the mesh of the mask and the faces "
    "of voxels are given beside it, SMI with its warning, the plate model apart. Connectivity is of 26-connected bone, corrected for "
    "cut edges, of its largest part with cavities filled, and of all parts."
)


def microct_sentences(sources: Sources, claims: Config) -> list[str]:
    """Sentences in reading order: acquisition, bone and metal, density, region, outcomes, sensitivity, corrections by hand."""
    c, scans = sources.config, sources.sheets["scans"]
    bare = _set(c, "implant") == "none"
    where = (
        ["The volume of interest was the whole scan: no implant."]
        if bare
        else [_region(c), *_at_implant(c)]
    ) + list(_cut(c))
    return [
        _acquisition(sources, scans),
        *_resampling(c),
        _bone(c, sources),
        *([] if bare else [_metal(c)]),
        *_density(c, sources),
        *where,
        *_thickness(c),
        SURFACE,
        *_anisotropy(c),
        *_sections(c),
        *_earlier(scans),
        *_ctan(c),
        *_compartments(c),
        f"Bone thresholds were varied by ±{value(c, 'microct/sweep_percent', '%')}.",
        *_by_hand(scans),
    ]


def scan_facts(sources: Sources) -> pd.DataFrame:
    """Facts of all measured scans of the study (fact, value, source), as their jobs wrote them."""
    ids = dict.fromkeys(sources.sheets["scans"]["specimen_id"])
    paths = [sources.results / "microct" / str(i) / "scan.tsv" for i in ids]
    found = [read_table(p) for p in paths if p.is_file()]
    return pd.concat(found) if found else pd.DataFrame(columns=["fact", "value", "source"])


def batches(sources: Sources) -> pd.DataFrame:
    """Thresholds and calibration lines of the scan batches; empty where the settings need none."""
    found = [read_table(p) for p in sorted((sources.results / "microct/batches").glob("*.tsv"))]
    columns = ["batch", "bone_threshold", "slope", "intercept", "phantom"]
    return pd.concat(found) if found else pd.DataFrame(columns=columns)


def _set(config: Config, key: str) -> Any:
    section = config.get("microct")
    return section.get(key) if isinstance(section, dict) else None


def _acquisition(sources: Sources, scans: pd.DataFrame) -> str:
    facts = scan_facts(sources)
    facts = facts[facts["value"].astype(str) != "not stated"]
    voxel = listed(scans["voxel_um"], "µm")
    if voxel == NOT_REPORTED:
        voxel = listed(facts.loc[facts["fact"] == STORAGE[0], "value"], "µm")
    stored = facts[(facts["source"] == "file") & ~facts["fact"].isin(STORAGE)]
    told = "; ".join(
        f"{str(f).removeprefix('log ')} {listed(rows['value'])}"
        for f, rows in stored.groupby("fact", sort=False)
    )
    return (
        f"{len(scans)} micro-CT scan{'s' * (len(scans) != 1)} were measured. Voxel size: {voxel} (where the sheet gives none, "
        f"as stated by the file); medium: {listed(scans['medium'])}; tube voltage: {listed(scans['kv'], 'kV')}; "
        f"filter: {listed(scans['filter'])}."
        + (f" The scans' own files state: {told}." if told else "")
    )


def _resampling(c: Config) -> Iterator[str]:
    if _set(c, "voxels") == "resample":
        yield "Scans whose voxels are not cubes were brought to cubes of their shortest edge by linear interpolation."


def _bone(c: Config, sources: Sources) -> str:
    unit = " mg HA/cm³" if _set(c, "threshold_unit") == "mgHA/cm3" else ""
    low = value(c, "microct/bone_threshold_low")
    if _set(c, "threshold_rule") == "otsu":
        table = batches(sources)
        found = ", ".join(
            f"{plain(float(t))} ({b})"
            for b, t in zip(table["batch"], table["bone_threshold"], strict=True)
            if t == t
        )
        rule = (
            f"the threshold of its scan batch, by Otsu's method ({value(c, 'microct/otsu_bins')} bins) from the smoothed grey values "
            f"of all scans of the batch without metal, artefact band{_air(c)} ({found or NOT_REPORTED})"
        )
        same = "The threshold was the same for every scan of a batch."
    else:
        kind = "a density of" if unit else "a grey value of"
        rule = f"{kind} {value(c, 'microct/bone_threshold')}{unit}"
        same = "The thresholds were the same for every scan of the study."
    more = {
        "two_level": f", and every voxel from {low}{unit} up that is connected to such",
        "adaptive": f", and from {low}{unit} up every voxel at or above the Gaussian mean of its surroundings (sigma "
        f"{value(c, 'microct/adaptive_sigma_um', 'µm')}, metal left out)",
    }.get(str(_set(c, "segmentation")), "")
    sigma = value(c, "microct/prefilter_sigma_voxels", "voxels")
    return f"Scans were smoothed by a Gaussian of {sigma}; bone was every voxel at or above {rule}{more}. {same}{_specks(c)}"


def _specks(c: Config) -> str:
    if not _set(c, "despeckle_um"):
        return ""
    size = value(c, "microct/despeckle_um", "µm")
    return f" Parts of bone smaller than a ball of {size} were left out and holes in it as small filled."


def _air(c: Config) -> str:
    return (
        "" if _set(c, "air_below") is None else f" and values below {value(c, 'microct/air_below')}"
    )


def _metal(c: Config) -> str:
    return (
        f"Metal was the largest connected part at or above {value(c, 'microct/implant_threshold')} in the raw scan, closed by "
        f"{value(c, 'microct/closing_voxels', 'voxels')}."
    )


def _density(c: Config, sources: Sources) -> Iterator[str]:
    kind, table = _set(c, "calibration"), batches(sources)
    if kind == "none":
        yield "Grey values were not calibrated: no density is given."
        return
    if kind == "line":
        line = _line(_set(c, "calibration_slope"), _set(c, "calibration_intercept"))
        yield f"Grey values were brought to mg HA/cm³ by the declared line {line}."
    elif kind == "header":
        yield "Grey values were brought to mg HA/cm³ by the line in each scan's header."
    elif kind == "phantom":
        lines = ", ".join(
            f"{_line(s, i)} ({b}, {p})"
            for b, s, i, p in zip(
                table["batch"], table["slope"], table["intercept"], table["phantom"], strict=True
            )
            if s == s
        )
        rods = value(c, "microct/phantom_rods_mgha", "mg HA/cm³")
        yield f"Grey values were brought to mg HA/cm³ by a phantom scan of each batch with rods of {rods}: {lines or NOT_REPORTED}."
    else:
        return
    peel = counted(int(_set(c, "tmd_peel_voxels") or 0), "voxel")
    yield f"TMD is the mean over bone without its outer layer of {peel}, BMD that over the volume of interest."
    if _set(c, "low_density_cut") is not None:
        yield f"Low-density bone lies below {value(c, 'microct/low_density_cut')}."


def _line(slope: object, intercept: object) -> str:
    at = float(str(intercept))
    return f"{plain(float(str(slope)))} × grey value {'−' if at < 0 else '+'} {plain(abs(at))}"


def _region(c: Config) -> str:
    ends = ((c.get("microct") or {}).get("voi") or {}).get("axial_um")
    length = (
        f"from {plain(ends[0])} to {plain(ends[1])} µm from the apex along its axis"
        if ends
        else "over its whole length"
    )
    inner, outer = value(c, "microct/voi/inner_um", "µm"), value(c, "microct/voi/outer_um", "µm")
    offset, width = (
        value(c, "microct/ovtv_offset_um", "µm"),
        value(c, "microct/ovtv_width_um", "µm"),
    )
    return (
        f"The volume of interest was the ring between {inner} and {outer} from the implant, {length}. OV/TV was measured in a shell "
        f"from {offset}, {width} wide, behind the artefact band, and repeated at offsets of {value(c, 'microct/ovtv_curve_um', 'µm')}."
    )


# What the groups of parts are (microct/parts.py).
GROUPS = {
    "thirds": "thirds of the implant's length",
    "sides": "quarters about its axis towards the buccal, mesial, lingual and distal side",
    "octants": "eighths about its axis from the buccal side on",
    "threads": "what lies between its threads",
}


def _cut(c: Config) -> Iterator[str]:
    """What the region was cut to, and the parts in which it was measured."""
    voi = (c.get("microct") or {}).get("voi") or {}
    bare = _set(c, "implant") == "none"
    if voi.get("box_um"):
        ends = " × ".join(f"{plain(a)} to {plain(b)}" for a, b in voi["box_um"])
        yield f"It was cut to a box of {ends} µm (z × y × x from the first corner of the scan)."
    if voi.get("radius_um") is not None:
        middle = voi.get("centre_um")
        where = "about the implant's axis"
        if bare:
            where = (
                f"about {plain(middle[0])}, {plain(middle[1])} µm (y, x)"
                if middle
                else "about the middle of the slices"
            )
        yield f"It was cut to a cylinder of radius {plain(voi['radius_um'])} µm {where}."
    if voi.get("without_air"):
        yield (
            f"Air (smoothed grey values below {value(c, 'microct/air_below')}, in parts larger than a ball of "
            f"{value(c, 'microct/speck_um', 'µm')}) was no part of it."
        )
    if voi.get("only"):
        yield f"It was cut to one part about the implant: {voi['only']}."
    if voi.get("parts"):
        told = "; ".join(GROUPS[g] for g in voi["parts"])
        yield f"BV/TV and BIC.ct were repeated in its parts: {told}."


def _at_implant(c: Config) -> Iterator[str]:
    shells = _set(c, "shells_um")
    if shells:
        yield f"BV/TV, Tb.Th and Tb.Sp were repeated in shells of {', '.join(f'{plain(a)} to {plain(b)}' for a, b in shells)} µm."
    if _set(c, "band_sweep_voxels") is not None:
        yield (
            f"Nothing was measured in the artefact band of {value(c, 'microct/voi/inner_um', 'µm')} around the metal; its width was swept "
            f"from 0 to {value(c, 'microct/band_sweep_voxels', 'voxels')}. Contact (BIC.ct) is bone in the first "
            f"{value(c, 'microct/contact_voxels', 'voxels')} behind it, a surrogate and never primary."
        )
    if _set(c, "sectors") is not None:
        yield (
            f"The marginal bone level was read in {value(c, 'microct/sectors')} sectors about the implant's axis in a shell "
            f"{value(c, 'microct/level_width_um', 'µm')} wide behind the band, as the highest bone that fills "
            f"{value(c, 'microct/level_share')} of a piece of that height, parts below {value(c, 'microct/speck_um', 'µm')} left out."
        )


def _thickness(c: Config) -> Iterator[str]:
    also = (
        " Both are also given as ImageJ's plugin (BoneJ) cleans them up, and Tb.N also as the inverse spacing of mid-axes."
        if _set(c, "thickness_variants")
        else ""
    )
    yield (
        "Tb.Th and Tb.Sp are exact local thickness (largest sphere that holds a voxel; Hildebrand and Rüegsegger 1997): distances see "
        f"bone outside the volume of interest and end at the artefact band, voxels inside it are averaged.{also}"
    )


def _anisotropy(c: Config) -> Iterator[str]:
    if not _set(c, "anisotropy"):
        return
    fields = _set(c, "da_noise_fields")
    floor = (
        f"; its noise floor is the largest of {counted(int(str(fields)), 'isotropic random field')}"
        if fields
        else ""
    )
    yield (
        "The degree of anisotropy is the ratio of longest to shortest axis (c/a) of an ellipsoid fitted to mean intercept lengths in 81 "
        f"directions; 1 − a/c, BoneJ's 1 − (a/c)² and tDA are given beside it{floor}."
    )


def _sections(c: Config) -> Iterator[str]:
    if _set(c, "section_degrees"):
        yield (
            f"In virtual sections through the implant's axis at {value(c, 'microct/section_degrees', '°')} contact was bone in "
            "the same layer within the plane (BIC.2D), BA/TA the bone area in what the plane cuts of the region."
        )


def _earlier(scans: pd.DataFrame) -> Iterator[str]:
    if "earlier" not in scans.columns:
        return
    n = int(scans["earlier"].astype(str).str.strip().ne("").sum())
    if n:
        yield (
            f"{counted(n, 'scan')} had an earlier scan laid over by a rigid motion (correlation of grey values, SimpleITK); bone that was "
            "formed or resorbed is that of one time only, in what both scans show, over the bone of the earlier scan."
        )


def _ctan(c: Config) -> Iterator[str]:
    if _set(c, "ctan"):
        yield (
            "Objects are 26-connected parts of bone in the volume of interest, pores 6-connected parts of the rest, closed where bone "
            "surrounds them within it; the intersection surface is its border in bone; Tb.Pf is the change of surface over that of volume "
            "when bone is dilated by a voxel (definitions of CTAn)."
        )


def _compartments(c: Config) -> Iterator[str]:
    if _set(c, "compartments") == "dual_threshold":
        yield (
            "Cortical and trabecular bone were told apart by the steps of Buie 2007: closing of the outer surface by "
            f"{value(c, 'microct/cortical_close_um', 'µm')}, pores up to {value(c, 'microct/cortical_pore_um', 'µm')}, closing of the "
            f"marrow by {value(c, 'microct/trabecular_close_um', 'µm')}."
        )


def _by_hand(scans: pd.DataFrame) -> Iterator[str]:
    drawn = scans[scans["mask"].astype(str).str.strip().ne("")]
    if len(drawn):
        yield (
            f"Masks of {len(drawn)} of {len(scans)} scans were corrected by hand (by {listed(drawn['mask_by'])}; reasons: "
            f"{listed(drawn['mask_reason'])}); their main outcomes are also given without the correction."
        )
