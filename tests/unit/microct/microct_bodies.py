"""Bodies and random fields that tests of morphometry share."""

import numpy as np

SHAPE = (41, 50, 45)  # of the bone and the VOI in conftest.py


def grid(shape):
    """Places along z, y and x that broadcast."""
    return np.ogrid[tuple(map(slice, shape))]


def ball(radius, margin=8, offset=0.5):
    """A sphere whose middle lies between voxels, or on one (offset 0)."""
    axis = (np.arange(-radius - margin, radius + margin + (offset == 0)) + offset) ** 2
    return axis[:, None, None] + axis[:, None] + axis <= radius**2


def layered_rod(edge):
    """A metal rod of 11 x 11 voxels along z in layers: 4 voxels of bone, 6 of marrow."""
    grey = np.zeros((60, edge, edge), np.uint16)
    grey[np.arange(60) % 10 < 4] = 200
    middle = slice(edge // 2 - 5, edge // 2 + 6)
    grey[5:55, middle, middle] = 3000
    return grey


def random_values(shape=(128, 128, 128), wavelength=24.0, seed=12345, stretch=1.0):
    """Band-passed white noise of the specification, drawn out along z; periodic."""
    noise = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
    z, y, x = (
        np.fft.fftfreq(shape[0]) * stretch,
        np.fft.fftfreq(shape[1]),
        np.fft.rfftfreq(shape[2]),
    )
    k = np.sqrt(z[:, None, None] ** 2 + y[:, None] ** 2 + x**2)
    band = np.exp(-0.5 * ((k - 1 / wavelength) / (0.25 / wavelength)) ** 2)
    return np.fft.irfftn(np.fft.rfftn(noise) * band, s=shape, axes=(0, 1, 2))


def random_bone(shape=(128, 128, 128), wavelength=24.0, share=0.25, seed=12345, stretch=1.0):
    """Largest values of such a field; G128 and G256 of the specification are `random_bone((n, n, n))`."""
    values = random_values(shape, wavelength, seed, stretch)
    return values > np.quantile(values, 1 - share)


def tube():
    """A cortex of 6 voxels around marrow of radius 20 with rods in it and a pore of radius 2 in the cortex."""
    at = np.indices((30, 70, 70))
    r = np.hypot(at[1] - 35, at[2] - 35)
    bone = (r >= 20) & (r < 26)
    bone |= (r < 20) & (np.abs(at[1] - 35) < 2) & (at[0] % 10 < 4)
    pore = (at[1] - 35) ** 2 + (at[2] - 58) ** 2 <= 4
    return bone & ~pore, r, pore
