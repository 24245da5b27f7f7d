"""Sections painted with polygons and ellipses: strands, spindle nuclei, brown vessels, glass; and what spoils them.

Every layer is a picture of how strongly one dye covers a pixel; light goes through the layers one after another. Artefacts are
painted in colours of light, as they look, and not in densities.
"""

import io

import numpy as np
from PIL import Image
from scipy import ndimage
from skimage.draw import disk, ellipse, line, polygon

PIXEL_UM = 0.5
SIZE = 600
# Share of red, green and blue light that one layer of each dye lets through.
DYES = {
    "blue": (0.27, 0.29, 0.55),
    "brown": (0.50, 0.26, 0.14),
    "pink": (0.86, 0.50, 0.62),
}


def strands(rng, size=SIZE):
    """Uneven ground, .5 to 1.5, running one way."""
    waves = ndimage.gaussian_filter(rng.standard_normal((size, size)), (3, 14), mode="wrap")
    return np.clip(1 + 0.25 * waves / waves.std(), 0.5, 1.5)


def spindles(rng, n=420, size=SIZE):
    cover = np.zeros((size, size))
    for _ in range(n):
        r, c = rng.uniform(0, size, 2)
        long, short = rng.uniform(7, 11), rng.uniform(3.5, 5)
        at = ellipse(r, c, short, long, (size, size), rotation=rng.normal(0, 0.3))
        cover[at] = np.maximum(cover[at], rng.uniform(0.6, 1.0))
    return cover


def outline(rng, r, c, radius, corners=24):
    """Corners of a lopsided closed curve."""
    angle = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    wobble = 1 + 0.12 * np.sin(2 * angle + rng.uniform(0, 6)) + 0.06 * np.sin(3 * angle)
    return r + radius * wobble * np.sin(angle), c + 1.3 * radius * wobble * np.cos(angle)


def vessels(rng, n=24, size=SIZE):
    """Walls (stain), lumens and how many: on a jittered lattice, so that none touch and the border cuts none."""
    wall, lumen = np.zeros((size, size)), np.zeros((size, size), bool)
    side = int(np.ceil(np.sqrt(n)))
    pitch = size / side
    for k in range(n):
        r = (k // side + 0.5 + rng.uniform(-0.1, 0.1)) * pitch
        c = (k % side + 0.5 + rng.uniform(-0.1, 0.1)) * pitch
        radius = rng.uniform(9, 19)
        rows, columns = outline(rng, r, c, radius)
        outer = polygon(rows, columns, wall.shape)
        thin = 1 - 5 / radius
        inner = polygon(r + (rows - r) * thin, c + (columns - c) * thin, wall.shape)
        wall[outer] = rng.uniform(0.8, 1.1)
        wall[inner], lumen[inner] = 0, True
    return wall, lumen


def through(white, **layers):
    """Light (height, width, 3) after all layers."""
    light = np.ones((SIZE, SIZE, 3)) * np.asarray(white, float)
    for dye, cover in layers.items():
        light *= np.power(np.asarray(DYES[dye]), cover[..., None])
    return light


def section(seed=1, n=24, white=(238, 237, 235), strength=1.0, glass=0, haze=0.0):
    """Light of an H-DAB section with `n` vessels; `glass` pixels at its right are bare."""
    rng = np.random.default_rng(seed)
    ground, nuclei = strands(rng), spindles(rng)
    wall, lumen = vessels(rng, n)
    ground, nuclei = ground * ~lumen, nuclei * ~lumen * (wall == 0)
    bare = np.arange(SIZE) >= SIZE - glass
    for layer in (ground, nuclei, wall):
        layer[:, bare] = 0
    blue = 0.16 * ground + 0.55 * nuclei
    brown = (0.05 + haze) * ground + strength * wall
    brown[:, bare] = 0
    return through(white, blue=blue, brown=brown)


def eosin_section(seed=1, white=(238, 237, 235)):
    rng = np.random.default_rng(seed)
    return through(white, blue=0.05 * strands(rng) + 0.6 * spindles(rng), pink=0.8 * strands(rng))


def seen(light, seed=0, blur=0.8, noise=1.5, quality=0):
    """Pixels of a camera: blurred (pixels), noisy, 8 bits, as JPEG where a quality is given."""
    rng = np.random.default_rng(seed)
    image = ndimage.gaussian_filter(light, (blur, blur, 0))
    image = image + rng.normal(0, noise, image.shape)
    rgb = np.clip(np.round(image), 0, 255).astype(np.uint8)
    if not quality:
        return rgb
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


def scattered(seed, n, size=SIZE):
    return np.random.default_rng(seed).uniform(20, size - 20, (n, 2))


def with_red_cells(light, n=41, seed=5, colour=(196, 84, 66)):
    """Discs of 6.5 µm, paler in the middle."""
    out = light.copy()
    for r, c in scattered(seed, n):
        at = disk((r, c), 6.5, shape=out.shape[:2])
        out[at] = colour
        out[disk((r, c), 2.5, shape=out.shape[:2])] = np.add(colour, 18)
    return out


def with_grains(light, n=106, seed=6):
    """Black grains of 3 to 6 µm."""
    out = light.copy()
    radius = np.random.default_rng(seed).uniform(3, 6, n)
    for (r, c), size in zip(scattered(seed, n), radius, strict=True):
        out[disk((r, c), size, shape=out.shape[:2])] = (14, 12, 11)
    return out


def with_vignette(light, share):
    """Corners darker than the middle by a share, in all colours alike."""
    y, x = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    return light * (1 - share * (x**2 + y**2) / 2)[..., None]


def with_slope(light, share):
    """Darker from left to right by a share."""
    return light * np.linspace(1, 1 - share, SIZE)[None, :, None]


def with_bar(rgb, colour=(0, 0, 0), thick=6, quality=0):
    """A scale bar of 80 µm drawn into the pixels, as software of microscopes does."""
    out = rgb.copy()
    out[SIZE - 40 : SIZE - 40 + thick, SIZE - 200 : SIZE - 40] = colour
    if not quality:
        return out
    file = io.BytesIO()
    Image.fromarray(out).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


def with_pen(light, ink=(30, 60, 190), width=18):
    """A stroke across the section that dims what is below it."""
    out, mark = light.copy(), np.zeros(light.shape[:2], bool)
    mark[line(60, 20, SIZE - 90, SIZE - 30)] = True
    mark = ndimage.binary_dilation(mark, iterations=width // 2)
    out[mark] *= np.asarray(ink) / 255
    return out


def with_fold(light, width=60, white=(238, 237, 235)):
    """A band where the section lies double: light goes through the tissue of two places."""
    y, x = np.mgrid[:SIZE, :SIZE]
    band = np.abs((x - 300) - 0.4 * (y - 300)) < width / 2
    below = np.roll(light, (37, 91), (0, 1)) / white
    return np.where(band[..., None], light * below, light)


def with_bubble(light, radius=110, at=(300, 330), rim=6):
    """A dark ring, and what is in it a little dimmer."""
    y, x = np.mgrid[:SIZE, :SIZE]
    far = np.hypot(y - at[0], x - at[1])[..., None]
    return np.where(
        np.abs(far - radius) < rim / 2, 0.35 * light, np.where(far < radius, 0.97 * light, light)
    )


def with_coverslip(light, rim=5):
    """A straight dark line across the section, and beyond it less light."""
    y, x = np.mgrid[:SIZE, :SIZE]
    beyond = ((x - 330) - 0.3 * (y - 300))[..., None]
    return np.where(
        np.abs(beyond) < rim / 2, 0.45 * light, np.where(beyond > 0, 0.93 * light, light)
    )


def with_brown(light, n, radius, cover, seed=7):
    """Brown discs: small dark ones are precipitate, larger pale ones cells."""
    rng, brown = np.random.default_rng(seed), np.zeros(light.shape[:2])
    for r, c in rng.uniform(15, SIZE - 15, (n, 2)):
        brown[disk((r, c), rng.uniform(*radius), shape=brown.shape)] = cover
    return light * np.power(np.asarray(DYES["brown"]), brown[..., None])


def with_gaps(seed=1, n=24, gap_um=9.0, white=(238, 237, 235)):
    """A section whose vessels' walls are interrupted twice."""
    rng = np.random.default_rng(seed)
    ground, nuclei = strands(rng), spindles(rng)
    wall, lumen = vessels(rng, n)
    side = int(np.ceil(np.sqrt(n)))
    pitch = SIZE / side
    y, x = np.mgrid[:SIZE, :SIZE]
    own = (y // pitch).astype(int) * side + (x // pitch).astype(int)
    middle_y, middle_x = (own // side + 0.5) * pitch, (own % side + 0.5) * pitch
    turn = rng.uniform(0, np.pi, side**2)[own]
    beside = np.abs((y - middle_y) * np.cos(turn) - (x - middle_x) * np.sin(turn)) * PIXEL_UM
    wall[beside < gap_um / 2] = 0
    nuclei = nuclei * ~lumen * (wall == 0)
    return through(white, blue=0.16 * ground * ~lumen + 0.55 * nuclei, brown=0.05 * ground + wall)
