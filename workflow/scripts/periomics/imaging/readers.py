"""Reading images with a known pixel size: TIFF, OME-TIFF, PNG, JPEG and slides of the TIFF and OpenSlide families."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from periomics.core.errors import InputError, SpecimenError

SLIDES = (".svs", ".ndpi", ".mrxs", ".scn", ".vms", ".vmu", ".bif", ".dcm")
TIFFS = (".tif", ".tiff")
PICTURES = (".png", ".jpg", ".jpeg", ".bmp")
SUFFIXES = (*TIFFS, *PICTURES, *SLIDES)
# A resolution tag above this is a display's or a printer's (72 to 2,400 dots an inch are 353 to 10.6 µm), not a microscope's.
DISPLAY_UM = 10.5
# A coarsest level of more pixels is not read for what its glass looks like: white stands for it.
MOST_GLASS = 64_000_000
# What a TIFF calls transparency among its extra samples: associated, or not; 0 may be anything.
ALPHA = {1, 2}
# File and sheet, or x and y, may differ by rounding, not by more.
AGREE = 0.01
_TO_UM = {
    "m": 1e6,
    "cm": 1e4,
    "mm": 1e3,
    "µm": 1.0,
    "μm": 1.0,
    "um": 1.0,
    "micron": 1.0,
    "nm": 1e-3,
}


@dataclass(frozen=True)
class ImageInfo:
    """What a header says: `levels` are (downsample, width, height), finest first; `pixel_um` is None if not stated.

    `colour` is rgb, grey or channels (planes that are no colours, such as those of fluorescence, `channels` of them with
    their `names` where stated); `dtype` the type of a number; `pages` how many pictures a TIFF
    holds beside each other; `transparent` whether a fourth plane beside colours is their
    transparency: a TIFF says so.
    """

    path: Path
    kind: str
    width: int
    height: int
    pixel_um: float | None
    levels: tuple[tuple[float, int, int], ...]
    colour: str = "rgb"
    channels: int = 3
    names: tuple[str, ...] = ()
    dtype: str = "uint8"
    pages: int = 1
    transparent: bool = True


def probe(path: str | os.PathLike[str]) -> ImageInfo:
    """Read size, pixel size and pyramid levels from an image's header; no pixels are decoded.

    Raises
    ------
    InputError
        If the file does not exist, has an unknown suffix, or its pixels are not square within 1 %.
    SpecimenError
        If the file cannot be opened as what its suffix says.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(
            "not an image format that is read here",
            file=path,
            value=suffix,
            allowed=", ".join(SUFFIXES),
        )
    if not path.exists():
        raise InputError("image does not exist", file=path)
    reader = (
        _probe_tiff if suffix in TIFFS else _probe_picture if suffix in PICTURES else _probe_slide
    )
    try:
        return reader(path)
    except (InputError, SpecimenError):
        raise
    except Exception as error:  # every decoder has its own exceptions
        raise SpecimenError(f"{path.name}: cannot be opened as an image ({error})") from error


# Regions, and every attempt of a job, ask for the same header again.
probed = lru_cache(maxsize=4096)(probe)


def pixel_size(info: ImageInfo, sheet_um: float | None = None, overrule: bool = False) -> float:
    """The pixel size in µm, from the file or else from the sheet; never guessed. With `overrule` the sheet's stands where both
    state one: the sheet says why the file's is wrong.

    Raises
    ------
    InputError
        If neither states it, if both do and differ by more than 1 %, or if the sheet's is not a positive number.
    """
    stated = None if sheet_um is None or np.isnan(float(sheet_um)) else float(sheet_um)
    if stated is not None and not 0 < stated < np.inf:
        raise InputError(
            "is not a pixel size",
            file=info.path,
            column="pixel_um",
            value=stated,
            allowed="above 0",
        )
    known = stated if info.pixel_um is None else info.pixel_um
    if known is None:
        raise InputError(
            "no pixel size in the file and none in the sheet",
            file=info.path,
            column="pixel_um",
            allowed="µm per pixel",
        )
    if stated is None or info.pixel_um is None:
        return known
    if overrule:
        return stated
    if abs(stated / info.pixel_um - 1) > AGREE:
        raise InputError(
            f"the sheet's pixel size and the file's ({info.pixel_um:.6g} µm) differ by more than 1 %",
            file=info.path,
            column="pixel_um",
            value=stated,
            allowed=f"{info.pixel_um:.6g}, an empty cell, or a pixel_reason why the file is wrong",
        )
    return info.pixel_um


def read_rgb(
    path: str | os.PathLike[str],
    pixel_um_target: float | None = None,
    sheet_pixel_um: float | None = None,
    region: tuple[int, int, int, int] | None = None,
    overrule: bool = False,
) -> tuple[np.ndarray, float]:
    """Read an image, or a region of it, at a declared pixel size.

    The pyramid level just finer than the target is read and averaged by area down to it. An image that is coarser than
    the target (or within 1 % of it) is returned as it is: pixels are never invented.

    Parameters
    ----------
    pixel_um_target
        Wanted µm per pixel; None reads the finest level.
    sheet_pixel_um
        What the sample sheet states.
    region
        x, y, width, height in pixels of the finest level; None is the whole image.
    overrule
        Whether the sheet's pixel size stands against the file's.

    Returns
    -------
    rgb : uint8, (height, width, 3)
    pixel_um : float
        What one returned pixel measures (the geometric mean of x and y, which differ by rounding only).

    Raises
    ------
    InputError, SpecimenError
        See `probe` and `pixel_size`; also for a region outside the image.
    """
    array, pixel_um = _read(path, pixel_um_target, sheet_pixel_um, region, overrule)
    if array.ndim == 2:
        array = np.repeat(array[:, :, None], 3, axis=2)
    return np.ascontiguousarray(array[:, :, :3]), pixel_um


def read_planes(
    path: str | os.PathLike[str],
    channels: Sequence[str | int],
    bits: int | None = None,
    pixel_um_target: float | None = None,
    sheet_pixel_um: float | None = None,
    region: tuple[int, int, int, int] | None = None,
    overrule: bool = False,
) -> tuple[np.ndarray, float, float]:
    """Channels of fluorescence at a declared pixel size, as `read_rgb` reads colours.

    Parameters
    ----------
    channels
        Names as the file states them, or numbers from 1.
    bits
        Of the camera, which a 16-bit file does not tell.

    Returns
    -------
    planes : float32, (height, width, channels)
    pixel_um : what one returned pixel measures
    full : the highest intensity that the bits can hold

    Raises
    ------
    InputError, SpecimenError
        See `read_rgb`; for channels that are not there, bits that are not stated, and intensities beyond them.
    """
    from PIL import Image

    info = probe(path)
    numbers = [channel_number(info, c) for c in channels]
    full = float(2 ** stated_bits(info, bits) - 1)
    source_um = pixel_size(info, sheet_pixel_um, overrule)
    x, y, width, height = region or (0, 0, info.width, info.height)
    ratio = max(1.0, (pixel_um_target or source_um) / source_um)
    ratio = 1.0 if ratio < 1 + AGREE else ratio
    try:
        stack = _stack(info)[y : y + height, x : x + width]
    except Exception as error:  # every decoder has its own exceptions
        raise SpecimenError(f"{info.path.name}: pixels cannot be read ({error})") from error
    if stack.max() > full:
        raise SpecimenError(
            f"{info.path.name}: intensities up to {stack.max()}, beyond {full:.0f} of the stated bits"
        )
    wide, high = max(1, round(width / ratio)), max(1, round(height / ratio))
    planes = [
        np.asarray(
            Image.fromarray(stack[..., n].astype(np.float32)).resize(
                (wide, high), Image.Resampling.BOX
            )
        )
        for n in numbers
    ]
    pixel_um = source_um * float(np.sqrt(width * height / (wide * high)))
    return np.stack(planes, axis=-1), pixel_um, full


def channel_number(info: ImageInfo, channel: str | int) -> int:
    """Place (from 0) of a channel in a file.

    Raises
    ------
    InputError
        If the file has no such channel.
    """
    names = ("red", "green", "blue") if info.colour == "rgb" else info.names
    if isinstance(channel, str):
        found = [k for k, n in enumerate(names) if n.lower() == channel.lower()]
    else:
        found = [channel - 1] * (1 <= channel <= info.channels)
    if len(found) != 1:
        allowed = ", ".join(names) or f"numbers from 1 to {info.channels}"
        message = f"no channel {channel}" if not found else f"{len(found)} channels {channel}"
        raise InputError(f"the picture has {message}", file=info.path, allowed=allowed)
    return found[0]


def stated_bits(info: ImageInfo, bits: int | None) -> int:
    """Bits of the intensities: 8 of an 8-bit file, else what the config says.

    Raises
    ------
    InputError
        If a 16-bit file comes without them.
    """
    if info.dtype == "uint8":
        return 8
    if bits is None:
        message = "a 16-bit file does not tell how many bits the camera has"
        raise InputError(message, file=info.path, column="bits", allowed="10, 12, 14 or 16")
    return bits


def _stack(info: ImageInfo) -> np.ndarray:
    """All channels (height, width, n) of a TIFF or a picture at the finest level, as the file holds them."""
    if info.kind == "picture":
        with open_picture(info.path) as image:
            array = np.asarray(image)
        return array[..., None] if array.ndim == 2 else array
    import tifffile

    with tifffile.TiffFile(info.path) as tif:
        series = tif.series[0].levels[0]
        array, axes = series.asarray(), series.axes
    keep = [i for i, a in enumerate(axes) if array.shape[i] > 1 or a in "YX"]
    array, axes = array.reshape([array.shape[i] for i in keep]), "".join(axes[i] for i in keep)
    others = [i for i, a in enumerate(axes) if a not in "YX"]
    if len(others) > 1:
        raise SpecimenError(f"an image with axes {axes}: channels of one plane are read")
    array = array.transpose([axes.index("Y"), axes.index("X"), *others])
    return array[..., None] if array.ndim == 2 else array


def read_grey(
    path: str | os.PathLike[str],
    pixel_um_target: float | None = None,
    sheet_pixel_um: float | None = None,
    region: tuple[int, int, int, int] | None = None,
) -> tuple[np.ndarray, float]:
    """As `read_rgb`, but one channel: float32 (height, width), 0 to 255; colour is averaged over channels."""
    array, pixel_um = _read(path, pixel_um_target, sheet_pixel_um, region)
    if array.ndim == 3:
        array = array[:, :, :3].mean(axis=2, dtype=np.float32)
    return np.ascontiguousarray(array, dtype=np.float32), pixel_um


def _read(path, target, sheet_um, region, overrule=False):
    info = probe(path)
    source_um = pixel_size(info, sheet_um, overrule)
    x, y, width, height = region or (0, 0, info.width, info.height)
    if (
        x < 0
        or y < 0
        or width < 1
        or height < 1
        or x + width > info.width
        or y + height > info.height
    ):
        raise InputError("region lies outside the image", file=info.path, value=region)
    ratio = max(1.0, (target or source_um) / source_um)
    ratio = 1.0 if ratio < 1 + AGREE else ratio
    level = max(
        (i for i, (down, _, _) in enumerate(info.levels) if down <= ratio * (1 + AGREE)), default=0
    )
    try:
        array = pixels_of(info, level, (x, y, width, height))
    except Exception as error:  # every decoder has its own exceptions
        raise SpecimenError(f"{info.path.name}: pixels cannot be read ({error})") from error
    wide, high = max(1, round(width / ratio)), max(1, round(height / ratio))
    array = resample(opaque(eight_bit(array, info.path), info), wide, high)
    return array, source_um * float(np.sqrt(width * height / (wide * high)))


def pixels_of(info: ImageInfo, level: int, region: tuple[int, int, int, int]) -> np.ndarray:
    """Pixels of a region (finest-level coordinates) at a level."""
    down = info.levels[level][0]
    x, y, width, height = region
    left, top = int(x / down), int(y / down)
    wide, high = max(1, round(width / down)), max(1, round(height / down))
    if info.kind in ("tiffslide", "openslide"):
        with open_slide(info.path, info.kind) as slide:
            return np.asarray(slide.read_region((x, y), level, (wide, high)))
    if info.kind == "picture":
        with open_picture(info.path) as image:
            return np.asarray(_colours(image))[top : top + high, left : left + wide]
    import tifffile

    with tifffile.TiffFile(info.path) as tif:
        series = tif.series[0].levels[level]
        array = _channels_last(series.asarray(), series.axes, _is_rgb(tif.pages[0]))
    return array[top : top + high, left : left + wide]


def open_picture(path: str | os.PathLike[str]):
    """A PNG, JPEG or BMP of any size: what does not fit into memory is told at check, from its
    header, and Pillow would refuse 179 million pixels on any machine."""
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None
    return Image.open(path)


def _colours(image):
    """A picture as it is where its numbers are read, else its colours, with what is transparent."""
    if image.mode in ("L", "RGB", "RGBA", "I;16", "I"):
        return image
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def opaque(array: np.ndarray, info: ImageInfo) -> np.ndarray:
    """Colours (height, width, 3), or grey as it is, where transparent places are as bright as the
    file's own glass: slides hold black there, which would be the darkest of stains."""
    if array.ndim == 2 or array.shape[2] < 4:
        return array
    glass = _glass(info) if info.transparent else None
    if glass is None:
        return array[:, :, :3]
    return np.where(array[:, :, 3:] == 0, np.array(glass, np.uint8), array[:, :, :3])


@lru_cache(maxsize=16)
def _glass(info: ImageInfo) -> tuple[int, ...] | None:
    """Colour of a file where it is opaque and brightest (98th percentile of each channel at its
    coarsest level); None where nothing is opaque: the fourth plane tells something else then."""
    _, width, height = info.levels[-1]
    if width * height > MOST_GLASS:
        return (255, 255, 255)
    everything = (0, 0, info.width, info.height)
    array = eight_bit(pixels_of(info, len(info.levels) - 1, everything), info.path)
    seen = array[array[:, :, 3] > 0][:, :3]
    if not len(seen):
        return None
    return tuple(int(v) for v in np.percentile(seen, 98, axis=0))


def eight_bit(array: np.ndarray, path: Path) -> np.ndarray:
    """8 bits a channel; 16 bits are scaled by their range, everything else is refused."""
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.uint16:
        return (array.astype(np.float32) / 257.0 + 0.5).astype(np.uint8)
    raise SpecimenError(
        f"{path.name}: pixels of type {array.dtype}; 8 or 16 bits a channel are read"
    )


def resample(array: np.ndarray, wide: int, high: int) -> np.ndarray:
    """Area average to a smaller grid."""
    if array.shape[:2] == (high, wide):
        return array
    from PIL import Image

    return np.asarray(Image.fromarray(array).resize((wide, high), Image.Resampling.BOX))


def _channels_last(array: np.ndarray, axes: str, colours: bool = True) -> np.ndarray:
    """(height, width) or (height, width, channel) from a series with its axes' letters.

    Four planes are red, green, blue and transparency only where the file says that they are colours.
    """
    keep = [i for i, a in enumerate(axes) if array.shape[i] > 1 or a in "YX"]
    array, axes = array.reshape([array.shape[i] for i in keep]), "".join(axes[i] for i in keep)
    order = [axes.index("Y"), axes.index("X"), *(i for i, a in enumerate(axes) if a not in "YX")]
    array = array.transpose(order)
    planes = (3, 4) if colours else (3,)
    if array.ndim == 2 or (array.ndim == 3 and array.shape[2] in planes):
        return array
    raise SpecimenError(
        f"an image with axes {axes} and shape {array.shape}: a grey or RGB plane is read"
    )


def _planes(tif) -> dict[str, object]:
    """What the planes of the first series are: colours, one grey, channels, or pages one after the other."""
    page, series = tif.pages[0], tif.series[0]
    beside = [
        (a, n) for a, n in zip(series.axes, series.shape, strict=True) if a not in "YX" and n > 1
    ]
    found: dict[str, object] = {"dtype": str(np.dtype(series.dtype)), "pages": len(tif.pages)}
    if not beside:
        # A palette maps indices to colours that readers of grey do not see.
        return found | {"colour": "grey", "channels": 1}
    (axis, number), *others = beside
    if others or axis not in "CS" or number > 4:
        over_time = len(beside) == 1 and axis not in "CS"
        kind = {"colour": "grey", "channels": 1} if over_time else {"colour": "channels"}
        return found | {"channels": number, "names": _channel_names(tif)} | kind
    if number == 3 or (number == 4 and axis == "S" and _is_rgb(page)):
        alpha = any(int(v) in ALPHA for v in page.extrasamples[:1])
        return found | {"colour": "rgb", "channels": number, "transparent": alpha}
    return found | {"colour": "channels", "channels": number, "names": _channel_names(tif)}


def _is_rgb(page) -> bool:
    """Whether a page says that its samples are colours (RGB, or YCbCr of JPEG)."""
    return int(page.photometric) in (2, 6)


def _channel_names(tif) -> tuple[str, ...]:
    """Names of the channels of an OME-TIFF, in order; none where they are not stated."""
    tags = re.findall(r"<(?:\w+:)?Channel\b[^>]*>", tif.ome_metadata or "")
    names = [re.search(r'\bName="([^"]+)"', tag) for tag in tags]
    return tuple(n[1] for n in names if n)


def _probe_tiff(path: Path) -> ImageInfo:
    import tifffile

    with tifffile.TiffFile(path) as tif:
        series = tif.series[0]
        sizes = [(s.shape[s.axes.index("X")], s.shape[s.axes.index("Y")]) for s in series.levels]
        if tif.is_svs:
            pixel = _aperio_um(tif.pages.first.description)
        elif tif.is_ome:
            pixel = _ome_um(tif.ome_metadata, path)
        else:
            pixel = _tag_um(tif, path)
        planes = _planes(tif)
    return _info(path, "tiff", sizes, pixel, **planes)


def _probe_picture(path: Path) -> ImageInfo:
    with open_picture(path) as image:
        sizes, dpi, mode = [image.size], image.info.get("dpi"), image.mode
    pixel = _square(25400 / dpi[0], 25400 / dpi[1], path) if dpi and min(dpi) > 0 else None
    pixel = None if pixel is None or pixel > DISPLAY_UM else pixel
    grey = mode in ("1", "L", "LA", "I", "F") or mode.startswith("I;16")
    dtype = {"I": "int32", "F": "float32"}.get(mode, "uint16" if "16" in mode else "uint8")
    planes = {"colour": "grey", "channels": 1} if grey else {}
    return _info(path, "picture", sizes, pixel, dtype=dtype, **planes)


def _probe_slide(path: Path) -> ImageInfo:
    kind = "tiffslide"
    try:
        slide = open_slide(path, kind)
    except Exception:  # tiffslide refuses what only OpenSlide reads, each format in its own way
        kind = "openslide"
        slide = open_slide(path, kind)
    with slide:
        mpp = [slide.properties.get(f"{kind}.mpp-{axis}") for axis in "xy"]
        sizes = [(int(width), int(height)) for width, height in slide.level_dimensions]
    pixel = _square(float(mpp[0]), float(mpp[1]), path) if mpp[0] and mpp[1] else None
    return _info(path, kind, sizes, pixel)


def open_slide(path: Path, kind: str):
    if kind == "tiffslide":
        from tiffslide import TiffSlide

        return TiffSlide(path)
    from openslide import OpenSlide

    return OpenSlide(path)


def _info(
    path: Path, kind: str, sizes: list[tuple[int, int]], pixel: float | None, **planes
) -> ImageInfo:
    width, height = sizes[0]
    levels = tuple((float(np.sqrt(width * height / (w * h))), int(w), int(h)) for w, h in sizes)
    return ImageInfo(path, kind, int(width), int(height), pixel, levels, **planes)


def _square(x: float, y: float, path: Path) -> float:
    if abs(x / y - 1) > AGREE:
        raise InputError("pixels are not square", file=path, value=f"{x:.6g} by {y:.6g} µm")
    return float(x)


def _aperio_um(description: str) -> float | None:
    match = re.search(r"\bMPP\s*=\s*([0-9.]+)", description or "")
    return float(match[1]) if match else None


def _ome_um(xml: str | None, path: Path) -> float | None:
    """PhysicalSizeX and Y of the first Pixels element; their unit is µm where the file states none (OME's default)."""
    tag = re.search(r"<(?:\w+:)?Pixels\b[^>]*>", xml or "")
    found: dict[str, str] = (
        dict(re.findall(r'(PhysicalSize[XY](?:Unit)?)="([^"]+)"', tag[0])) if tag else {}
    )
    if "PhysicalSizeX" not in found:
        return None
    values = []
    for axis in "XY":
        unit = found.get(f"PhysicalSize{axis}Unit", "µm").replace("&#181;", "µ")
        if unit not in _TO_UM:
            raise InputError(
                "unit of the pixel size is not known",
                file=path,
                value=unit,
                allowed=", ".join(_TO_UM),
            )
        values.append(
            float(found.get(f"PhysicalSize{axis}", found["PhysicalSizeX"])) * _TO_UM[unit]
        )
    return _square(values[0], values[1], path)


def _tag_um(tif, path: Path) -> float | None:
    """Pixel size of a plain TIFF: ImageJ's unit, or resolution tags that are finer than a display's."""
    tags = tif.pages[0].tags
    x, y = (tags[name].value if name in tags else None for name in ("XResolution", "YResolution"))
    if not x or not y or not x[0] or not y[0]:
        return None
    per_x, per_y = x[0] / x[1], y[0] / y[1]
    unit = str((tif.imagej_metadata or {}).get("unit", "")).replace("\\u00B5", "µ")
    if tif.is_imagej and unit:
        if unit not in _TO_UM:
            return None
        return _square(_TO_UM[unit] / per_x, _TO_UM[unit] / per_y, path)
    length = {2: 25400.0, 3: 10000.0}.get(
        int(tags["ResolutionUnit"].value) if "ResolutionUnit" in tags else 2
    )
    if length is None or length / per_x > DISPLAY_UM:
        return None
    return _square(length / per_x, length / per_y, path)
