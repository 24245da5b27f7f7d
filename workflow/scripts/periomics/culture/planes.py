"""Channels of a picture at their own bit depth: fluorescence is not squeezed into 8 bits before it is measured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from periomics.core.errors import InputError, SpecimenError, nearest
from periomics.imaging.readers import open_picture, pixel_size, probe

_COLOURS = ("red", "green", "blue")
_DEPTHS = (255, 1023, 4095, 16383, 65535)
_SAME = 1.0  # levels of 255: colours that differ by less are grey
_LIVELY = 4.0  # levels of 255: spread of a colour that shows something


@dataclass(frozen=True)
class Plane:
    """One channel as float32 (row, column), its pixel size in µm, and the share of pixels at the end of the camera's range."""

    values: np.ndarray
    pixel_um: float
    saturated: float


def channel_names(path: str | Path) -> list[str]:
    """What the channels of a picture are called: their names where the file states them, red, green, blue, or numbers from 1."""
    info = probe(path)
    if info.colour == "grey":
        return ["1"]
    if info.colour == "rgb":
        return list(_COLOURS)
    return list(info.names) or [str(n) for n in range(1, info.channels + 1)]


def channel_index(names: list[str], channel: str, path: str | Path, column: str) -> int:
    """Place of a channel that the sheet names; a picture of one has that one.

    Raises
    ------
    InputError
        If the picture has several and the sheet names none of them.
    """
    plain = [n.casefold() for n in names]
    if not channel and len(names) == 1:
        return 0
    if channel.casefold() in plain:
        return plain.index(channel.casefold())
    if channel.isdigit() and 1 <= int(channel) <= len(names):
        return int(channel) - 1
    message = (
        f"the picture has no such channel{nearest(channel, names)}" if channel else "which channel?"
    )
    raise InputError(message, file=path, column=column, value=channel, allowed=", ".join(names))


def read_plane(
    path: str | Path, channel: str = "", sheet_um: float | None = None, column: str = "channel"
) -> Plane:
    """One channel of a picture.

    A colour picture without a named channel is grey where its colours are the same, or the one colour that shows anything.

    Raises
    ------
    InputError
        If the pixel size or the channel is not known, or the picture is more than one plane.
    SpecimenError
        If the pixels cannot be decoded or are no whole numbers.
    """
    info = probe(path)
    size = pixel_size(info, sheet_um)
    planes = _planes(Path(path), info.kind)
    names = channel_names(path)[: len(planes)]
    unnamed = info.colour == "rgb" and not channel
    index = (
        _only_colour(planes, path, column)
        if unnamed
        else channel_index(names, channel, path, column)
    )
    values = planes[index]
    top = next((d for d in _DEPTHS if values.max() <= d), _DEPTHS[-1])
    return Plane(values.astype(np.float32), size, float((values >= top).mean()))


def _only_colour(planes: np.ndarray, path: str | Path, column: str) -> int:
    scale = 255 / max(float(planes.max()), 1.0)
    apart = max(float(np.abs(planes[0] - p).mean()) * scale for p in planes)
    lively = [i for i, p in enumerate(planes) if float(p.std()) * scale > _LIVELY]
    if apart < _SAME:
        return 0
    if len(lively) == 1:
        return lively[0]
    raise InputError(
        "a colour picture with something in several colours: which?",
        file=path,
        column=column,
        value="",
        allowed=", ".join(_COLOURS),
    )


def _planes(path: Path, kind: str) -> np.ndarray:
    """(channel, row, column) as float64."""
    try:
        if kind == "picture":
            with open_picture(path) as image:
                grey = image.mode in ("L", "I;16", "I", "1", "LA") or image.mode.startswith("I;16")
                array = np.asarray(
                    image.convert("L")
                    if image.mode == "LA"
                    else image
                    if grey
                    else image.convert("RGB")
                )
            axes = "YX" if array.ndim == 2 else "YXS"
        else:
            import tifffile

            with tifffile.TiffFile(path) as tif:
                array, axes = tif.series[0].asarray(), tif.series[0].axes
    except Exception as error:  # every decoder has its own exceptions
        raise SpecimenError(f"{path.name}: pixels cannot be read ({error})") from error
    if array.dtype.kind not in "ub":
        raise SpecimenError(f"{path.name}: pixels of type {array.dtype}; whole numbers are read")
    keep = [i for i, a in enumerate(axes) if array.shape[i] > 1 or a in "YX"]
    array = array.reshape([array.shape[i] for i in keep])
    axes = "".join(axes[i] for i in keep)
    rest = [i for i, a in enumerate(axes) if a not in "YX"]
    if len(rest) > 1 or (rest and axes[rest[0]] not in "CSQI"):
        raise SpecimenError(f"{path.name}: has axes {axes}; one plane of each channel is read")
    array = array.transpose([*rest, axes.index("Y"), axes.index("X")]).astype(np.float64)
    return array if rest else array[None]
