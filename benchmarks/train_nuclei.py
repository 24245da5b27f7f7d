"""Trains a nucleus network from scratch and writes its weights as the library reads them.

Run (in an environment of benchmarks/nuclei_training/requirements.txt):
`python benchmarks/train_nuclei.py brightfield DATA out.npz --steps 2500` or `fluorescence`. The images and their parts stand
in tests/peers/nuclei_split.tsv: reported images and those that show the same place are never opened.
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from nuclei_training import pictures

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
SPLIT = Path(__file__).resolve().parents[1] / "tests" / "peers" / "nuclei_split.tsv"
BATCH = 16
HELD: list[pictures.Held] = []


def images(data: Path, kinds: tuple[str, ...], part: str) -> list[pictures.Held]:
    with SPLIT.open(encoding="utf-8") as lines:
        rows = [r for r in csv.DictReader(lines, delimiter="\t") if r["part"] == part]
    folder = data / "histology" / "dsb2018_train"
    return [pictures.read(folder, r["kind"], r["name"]) for r in rows if r["kind"] in kinds]


def start(data: Path, kind: str) -> None:
    HELD.extend(images(data, ("fluo",) if kind == "fluorescence" else ("he", "fluo"), "train"))


def batch(kind: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A batch by its number: the same wherever and whenever it is made."""
    rng = np.random.default_rng(seed)
    sources = {k: [h for h in HELD if h.kind == k] for k in ("he", "fluo")}
    xs, ys = [], []
    for _ in range(BATCH):
        view = "light"
        if kind == "brightfield":
            view = str(rng.choice(["colours", "dab he", "dab fluo"], p=[0.4, 0.34, 0.26]))
        source = sources["fluo" if view in ("light", "dab fluo") else "he"]
        held = source[rng.integers(len(source))]
        picture, labels = pictures.patch(held, rng)
        if view == "light":
            x = pictures.shaken_light(picture, rng)
        elif view == "colours":
            x = pictures.shaken_colours(picture, rng)
        else:
            x = pictures.painted_dab(picture, labels, held.kind, rng)
        xs.append(x.astype(np.float32))
        ys.append(pictures.targets(labels))
    return np.stack(xs), np.stack(ys)


def rate(step: int, steps: int) -> float:
    """Of learning: up over 100 steps, then down along a cosine."""
    slower = 0.5 + 0.5 * np.cos(np.pi * step / steps)
    return 3e-3 * min(1, (step + 1) / 100) * slower + 2e-5


def train(kind: str, data: Path, out: Path, steps: int, seed: int) -> None:
    from nuclei_training.model import Model

    channels = 2 if kind == "fluorescence" else 3
    model = Model(channels, seed)
    began, losses = time.time(), []
    with ProcessPoolExecutor(1, initializer=start, initargs=(data, kind)) as pool:
        ahead = [pool.submit(batch, kind, seed * 1_000_000 + k) for k in range(6)]
        for k in range(steps // 2):
            x, y = ahead.pop(0).result()
            ahead.append(pool.submit(batch, kind, seed * 1_000_000 + k + 6))
            losses.append(model.step(x, y, rate(2 * k, steps)))
            # Once more with rows and columns exchanged, which costs no drawing.
            x, y = np.swapaxes(x, 1, 2), np.swapaxes(y, 1, 2)[..., [0, 1, 3, 2, 4]]
            losses.append(model.step(x, y, rate(2 * k + 1, steps)))
            if (k + 1) % 50 == 0:
                print(2 * k + 2, np.mean(losses[-100:], axis=0).round(4), flush=True)
            if (k + 1) % 250 == 0 or k + 1 == steps // 2:
                model.save(out, pictures.DIAMETER)
        for future in ahead:
            future.cancel()
    print(f"{steps} steps, {(time.time() - began) / 60:.1f} minutes, {model.size()} parameters")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=["brightfield", "fluorescence"])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    train(given.kind, given.data, given.out, given.steps, given.seed)


if __name__ == "__main__":
    main()
