"""Methods text from the configuration and the versions that were used; what the study does not state is "not reported"."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from periomics.report.methods_microct import microct_sentences
from periomics.report.methods_statistics import statistics_sentences
from periomics.report.sources import Sources
from periomics.report.told import NOT_REPORTED, Config, listed, plain, value
from periomics.report.words import counted, number
from periomics.study.arms import arm_order
from periomics.study.changed import changed_settings

PACKAGES = (
    "python",
    "periomics",
    "snakemake",
    "numpy",
    "scipy",
    "pandas",
    "scikit-image",
    "numba",
    "tifffile",
    "SimpleITK",
    "statsmodels",
    "gseapy",
    "scanpy",
    "anndata",
    "PuLP",
    "highspy",
    "matplotlib",
    "altair",
)

# Where the configuration describes stains.
STAINS = "histology/stains"


def methods(sources: Sources, claims: Config) -> list[tuple[str, list[str]]]:
    """Paragraphs by heading, only for what the study has."""
    parts: list[tuple[str, Callable[[Sources, Config], list[str]], bool]] = [
        ("Study", _study, True),
        ("Micro-CT", microct_sentences, len(sources.sheets["scans"]) > 0),
        ("Histology", _histology, len(sources.sheets["sections"]) > 0),
        ("Cell culture", _culture, len(sources.sheets["cultures"]) > 0),
        ("RNA sequencing", _sequencing, len(sources.sheets["libraries"]) > 0),
        ("From specimens to animals", _outcomes, bool(sources.files.get("measurements"))),
        ("Statistics", statistics_sentences, bool(sources.files.get("contrasts"))),
        (
            "Linkage",
            _linkage,
            bool(sources.files.get("associations") or sources.files.get("networks")),
        ),
        ("Software and reproducibility", _software, True),
    ]
    return [(heading, write(sources, claims)) for heading, write, there in parts if there]


def as_markdown(parts: Sequence[tuple[str, Sequence[str]]], title: str) -> str:
    """The methods as Markdown."""
    lines = [f"# Methods: {title}", ""]
    for heading, sentences in parts:
        lines += [f"## {heading}", "", " ".join(sentences), ""]
    return "\n".join(lines).rstrip() + "\n"


def blinding(config: Config) -> str:
    """Who was blinded, as far as it is known."""
    study = config.get("study")
    said = study.get("operators_blinded") if isinstance(study, Mapping) else None
    words: dict[Any, str] = {
        True: "blinded, as reported by the study",
        False: "not blinded, as reported by the study",
    }
    told = words.get(said, NOT_REPORTED)
    return f"Software blinded: measuring jobs were given no group, condition or dose. Operators: {told}."


def _study(sources: Sources, claims: Config) -> list[str]:
    config, animals = sources.config, sources.sheets["animals"].drop_duplicates("animal_id")
    units = ", ".join(counted(n, unit) for unit, n in animals["unit"].value_counts().items())
    groups = animals.loc[animals["group"] != "", "group"].value_counts()
    arms = ", ".join(f"{g} {groups[g]}" for g in arm_order(config, sorted(groups.index)))
    first = []
    if config.get("simulate"):
        scenario = value(config, "simulate/scenario")
        first = [
            f"All data are simulated (scenario {scenario}); nothing was measured in an animal."
        ]
    return [
        *first,
        f"Units of analysis: {units or NOT_REPORTED}; by arm: {arms or NOT_REPORTED}.",
        f"Species: {listed(animals['species'])}; sex: {listed(animals['sex'])}; "
        f"weight at the start: {_range(animals['weight_g'], 'g')}.",
        f"Allocation: {value(config, 'study/randomised')}; blocks: {listed(animals['block'])}.",
        blinding(config),
    ]


def _range(values: pd.Series, unit: str) -> str:
    x = pd.to_numeric(values, errors="coerce").dropna()
    return f"{number(x.min(), 4)} to {number(x.max(), 4)} {unit}" if len(x) else NOT_REPORTED


def _histology(sources: Sources, claims: Config) -> list[str]:
    c, sections = sources.config, sources.sheets["sections"]
    stains = sections.groupby("stain")["section_id"].nunique()
    runs = sections["batch"].replace("", pd.NA).nunique()
    each = "; ".join(
        f"{s}: {n} section{'s' * (n != 1)}, {_stain(c, str(s))}" for s, n in stains.items()
    )
    antibody = "; ".join(f"{s}: {value(c, f'{STAINS}/{s}/antibody')}" for s in stains.index)
    return [
        f"{sections['section_id'].nunique()} stained sections in {runs} stain run{'s' * (runs != 1)} were measured. Pixel size: "
        f"{listed(sections['pixel_um'], 'µm')} (where the sheet gives none, as stated by the file). {each}.",
        "White point and thresholds were set once for each stain run from all its sections, blind to arms, and varied by "
        f"±{value(c, 'histology/sweep_percent', '%')}.",
        f"Antibody, clone and lot: {antibody or NOT_REPORTED}.",
        *by_person(c, sections),
    ]


def by_person(config: Config, sections: pd.DataFrame) -> Iterator[str]:
    """What of the sections is a person's, and what nobody drew."""
    told = sections.reindex(columns=["stain", "rois", "mask", "mask_by", "mask_reason"]).fillna("")
    edited = told[told["mask"].astype(str).str.strip().ne("")]
    if len(edited):
        yield (
            f"Detections of {len(edited)} of {len(told)} sections were edited by hand (by "
            f"{listed(edited['mask_by'])}; reasons: "
            f"{listed(edited['mask_reason'])}); their automatic numbers are also given."
        )
    stains = [
        s for s in told["stain"].unique() if value(config, f"{STAINS}/{s}/regions") == "proposed"
    ]
    bare = told[told["stain"].isin(stains) & told["rois"].astype(str).str.strip().eq("")]
    if len(bare):
        yield (
            f"{len(bare)} of {len(told)} sections were measured in regions that were proposed "
            f"from their pictures; they count where "
            "somebody confirmed them."
        )


def _stain(config: Config, stain: str) -> str:
    where = f"{STAINS}/{stain}"
    rule = value(config, f"{where}/threshold")
    return f"detector {value(config, f'{where}/detector')}, stain vectors {value(config, f'{where}/vectors')}, threshold rule {rule}"


def _culture(sources: Sources, claims: Config) -> list[str]:
    c, cultures = sources.config, sources.sheets["cultures"]
    units = sources.sheets["animals"].drop_duplicates("animal_id").set_index("animal_id")["unit"]
    kinds = units.reindex(sorted(set(cultures["animal_id"]) - {""})).fillna("unit").value_counts()
    who = ", ".join(counted(n, unit) for unit, n in kinds.items())
    out = [f"In culture: {who}, under {listed(cultures['condition'])}."]
    if (cultures["assay"] == "scratch").any():
        out += [
            f"Scratch images: pixel size {listed(cultures['pixel_um'], 'µm')}, one frame every {listed(cultures['interval_h'], 'h')}.",
            f"The open gap was found by local texture in a window of {value(c, 'culture/window_um', 'µm')}; islands up to "
            f"{value(c, 'culture/debris_um2', 'µm²')} inside the gap counted as debris. The speed of the edges was taken before "
            f"{value(c, 'culture/closed_share')} of the gap had closed, closure at {value(c, 'culture/closure_h', 'h')}.",
        ]
        if value(c, "culture/pixel_size") == "unknown":
            out.append(
                f"Where no pixel size was stated, the window had {value(c, 'culture/window_px', 'pixels')}, other lengths kept their "
                "proportion to it, and only percentages and times were reported, no lengths and no speeds."
            )
    if (cultures["assay"] == "plate").any():
        out.append(
            "Plate signals were corrected by blanks and expressed as percent of the same isolation's vehicle."
        )
    if (cultures["assay"] == "nuclei").any():
        out.append(
            f"Nuclei of about {value(c, 'culture/nucleus_um', 'µm')} were counted in fluorescence; positive ones lie above "
            "negative controls (99th percentile, 3.5 spreads), or above Otsu's threshold of all nuclei of the isolation."
        )
    if cultures["assay"].isin(["tubes", "junctions"]).any():
        out.append(
            "Lines of tubes and junctions are what stands out from its surroundings, thinned; usual widths "
            f"{value(c, 'culture/tube_um', 'µm')} and {value(c, 'culture/junction_um', 'µm')}."
        )
    if (cultures["assay"] == "qpcr").any():
        out.append(
            "Relative expression is efficiency-corrected and over the mean of the reference genes "
            f"{listed(cultures.loc[cultures['assay'] == 'qpcr', 'over'])}."
        )
    if (cultures["assay"] == "western").any():
        out.append(
            "Bands were taken over their loading and over the vehicle's lanes of the same membrane; saturated bands were held back."
        )
    return out


def _sequencing(sources: Sources, claims: Config) -> list[str]:
    c, libraries = sources.config, sources.sheets["libraries"]
    counts = ", ".join(f"{n} {a}" for a, n in libraries["assay"].value_counts().items())
    species, compartments = listed(libraries["species"]), listed(libraries["compartment"])
    out = [f"Libraries: {counts}; species: {species}; compartments: {compartments}."]
    for analysis in (c.get("bulk") or {}).get("analyses") or []:
        out.append(_analysis(analysis))
    if (libraries["assay"] == "bulk").any():
        out.append(
            "Gene sets were ranked for display only: permuting genes is no test across animals, so no p-value is given."
        )
    if (libraries["assay"] == "singlecell").any():
        summed = (
            "Single cells were summed to one count profile an animal and cell type before any test"
        )
        out.append(f"{summed} (scanpy {version(sources, 'scanpy')}).")
    return out


def _analysis(analysis: Config) -> str:
    block = analysis.get("block") or []
    blocks = ", ".join([block] if isinstance(block, str) else block) or "none"
    contrasts = ", ".join(analysis.get("contrasts") or []) or NOT_REPORTED
    return (
        f"Differential test {analysis.get('name', '')}: negative binomial model as DESeq2's, "
        f"arm {analysis.get('arm', NOT_REPORTED)}, blocks {blocks}, contrasts {contrasts}."
    )


def _outcomes(sources: Sources, claims: Config) -> list[str]:
    c = sources.config
    return [
        "Fields were brought to sections, and sections and wells to the animal (or isolation), before any test; counts as sum "
        "over sum. The animal is the unit of every test.",
        f"Fewest sections for a value: {value(c, 'outcomes/min_sections')}. A specimen that could not be measured: "
        f"{value(c, 'on_broken_specimen')}.",
    ]


def _linkage(sources: Sources, claims: Config) -> list[str]:
    settings = sources.config.get("linkage") or {}
    names = [str(n.get("name")) for n in settings.get("networks") or []]
    solver = f"PuLP {version(sources, 'PuLP')}, HiGHS {version(sources, 'highspy')}"
    routes = f"Signed routes ({', '.join(names)}) were found by an integer programme ({solver})."
    return [
        f"{len(settings.get('pairs') or [])} pairs of score and outcome were declared. Arms and blocks (for cultures, isolations and "
        "conditions) were taken out of both; each was tested by "
        f"{value(sources.config, 'linkage/permutations')} permutations of animals within arms (of "
        "whole isolations) and by t of the slope with an error from unit to unit, of which the "
        "larger p counts, with intervals by the same test and Holm's correction; scores that vary in too few units were not tested.",
        routes if names else "No signalling network was fitted.",
    ]


def _software(sources: Sources, claims: Config) -> list[str]:
    record = sources.record
    commit = (record.get("git") or {}).get("commit", NOT_REPORTED)
    return [
        f"periomics {record.get('periomics', NOT_REPORTED)} (commit {commit}) under Python {record.get('python', NOT_REPORTED)} and "
        f"Snakemake {version(sources, 'snakemake')}; seed {record.get('seed', NOT_REPORTED)}; digest of the claims "
        f"{record.get('claims_sha256', NOT_REPORTED)}.",
        *_set_otherwise(sources.config),
    ]


def _set_otherwise(config: Config) -> Iterator[str]:
    """Settings that are not the defaults, limits of quality among them."""
    if not config:
        return
    said = [
        f"{c.key} {plain(c.value)}" + ("" if c.default is None else f" ({plain(c.default)})")
        for c in changed_settings(config)
    ]
    yield (
        f"Settings other than this version's defaults (in brackets): {'; '.join(said)}."
        if said
        else "All settings of analysis that have a default were left at it."
    )


def version(sources: Sources, package: str) -> str:
    """Version of a package in this run."""
    table = sources.table("software", ("name", "version"))
    hit = table.loc[table["name"].astype(str).str.lower() == package.lower(), "version"]
    return str(hit.iloc[0]) if len(hit) else NOT_REPORTED


def software(sources: Sources) -> pd.DataFrame:
    """Main packages and their versions."""
    rows = [(p, version(sources, p)) for p in PACKAGES]
    return pd.DataFrame([r for r in rows if r[1] != NOT_REPORTED], columns=["name", "version"])
