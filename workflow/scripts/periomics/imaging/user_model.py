"""A user's own nucleus model: an ONNX file by path, read by onnxruntime where that is installed;
labels, or StarDist's probabilities and distances."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np

from periomics.core.errors import InputError
from periomics.core.files import sha256
from periomics.imaging.boxes import Box

Output = Literal["labels", "stardist"]
Scale = Literal["unit", "percentile"]
# Side of a tile in the model's pixels, what is read around it, and what its sides are multiples of.
TILE, HALO, MULTIPLE = 768, 96, 32
# StarDist: likelihood from which a place is one of a nucleus, and how much of a polygon may lie in
# a likelier one.
LIKELY, OVERLAP = 0.5, 0.4
PERCENTILES = (1.0, 99.8)
# Connected parts of at least so many pixels a number, over the section, from which numbers are none
# of nuclei; values are whole, and likelihoods from 0 to 1, to within rounding.
SPECK, MOST_BODIES, ROUNDING = 9, 1.5, 1e-3
NOT_INSTALLED = (
    "onnxruntime is not installed, which reads models of one's own: `pip install onnxruntime`"
)
NOT_ONNX = (
    "is no ONNX file: other weights (.pt, .pth, .pkl, .h5) may run code as they are "
    "read; export them to ONNX"
)


@dataclass(frozen=True)
class UserModel:
    """A model that is ready to look.

    Attributes
    ----------
    session
        Of onnxruntime.
    channels, last
        1 or 3 channels, and whether they are the input's last axis.
    output
        What it gives.
    checksum
        SHA-256 of the file.
    """

    session: Any
    channels: int
    last: bool
    output: Output
    checksum: str

    @property
    def words(self) -> str:
        """For methods."""
        return f"a model of the study's own (ONNX, SHA-256 {self.checksum[:12]})"


@lru_cache(maxsize=4)
def load_model(path: str, output: Output) -> UserModel:
    """Read a model.

    Raises
    ------
    InputError
        If it is no ONNX file, onnxruntime is missing, or its inputs and outputs are not those of
        docs/nuclei_model.md.
    """
    place = Path(path)
    if place.suffix.lower() != ".onnx":
        raise InputError(NOT_ONNX, file=path, value=place.suffix, allowed=".onnx")
    if not place.is_file():
        raise InputError("file does not exist", file=path)
    try:
        runtime = import_module("onnxruntime")
    except ImportError as error:
        raise InputError(NOT_INSTALLED, file=path) from error
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what is wrong is raised
    try:
        session = runtime.InferenceSession(str(place), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime has kinds of its own
        text = " ".join(str(error).split())[:200]
        raise InputError(f"cannot be read as a model: {text}", file=path) from error
    channels, last = _input(session, path)
    _outputs(session, output, path)
    return UserModel(session, channels, last, output, sha256(place))


def _input(session: Any, path: str) -> tuple[int, bool]:
    """Channels of the one input, and whether they come last."""
    inputs = session.get_inputs()
    shape = list(inputs[0].shape) if inputs else []
    seen = "; ".join(f"{i.type} {i.shape}" for i in inputs)
    allowed = (
        "one float32 tensor of (1, channels, rows, columns) or (1, rows, columns, "
        "channels), 1 or 3 channels"
    )
    fits = len(inputs) == 1 and inputs[0].type == "tensor(float)" and len(shape) == 4
    last = fits and shape[3] in (1, 3) and shape[1] not in (1, 3)
    sides = shape[1:3] if last else shape[2:]
    if fits and any(isinstance(n, int) for n in sides):
        message = "the model takes pictures of one size only"
        raise InputError(message, file=path, value=seen, allowed="rows and columns left open")
    if last:
        return int(shape[3]), True
    if fits and shape[1] in (1, 3):
        return int(shape[1]), False
    raise InputError("the model's input is another", file=path, value=seen, allowed=allowed)


def _outputs(session: Any, output: Output, path: str) -> None:
    """Refuse a model whose outputs are not of the kind."""
    outputs = session.get_outputs()
    ranks = [len(o.shape) for o in outputs]
    seen = "; ".join(f"{o.name} {o.type} {o.shape}" for o in outputs)
    if output == "labels" and not (len(outputs) == 1 and ranks[0] in (2, 3, 4)):
        allowed = "one output: rows and columns of numbers, 0 for background"
    elif output == "stardist" and not (len(outputs) == 2 and ranks == [4, 4]):
        allowed = "two outputs: likelihood (1 channel) and distances (one channel a ray)"
    else:
        return
    message = f"the model's outputs are not those of {output}"
    raise InputError(message, file=path, value=seen, allowed=allowed)


def find(model: UserModel, view: np.ndarray, scale: Scale) -> np.ndarray:
    """Labels 1..N of nuclei in a picture at the model's pixel size.

    Parameters
    ----------
    view
        (height, width, channels), float32 from 0 to 1.
    scale
        `unit`: as it is; `percentile`: each channel from its 1st to its 99.8th percentile becomes 0
        to 1.

    Notes
    -----
    The picture is looked at in tiles that lie where they lie, each with what is around it; a
    nucleus is of the tile that holds its middle.
    """
    if view.shape[2] != model.channels:
        message = "the picture has another number of channels than the model's input"
        raise InputError(message, value=view.shape[2], allowed=str(model.channels))
    if scale == "percentile":
        low, high = np.percentile(view, PERCENTILES, axis=(0, 1))
        view = ((view - low) / np.maximum(high - low, 1e-6)).astype(np.float32)
    whole = Box(0, 0, *view.shape[:2])
    out, n, bodies, numbers = np.zeros(view.shape[:2], np.int32), 0, 0, 0
    for core in _tiles(whole):
        box = core.grown(HALO, whole)
        found = _looked(model, view[box.top : box.bottom, box.left : box.right])
        bodies, numbers = bodies + _bodies(found), numbers + int(found.max(initial=0))
        n = _kept(out, found, core, box, n)
    if bodies > MOST_BODIES * numbers:
        message = "one number of the model stands for several nuclei: is it a mask?"
        told = f"{bodies} bodies of {numbers} numbers"
        raise InputError(message, value=told, allowed="a number for each nucleus")
    return out


def _bodies(labels: np.ndarray) -> int:
    """Parts of one number each, without specks."""
    from skimage.measure import label

    return int((np.bincount(label(labels, connectivity=2).ravel())[1:] >= SPECK).sum())


def _tiles(whole: Box) -> Iterator[Box]:
    for top in range(0, whole.bottom, TILE):
        for left in range(0, whole.right, TILE):
            yield Box(top, left, top + TILE, left + TILE).common(whole)


def _kept(out: np.ndarray, found: np.ndarray, core: Box, box: Box, n: int) -> int:
    """Lay the nuclei whose middle lies in a tile's core into the picture; the last number given."""
    from scipy.ndimage import find_objects

    for k, at in enumerate(find_objects(found), start=1):
        if at is None:
            continue
        mask = found[at] == k
        rows, columns = np.nonzero(mask)
        y = rows.mean() + at[0].start + box.top
        x = columns.mean() + at[1].start + box.left
        if core.top <= y < core.bottom and core.left <= x < core.right:
            n += 1
            place = tuple(
                slice(s.start + o, s.stop + o) for s, o in zip(at, (box.top, box.left), strict=True)
            )
            window = out[place]
            window[mask & (window == 0)] = n
    return n


def _looked(model: UserModel, view: np.ndarray) -> np.ndarray:
    """Labels of one tile."""
    high, wide = view.shape[:2]
    pads = [(0, -n % MULTIPLE) for n in (high, wide)]
    tensor = np.pad(view, (*pads, (0, 0)), mode="symmetric")[None].astype(np.float32)
    tensor = tensor if model.last else tensor.transpose(0, 3, 1, 2)
    name = model.session.get_inputs()[0].name
    try:
        given = model.session.run(None, {name: np.ascontiguousarray(tensor)})
    except Exception as error:  # the runtime has kinds of its own
        text = " ".join(str(error).split())[:200]
        raise InputError(f"the model fails on a section: {text}") from error
    if not all(np.isfinite(a).all() for a in given):
        raise InputError("the model gives values that are no numbers", value="NaN or infinity")
    shape = tensor.shape[1:3] if model.last else tensor.shape[2:]
    if model.output == "labels":
        labels = np.squeeze(given[0])
        if labels.shape != shape:
            message = "the model's labels have another shape than its input"
            raise InputError(message, value=str(labels.shape), allowed=str(shape))
        whole = np.rint(labels)
        if np.abs(labels - whole).max() > ROUNDING:
            message = "the model's labels are no whole numbers: are they likelihoods?"
            raise InputError(
                message, value=float(labels.max()), allowed="0, and each nucleus a number"
            )
        return _dense(whole.astype(np.int32)[:high, :wide])
    return _stars(*_told(given, shape), shape)[:high, :wide]


def _dense(labels: np.ndarray) -> np.ndarray:
    _, numbers = np.unique(np.maximum(labels, 0), return_inverse=True)
    numbers = numbers.reshape(labels.shape)
    return (numbers + (labels.max(initial=0) > 0 and labels.min() > 0)).astype(np.int32)


def _told(given: list[np.ndarray], shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Likelihood (rows, columns) and distances (rows, columns, rays) of a StarDist model: the
    output of one channel, first or last, is the likelihood."""
    arrays = [np.asarray(a)[0] for a in given]
    for axis in (2, 0):
        for likely, rays in (arrays, arrays[::-1]):
            if likely.shape[axis] != 1 or rays.shape[axis] == 1:
                continue
            grid, rays = np.squeeze(likely, axis), np.moveaxis(rays, axis, 2)
            coarser = {n / m for n, m in zip(shape, grid.shape, strict=True)}
            if rays.shape[:2] != grid.shape or len(coarser) > 1:
                continue
            if grid.min() < -ROUNDING or grid.max() > 1 + ROUNDING:
                message = "the model's likelihoods lie outside of 0 to 1: are they logits?"
                value = f"{grid.min():.3g} to {grid.max():.3g}"
                raise InputError(message, value=value, allowed="0 to 1")
            return grid, rays
    shapes = " and ".join(str(a.shape) for a in arrays)
    allowed = "one channel of likelihood, and distances on the same grid as coarse both ways"
    raise InputError("the model's outputs are not those of stardist", value=shapes, allowed=allowed)


def _stars(likely: np.ndarray, rays: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Labels of star-convex polygons: the likeliest first, one that lies in others for more than a
    share is left out.

    Ray k points at an angle of 2 pi k / n from the columns' direction towards the rows', as
    StarDist has it; distances are in pixels of the input, of which a place of the grid has several.
    """
    from skimage.draw import polygon

    step = shape[0] / likely.shape[0]
    angle = 2 * np.pi * np.arange(rays.shape[2]) / rays.shape[2]
    turn = np.stack([np.sin(angle), np.cos(angle)])
    out, n = np.zeros(shape, np.int32), 0
    y, x = np.nonzero(likely >= LIKELY)
    order = np.lexsort((x, y, -likely[y, x]))
    for row, column in zip(y[order], x[order], strict=True):
        place = np.array([row, column]) * step
        if out[tuple(place.astype(int))]:
            continue
        rows, columns = place[:, None] + turn * np.maximum(rays[row, column], 0.5)
        inside = polygon(rows, columns, shape=shape)
        if len(inside[0]) and (out[inside] > 0).mean() <= OVERLAP:
            n += 1
            rows, columns = (v[out[inside] == 0] for v in inside)
            out[rows, columns] = n
    return out
