"""What the config says of each stain, with what its detector chooses: a new stain is a block in `histology: stains:`, no code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, TypeVar

from periomics.core.errors import InputError
from periomics.imaging.convolution import PURPLE, Network
from periomics.imaging.stains import StainPair, angle_between, channel_pair, choose_pair
from periomics.study.settings.histology import Histology, Stain
from periomics.study.settings.section import check_keys

# Which of the pair the readout is about (the other is the counterstain or the matrix).
TARGET = {"lacunae": 0}
# Rules by detector for the stain looked for and the other one, where they differ from half_maximum and otsu: nuclei keep the
# fixed 0.2 OD that pathologists know from QuPath; the eosin of bone is a matrix with holes; the share of an area or a line may be any.
RULES = {
    "nuclei": ("fixed", "otsu"),
    "lacunae": ("half_maximum", "half_median"),
    "area": ("two_levels", "otsu"),
    "laminin": ("two_levels", "otsu"),
    "contact": ("two_levels", "otsu"),
    "coverage": ("half_maximum", "half_maximum"),
    "double": ("half_maximum", "half_maximum"),
    "membrane": ("two_levels", "otsu"),
    "labels": ("half_maximum", "half_maximum"),
}
FIXED_OD = 0.2
# Detectors that look at the other stain as well.
USES_SECOND = (
    "neutrophils",
    "nuclei",
    "lacunae",
    "osteoclasts",
    "labels",
    "coverage",
    "double",
    "membrane",
)
# Pair of stains where it is not haematoxylin and DAB.
VECTORS = {"lacunae": "H-E", "osteoclasts": "H-TRAP"}
# Detectors whose counterstain shows nuclei: measured in a colour this near (degrees) to that of
# haematoxylin, the pair of the config stands the wrong way round.
NUCLEI_BESIDE, HAEMATOXYLIN_DEG = ("osteoclasts", "neutrophils", "vessels", "nuclei"), 12.0
# Region in which a detector measures, where it is not the tissue around the implant.
ROI = {
    "nuclei": "pie",
    "membrane": "pie",
    "lacunae": "bone",
    "laminin": "interface",
    "osteoclasts": "tissue",
    "contact": "bone_region",
    "labels": "bone_region",
}


class Options(Protocol):
    """A detector's options: a dataclass of numbers."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


# Any two stains.
ANY_VECTORS = {"vectors": {"first": [1.0, 0.0, 0.0], "second": [0.0, 1.0, 0.0]}}

T = TypeVar("T", bound=Options)


class OwnModel(NamedTuple):
    """A user's model of nuclei: file, what it gives, how it is given light, its pixel size in
    µm."""

    path: str
    output: Literal["labels", "stardist"]
    scale: Literal["unit", "percentile"]
    pixel_um: float


@dataclass(frozen=True)
class StainSettings:
    """One stain of the config.

    `target` is the index (0, 1) in `pair` of the stain that the detector looks for; `outcomes` maps what the detector
    calls its results to names of the outcome dictionary; lengths in µm. `nuclei`: how they are
    found, by `network` or not; `reversed_deg`: by how much more the stain looked for has the colour
    of haematoxylin than the other, NaN where not told.
    """

    stain: str
    detector: str
    image: str
    channels: tuple[str | int, ...]
    bits: int | None
    pair: StainPair
    reversed_deg: float
    target: int
    roi: str
    regions: str
    pixel_um: float
    threshold: str
    threshold_value: float
    second_threshold: str
    second_value: float
    estimate_vectors: bool
    white: tuple[float, float, float] | None
    outcomes: Mapping[str, str]
    options: Mapping[str, float]
    implant_margin_um: float
    sweep_percent: float
    smooth_um: float
    max_clipped_percent: float
    max_unexplained_percent: float
    max_black_percent: float
    max_uneven_light_percent: float
    max_edge_um: float
    max_soft_percent: float
    max_spill_percent: float
    max_shift_um: float
    max_swapped_percent: float
    max_nucleus_times: float
    max_specks_percent: float
    max_fold_percent: float
    max_glass_percent: float
    max_white_tint_percent: float
    nuclei: str
    network: Network | None
    model: OwnModel | None

    @property
    def shines(self) -> bool:
        """Whether the pictures are of fluorescence."""
        return self.image == "fluorescence"

    @property
    def dark(self) -> bool:
        """Whether the pictures were taken between crossed polarisers."""
        return self.image == "polarised"


def stain_settings(
    settings: Mapping[str, object],
    pairs: Mapping[str, StainPair],
    network: Network | None = None,
    model: str = "",
) -> dict[str, StainSettings]:
    """Every stain of the config's `histology` block.

    Parameters
    ----------
    settings
        The block.
    pairs
        Stains by name.
    network
        That finds nuclei of a bright field; not needed for batches, which no nuclei are looked for in.
    model
        File of the user's own model of nuclei, where a stain asks for it.

    Raises
    ------
    InputError
        Naming stain, key, value and what is allowed.
    """
    section = Histology.of(settings, "histology")
    return {
        name: _one(name, stain, section, pairs, (network, model))
        for name, stain in section.stains.items()
    }


def of_any_vectors(stain: str, block: Mapping[str, object]) -> StainSettings:
    """What a stain's block says of all but its colours: regions and sizes do not depend on them.

    Raises
    ------
    InputError
        See `stain_settings`.
    """
    told = {k: v for k, v in block.items() if k not in ("vectors", "white")}
    pair = {} if told.get("image") == "fluorescence" else ANY_VECTORS
    return stain_settings({"stains": {stain: told | pair}}, {})[stain]


def _one(
    name: str,
    stain: Stain,
    section: Histology,
    pairs: Mapping[str, StainPair],
    found_by: tuple[Network | None, str],
) -> StainSettings:
    network, file = found_by
    own = OwnModel(file, stain.model_output, stain.model_scale, stain.model_um or 0.0)
    shines = stain.image == "fluorescence"
    first, second = RULES.get(stain.detector, ("half_maximum", "otsu"))
    if shines and stain.detector != "labels":  # labels are too thin for two levels
        first = second = "two_levels"
    vectors = stain.vectors or VECTORS.get(stain.detector, "H-DAB")
    where = f"config, histology/stains/{name}"
    pair = channel_pair(stain.channels) if shines else choose_pair(pairs, vectors, where)
    return StainSettings(
        stain=name,
        detector=stain.detector,
        image=stain.image,
        channels=tuple(stain.channels),
        bits=stain.bits,
        pair=pair,
        reversed_deg=_reversed(pair, stain.detector, pairs),
        target=TARGET.get(stain.detector, 1),
        roi=stain.roi or ROI.get(stain.detector, "peri_implant_ct"),
        regions=stain.regions,
        pixel_um=stain.pixel_um,
        threshold=stain.threshold or first,
        threshold_value=stain.threshold_value or FIXED_OD,
        second_threshold=stain.second_threshold or second,
        second_value=stain.second_value or FIXED_OD,
        estimate_vectors=stain.estimate_vectors,
        white=stain.white,
        outcomes=stain.outcomes,
        options=stain.options,
        implant_margin_um=section.implant_margin_um,
        sweep_percent=section.sweep_percent,
        smooth_um=section.smooth_um,
        max_clipped_percent=section.max_clipped_percent,
        max_unexplained_percent=section.max_unexplained_percent,
        max_black_percent=section.max_black_percent,
        max_uneven_light_percent=section.max_uneven_light_percent,
        max_edge_um=section.max_edge_um,
        max_soft_percent=section.max_soft_percent,
        max_spill_percent=section.max_spill_percent,
        max_shift_um=section.max_shift_um,
        max_swapped_percent=section.max_swapped_percent,
        max_nucleus_times=section.max_nucleus_times,
        max_specks_percent=section.max_specks_percent,
        max_fold_percent=section.max_fold_percent,
        max_glass_percent=section.max_glass_percent,
        max_white_tint_percent=section.max_white_tint_percent,
        nuclei=stain.nuclei,
        network=_reading(network, pair),
        model=own if stain.nuclei == "model" else None,
    )


def _reading(network: Network | None, pair: StainPair) -> Network | None:
    """The network as it reads the pair: purple stain alone has no chromogen."""
    if network is None or pair.stains != ("haematoxylin", "eosin"):
        return network
    return replace(network, reading=PURPLE)


def _reversed(pair: StainPair, detector: str, pairs: Mapping[str, StainPair]) -> float:
    """See `StainSettings`: told of pairs of the config only."""
    if pair.source != "config" or detector not in NUCLEI_BESIDE or "H-DAB" not in pairs:
        return float("nan")
    first, second = (angle_between(v, pairs["H-DAB"].vectors[0]) for v in pair.vectors)
    return max(0.0, first - second) if second < HAEMATOXYLIN_DEG else 0.0


def variants(settings: StainSettings) -> dict[str, float]:
    """Variant → factor of the threshold, that without a name first."""
    sweep = settings.sweep_percent
    signs = (-1, 1) if sweep > 0 else ()
    return {"": 1.0} | {f"threshold={s * sweep:+g}%": 1 + s * sweep / 100 for s in signs}


def options_from(kind: type[T], given: Mapping[str, Any], where: str) -> T:
    """A detector's options (a dataclass of numbers) from the config; unknown names and non-numbers are errors."""
    known: dict[str, Any] = {f.name: f.default for f in fields(kind)}
    values = {}
    check_keys(given, list(known), where)
    for name, value in given.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or value < 0:
            raise InputError(
                "is not a number from 0 up", file="config", column=f"{where}/{name}", value=value
            )
        values[name] = type(known[name])(value)
    return kind(**values)


def outcome_name(settings: StainSettings, result: str, default: str) -> str:
    """Name of the outcome that a detector's result is written as; `none` leaves it out (an empty name)."""
    name = settings.outcomes.get(result, default)
    return "" if name in (None, "none") else str(name)
