"""Detections that a person edited in QuPath: what was added, removed, redrawn or given another
class, laid over the automatic ones."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from periomics.core.errors import InputError, nearest
from periomics.core.quality import Fact
from periomics.histology.sections import Opened, section_name
from periomics.histology.settings import StainSettings
from periomics.imaging import rois
from periomics.imaging.boxes import Box

# Outlines with middles and boxes this near (finest-level pixels) and areas alike to this share are
# one.
SAME_PIXELS, SAME_SHARE = 0.25, 0.01
# A detection that was drawn may cover so much of another one, of the smaller's area.
OVERLAP = 0.2
# Typical area of polygons against what they say of their own area in µm²: else another pixel size.
SIZE_RATIO = 1.25
# Ids that a section's own detections may have, beside twice as many as a file holds.
NUMBERS = 20_000
AREA = "Area µm^2"
EXCLUDED = "excluded"
CLASSES = {
    "vessels": ("positive", EXCLUDED),
    "neutrophils": ("positive", EXCLUDED),
    "nuclei": ("positive", "negative", "nucleus", EXCLUDED),
    "lacunae": ("occupied", "empty", "uncertain", EXCLUDED),
    "osteoclasts": ("positive", "detached", "uncertain", EXCLUDED),
    "laminin": ("positive", "negative"),
}
AREAS, LINES = ("Polygon", "MultiPolygon", "GeometryCollection"), ("LineString", "Point")
NOT_STATED = "not stated"
# A section of which more detections (%) were edited is held back until somebody says why: settings
# that changed, or a part of them that was exported, look so too.
MOST_EDITED = 50.0
BY_TILES = "edited detections of a section that is measured by tiles are not read back"
SMALLER = "a smaller region (up to 64 megapixels at the size of measuring)"


@dataclass(frozen=True)
class Edits:
    """What the edited file makes of the labels of a section.

    Attributes
    ----------
    keep
        (N + 1,) bool, automatic labels that stay as they are.
    shapes
        Polygons of what was drawn, in finest-level pixels; their labels follow those that stay.
    numbers, classes
        (M,) object id and class of each label, '' where a person said nothing of it.
    told
        Added, removed, redrawn, given another class.
    """

    keep: np.ndarray
    shapes: Sequence[Any]
    numbers: np.ndarray
    classes: np.ndarray
    told: tuple[int, int, int, int]

    def applied(self, labels: np.ndarray, opened: Opened) -> np.ndarray:
        """Labels 1 to M: those that stay, and what was drawn.

        Raises
        ------
        InputError
            If a drawn one covers no pixel, or too much of another.
        """
        new = np.zeros(len(self.keep), np.int32)
        new[self.keep] = np.arange(1, self.keep.sum() + 1)
        out = new[labels]
        size = np.bincount(out.ravel(), minlength=len(self.numbers) + 1)
        for number, shape in enumerate(self.shapes, start=int(self.keep.sum()) + 1):
            box, mask = _mask(shape, opened)
            window = out[box.top : box.bottom, box.left : box.right]
            x, y = shape.representative_point().coords[0]
            place = f"{x:.0f}, {y:.0f}"
            if not mask.any():
                message = "an edited detection covers no pixel of the section"
                raise InputError(message, value=place)
            size[number] = mask.sum()
            under = np.bincount(window[mask], minlength=len(size))
            share = under[1:] / np.maximum(np.minimum(size[1:], size[number]), 1)
            if (share > OVERLAP).any():
                message = "an edited detection lies on another one: delete or merge one of them"
                allowed = f"at most {100 * OVERLAP:.0f} % of the smaller"
                value = f"{100 * share.max():.0f} % at {place}"
                raise InputError(message, value=value, allowed=allowed)
            window[mask & (window == 0)] = number
        return out

    @property
    def accepted(self) -> np.ndarray:
        """Which labels a person did not exclude, bool (M,)."""
        return self.classes != EXCLUDED

    def words(self, found: int) -> str:
        """What was done to how many."""
        added, removed, redrawn, moved = self.told
        return (
            f"{added} added, {removed} removed, {redrawn} redrawn, {moved} given another "
            f"class, of {found} found"
        )

    def fact(self, found: int) -> Fact:
        """How much was changed."""
        share = 100 * sum(self.told) / max(found, 1)
        return Fact("detections edited by hand", share, "%", MOST_EDITED)


def _mask(shape: Any, opened: Opened) -> tuple[Box, np.ndarray]:
    """The pixels whose middles lie inside a polygon, in a box around it."""
    edges = rois.edges_of([shape], opened.scale, opened.offset)
    points = np.concatenate(edges)[:, :2]
    high, wide = opened.rgb.shape[:2]
    left, top = np.clip(np.floor(points.min(axis=0)).astype(int), 0, (wide, high))
    right, bottom = np.clip(np.ceil(points.max(axis=0)).astype(int) + 1, 0, (wide, high))
    box = Box(int(top), int(left), int(bottom), int(right))
    return box, rois.box_mask(edges, box)


def as_edited(edits: Edits | None, labels: np.ndarray, opened: Opened) -> np.ndarray:
    """Labels with the edits on them; as they are where there are none."""
    return labels if edits is None else edits.applied(labels, opened)


def taken_out(edits: Edits | None, found: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Pixels of automatic detections that a person removed, made smaller or excluded; none where
    there are no edits."""
    if edits is None:
        return np.zeros((1, 1), bool)
    return (found > 0) & ~np.concatenate([[False], edits.accepted])[labels]


def accepted(edits: Edits | None) -> np.ndarray:
    """Which labels nobody excluded; true of all (broadcast) where there are no edits."""
    return np.ones(1, bool) if edits is None else edits.accepted


def said(edits: Edits | None, name: str) -> np.ndarray:
    """Which labels a person gave that class; none (broadcast) where there are no edits."""
    return np.zeros(1, bool) if edits is None else edits.classes == name


def object_key(fact: Mapping[str, object], stain: str) -> str:
    """What the ids of a section's detections are made of, with their number."""
    return f"{fact.get('section_id', '')}:{fact.get('field_id', '')}:{stain}"


def classes_of(settings: StainSettings) -> tuple[str, ...]:
    """Classes that detections of a stain may have; none where its detector's are not edited."""
    if settings.detector == "double":
        first, second = settings.pair.stains
        return f"{first}+ {second}+", f"{first}+", f"{second}+", "uncertain", EXCLUDED
    return CLASSES.get(settings.detector, ())


def read_edits(path: str, settings: StainSettings) -> list[rois.Annotation]:
    """Detections of an edited file, and annotations of a class of detections: what a person draws
    in QuPath is one.

    Raises
    ------
    InputError
        If the detector's detections are not edited, the file holds none, one has an unknown class
        or is no area, or two have one id.
    """
    known = classes_of(settings)
    if not known:
        message = f"detections of detector {settings.detector} are not read back"
        allowed = ", ".join([*CLASSES, "double"])
        raise InputError(message, file=path, value=settings.stain, allowed=allowed)
    spelt = {name.casefold(): name for name in known}
    found, ids = [], set()
    for one in rois.read_objects(path):
        name = spelt.get(one.name.casefold(), "")
        if one.name == rois.UNCLASSIFIED and one.detected:
            pass
        elif not name and not one.detected and one.name != rois.UNCLASSIFIED:
            _not_misspelt(one.name, known, path)
            continue  # a region: those of the column rois count
        elif not name:
            kind = "detection" if one.detected else "annotation"
            message = f"a {kind} has a class that stain {settings.stain} does not have"
            message += nearest(one.name, known)
            raise InputError(message, file=path, value=one.name, allowed=", ".join(known))
        kinds = LINES if settings.detector == "laminin" else AREAS
        if one.geometry.geom_type not in kinds:
            message = f"an edited detection is a {one.geometry.geom_type}"
            raise InputError(message, file=path, value=one.name, allowed=kinds[0])
        if one.identity and one.identity in ids and _uuid(one.identity):
            raise InputError("two detections have one id", file=path, value=one.identity)
        ids.add(one.identity)
        found.append(
            rois.Annotation(name, one.geometry, one.measurements, one.detected, one.identity)
        )
    if not any(one.detected for one in found):
        message = "holds no detections: every automatic one would count as removed"
        allowed = f"the section's exported detections; false ones as class {EXCLUDED!r}"
        raise InputError(message, file=path, allowed=allowed)
    return found


def _not_misspelt(name: str, known: Sequence[str], path: str) -> None:
    """Refuse an annotation whose class is nearly one of detections."""
    if hint := nearest(name, known):
        message = f"an annotation has a class that is neither a region's nor a detection's{hint}"
        raise InputError(message, file=path, value=name, allowed=", ".join(known))


def _uuid(text: str) -> int:
    """Version of an id, 0 for none."""
    try:
        return uuid.UUID(text).version or 0
    except ValueError:
        return 0


def foreign(drawn: Sequence[rois.Annotation], key: str) -> int:
    """How many detections were exported from another section, field or stain."""
    own = {rois.identity_of(f"{key}:{k}") for k in range(1, NUMBERS + 2 * len(drawn) + 1)}
    return sum(_uuid(d.identity) == 5 and d.identity not in own for d in drawn)


def size_ratio(drawn: Sequence[rois.Annotation], source_um: float) -> float:
    """How many times larger the polygons are than they say of themselves, in length; 1 where none
    says."""
    told = [(d.geometry.area * source_um**2, d.measurements.get(AREA, 0.0)) for d in drawn]
    ratios = [area / said_ for area, said_ in told if said_ > 0 and area > 0]
    return float(np.sqrt(np.median(ratios))) if ratios else 1.0


def outside(drawn: Sequence[rois.Annotation], width: int, height: int) -> int:
    """How many detections lie outside of a picture, wholly."""
    bounds = [d.geometry.bounds for d in drawn]
    return sum(b[0] >= width or b[1] >= height or b[2] <= 0 or b[3] <= 0 for b in bounds)


def compare(
    objects: pd.DataFrame,
    outlines: Sequence[np.ndarray],
    drawn: Sequence[rois.Annotation],
    key: str,
) -> Edits:
    """Set edited detections against the automatic ones: by their outlines, else by their ids.

    Parameters
    ----------
    objects, outlines
        What the detector found.
    drawn
        See `read_edits`.
    key
        See `object_key`.
    """
    from shapely import Polygon

    n = len(objects)
    before = [Polygon(o) if len(o) > 3 else None for o in outlines]
    classes = objects["class"].astype(str).to_list() if n else []
    by_id = {rois.identity_of(f"{key}:{k + 1}"): k for k in range(n)}
    places = _places(before)
    owner: dict[int, int] = {}  # automatic object → detection of the file
    left = []
    for j, one in enumerate(drawn):
        k = by_id.get(one.identity, -1)
        if k in owner or not _same_as(before, k, one.geometry):
            near = (k for k in _near(places, one.geometry) if k not in owner)
            k = next((k for k in near if _same_as(before, k, one.geometry)), -1)
        if k >= 0:
            owner[k] = j
        else:
            left.append(j)
    for j in left:  # redrawn; of a number that other settings, or tiles, gave to another it is new
        k = by_id.get(drawn[j].identity, -1)
        if k >= 0:
            owner.setdefault(k, j)
    keep, redrawn, moved = np.zeros(n + 1, bool), [], 0
    stay: list[tuple[int, str]] = []
    for k, j in sorted(owner.items()):
        other = drawn[j].name if drawn[j].name not in ("", classes[k]) else ""
        moved += bool(other)
        if _same_as(before, k, drawn[j].geometry):
            keep[k + 1] = True
            stay.append((k + 1, other))
        else:
            redrawn.append((k + 1, other, drawn[j].geometry))
    added = [d for j, d in enumerate(drawn) if j not in set(owner.values())]
    fresh = [(n + i, d.name, d.geometry) for i, d in enumerate(added, start=1)]
    labels = [*stay, *((k, name) for k, name, _ in (*redrawn, *fresh))]
    return Edits(
        keep=keep,
        shapes=[shape for _, _, shape in (*redrawn, *fresh)],
        numbers=np.array([k for k, _ in labels], dtype=int),
        classes=np.array([name for _, name in labels], dtype=object),
        told=(len(fresh), n - len(owner), len(redrawn), moved),
    )


def _same_as(before: Sequence[Any], k: int, shape: Any) -> bool:
    """Whether an automatic object is there, and a shape is its outline."""
    return k >= 0 and _same(before[k], shape)


def compare_lines(
    objects: pd.DataFrame,
    outlines: Sequence[np.ndarray],
    drawn: Sequence[rois.Annotation],
    key: str,
) -> Edits:
    """As `compare`, of the pieces of a line: all of them are there, some of another class.

    Raises
    ------
    InputError
        If one is missing, new, or not where it was.
    """
    from shapely import LineString

    by_id = {d.identity: d for d in drawn}
    classes = []
    for k, (outline, name) in enumerate(zip(outlines, objects["class"], strict=True), start=1):
        one = by_id.pop(rois.identity_of(f"{key}:{k}"), None)
        before = LineString(outline) if len(outline) > 1 else None
        if one is None or (before is not None and not _same(before, one.geometry)):
            message = (
                "a piece of a line is missing or was moved: pieces are given another class only"
            )
            raise InputError(message, value=f"piece {k} of {len(outlines)}")
        classes.append(one.name if one.name != name else "")
    if by_id:
        message = "a piece of a line was drawn: pieces are given another class only"
        raise InputError(message, value=f"{len(by_id)} of {len(drawn)}")
    return Edits(
        keep=np.ones(len(classes) + 1, bool),
        shapes=[],
        numbers=np.arange(1, len(classes) + 1),
        classes=np.array(classes, dtype=object),
        told=(0, 0, 0, sum(bool(c) for c in classes)),
    )


def _places(shapes: Sequence[Any]) -> Any:
    from scipy.spatial import cKDTree

    far = (-1e9, -1e9)
    points = [far if s is None else s.centroid.coords[0] for s in shapes]
    return cKDTree(np.array(points).reshape(-1, 2)) if points else None


def _near(places: Any, shape: Any) -> list[int]:
    return [] if places is None else places.query_ball_point(shape.centroid.coords[0], SAME_PIXELS)


def _same(one: Any, other: Any) -> bool:
    """Whether two outlines are the same but for how they were written."""
    if one is None or abs(one.area - other.area) > SAME_SHARE * max(one.area, other.area):
        return False
    apart = np.abs(np.subtract(one.bounds, other.bounds)).max()
    return apart <= SAME_PIXELS and one.centroid.distance(other.centroid) <= SAME_PIXELS


def edits_of(
    fact: Mapping[str, object],
    settings: StainSettings,
    objects: pd.DataFrame,
    outlines: Sequence[np.ndarray],
    um: float,
) -> Edits:
    """Edits of a section's sheet row, refused where they are of something else.

    Parameters
    ----------
    fact
        Row of the sections sheet, with `mask`.
    objects, outlines
        Automatic detections.
    um
        Of a finest-level pixel.

    Raises
    ------
    InputError
        As `read_edits`, or if detections are of another section or pixel size.
    """
    path = str(fact["mask"])
    drawn = read_edits(path, settings)
    for message, value, allowed in misplaced(drawn, fact, settings.stain, um):
        raise InputError(message, file=path, value=value, allowed=allowed)
    how = compare_lines if settings.detector == "laminin" else compare
    return how(objects, outlines, drawn, object_key(fact, settings.stain))


def misplaced(
    drawn: Sequence[rois.Annotation], fact: Mapping[str, object], stain: str, um: float
) -> list[tuple[str, str, str]]:
    """Message, value and what is allowed where detections are of another section or pixel size."""
    problems = []
    if count := foreign(drawn, object_key(fact, stain)):
        message = "edited detections were exported from another section, field or stain"
        problems.append((message, f"{count} of {len(drawn)}", f"those of {section_name(fact)}"))
    ratio = size_ratio(drawn, um)
    if not 1 / SIZE_RATIO <= ratio <= SIZE_RATIO:
        message = (
            "edited detections lie on another pixel grid than the section: their "
            "outlines are not as large as they say"
        )
        problems.append(
            (message, f"{ratio:.3g} times as long", "pixels of the file's finest level")
        )
    return problems
