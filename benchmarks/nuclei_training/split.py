"""Which images train, which choose, which are reported: by groups of images that show the same place.

Run: `python benchmarks/nuclei_training/split.py DATA > tests/peers/nuclei_split.tsv`, with the folder of the development
data. Two images are of one group where one, shifted, shows what the other shows (correlation of fine detail at least 0.6
over at least a quarter of the picture). Images of a reported one's group are left out. Of the other groups every tenth
chooses (validation).
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.fft import irfft2, rfft2
from scipy.ndimage import gaussian_filter

LEAST_ALIKE, LEAST_SHARE = 0.6, 0.25


def alike(pictures: list[np.ndarray]) -> list[tuple[int, int]]:
    """Pairs that show the same place; all of one shape."""
    rows, columns = pictures[0].shape
    double = (2 * rows, 2 * columns)

    def turned(x):
        return rfft2(x, double)

    ones = turned(np.ones((rows, columns)))
    shared = irfft2(ones * ones.conj(), double)
    enough = shared > LEAST_SHARE * rows * columns
    fine = [p - gaussian_filter(p, 3) for p in pictures]
    spread = [max(float(np.std(p)), 1e-6) for p in fine]
    fine = [np.clip(p / s, -4, 4) for p, s in zip(fine, spread, strict=True)]
    waves = [turned(p) for p in fine]
    energy = [turned(p * p) for p in fine]
    pairs = []
    for i in range(len(fine)):
        first = irfft2(energy[i] * ones.conj(), double)
        for j in range(i + 1, len(fine)):
            both = irfft2(waves[i] * waves[j].conj(), double)
            # The common energies only where the sum is large enough to matter.
            if (both[enough] / shared[enough]).max() < 0.3:
                continue
            second = irfft2(ones * energy[j].conj(), double)
            like = both / np.sqrt(np.maximum(first * second, 1))
            if like[enough].max() >= LEAST_ALIKE:
                pairs.append((i, j))
    return pairs


def groups(paths: dict[str, Path]) -> dict[str, str]:
    """Name of the group (its first image) by image."""
    of = {}
    by_shape = defaultdict(list)
    for name, path in sorted(paths.items()):
        picture = np.asarray(Image.open(path).convert("L")).astype(np.float32)
        step = 2 if picture.shape[0] > 400 else 1
        by_shape[picture.shape].append((name, picture[::step, ::step]))
    for held in by_shape.values():
        names = [n for n, _ in held]
        of |= {n: n for n in names}
        for i, j in alike([p for _, p in held]):
            old, new = sorted((of[names[i]], of[names[j]]), reverse=True)
            of |= {n: new for n, g in of.items() if g == old}
    return of


def main() -> None:
    data = Path(sys.argv[1]) / "histology"
    print("kind\tname\tgroup\tpart")
    for kind in ("he", "fluo"):
        reported = {p.stem.split("_")[0]: p for p in (data / f"dsb2018_{kind}").glob("*.png")}
        other = {p.stem: p for p in (data / "dsb2018_train" / kind).glob("*.png")}
        of = groups(other | reported)
        near = {of[n] for n in reported}
        free = sorted({g for g in of.values() if g not in near})
        for name in sorted(of):
            part = "train" if of[name] not in free[::10] else "validation"
            if of[name] in near:
                part = "report" if name in reported else "left out"
            print(kind, name, of[name], part, sep="\t")


if __name__ == "__main__":
    main()
