"""The network in TensorFlow, for training only: a U-net of 13 layers with running means, which are folded into weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf

WIDTHS = {"e0": 24, "e1": 32, "e2": 48, "e3": 64}
tf.config.threading.set_intra_op_parallelism_threads(2)
tf.config.threading.set_inter_op_parallelism_threads(1)


def shapes(channels: int) -> dict[str, tuple[int, int]]:
    """Channels in and out of every layer."""
    e0, e1, e2, e3 = WIDTHS.values()
    return {
        "e0a": (4 * channels, e0),
        "e0b": (e0, e0),
        "e1a": (e0, e1),
        "e1b": (e1, e1),
        "e2a": (e1, e2),
        "e2b": (e2, e2),
        "e3a": (e2, e3),
        "e3b": (e3, e3),
        "d2": (e3 + e2, e2),
        "d1": (e2 + e1, e1),
        "d0a": (e1 + e0, e0),
        "d0b": (e0, e0),
        "head": (e0, 16),
    }


class Model:
    """Weights, running means, Adam with decoupled decay."""

    def __init__(self, channels: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.w, self.g, self.b, self.mean, self.var = {}, {}, {}, {}, {}
        for name, (n, m) in shapes(channels).items():
            k = 1 if name == "head" else 3
            w = rng.normal(0, np.sqrt(2 / (k * k * n)), (k, k, n, m)).astype(np.float32)
            self.w[name] = tf.Variable(w)
            self.b[name] = tf.Variable(np.zeros(m, np.float32))
            if name != "head":
                self.g[name] = tf.Variable(np.ones(m, np.float32))
                self.mean[name] = tf.Variable(np.zeros(m, np.float32))
                self.var[name] = tf.Variable(np.ones(m, np.float32))
        self.variables = [*self.w.values(), *self.g.values(), *self.b.values()]
        self.first = [tf.Variable(tf.zeros_like(v)) for v in self.variables]
        self.second = [tf.Variable(tf.zeros_like(v)) for v in self.variables]
        self.n = tf.Variable(0.0)
        self._step = tf.function(self._train, reduce_retracing=True)

    def size(self) -> int:
        return int(sum(np.prod(v.shape) for v in (*self.w.values(), *self.b.values())))

    def _layer(self, name: str, x: tf.Tensor) -> tf.Tensor:
        y = tf.nn.conv2d(x, self.w[name], 1, "SAME")
        y, mean, var = tf.compat.v1.nn.fused_batch_norm(
            y, self.g[name], self.b[name], epsilon=1e-3, is_training=True
        )
        self.mean[name].assign(0.99 * self.mean[name] + 0.01 * mean)
        self.var[name].assign(0.99 * self.var[name] + 0.01 * var)
        return tf.nn.relu(y)

    def forward(self, x: tf.Tensor) -> tf.Tensor:
        kept = []
        x = tf.nn.space_to_depth(x, 2)
        for depth in range(4):
            if depth:
                x = tf.nn.max_pool2d(x, 2, 2, "VALID")
            x = self._layer(f"e{depth}b", self._layer(f"e{depth}a", x))
            kept.append(x)
        for name, k in (("d2", 2), ("d1", 1), ("d0a", 0)):
            x = tf.repeat(tf.repeat(x, 2, axis=1), 2, axis=2)
            x = self._layer(name, tf.concat([x, kept[k]], axis=-1))
        x = self._layer("d0b", x)
        x = tf.nn.conv2d(x, self.w["head"], 1, "SAME") + self.b["head"]
        return tf.nn.depth_to_space(x, 2)

    def _train(self, x: tf.Tensor, y: tf.Tensor, rate: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            found = self.forward(x)
            inside, weight = y[..., 0], y[..., 4]
            cross = tf.nn.sigmoid_cross_entropy_with_logits(inside, found[..., 0]) * weight
            chance = tf.sigmoid(found[..., 0])
            overlap = (2 * tf.reduce_sum(chance * inside) + 1) / (
                tf.reduce_sum(chance) + tf.reduce_sum(inside) + 1
            )
            area = tf.reduce_sum(inside) + 1
            depth = tf.reduce_sum(tf.abs(found[..., 1] - y[..., 1]) * inside) / area
            away = tf.abs(found[..., 2:4] - y[..., 2:4]) * (inside * weight)[..., None]
            middle = tf.reduce_sum(away) / area
            parts = tf.stack([tf.reduce_mean(cross), 1 - overlap, depth, middle])
            loss = tf.reduce_sum(parts * [1.0, 0.5, 0.5, 0.5])
        gradients = tape.gradient(loss, self.variables)
        gradients, _ = tf.clip_by_global_norm(gradients, 5.0)
        self.n.assign_add(1.0)
        for v, d, m, s in zip(self.variables, gradients, self.first, self.second, strict=True):
            m.assign(0.9 * m + 0.1 * d)
            s.assign(0.99 * s + 0.01 * d * d)
            move = (m / (1 - 0.9**self.n)) / (tf.sqrt(s / (1 - 0.99**self.n)) + 1e-6)
            decay = 0.01 * v if len(v.shape) == 4 else 0.0
            v.assign_sub(rate * (move + decay))
        return parts

    def step(self, x: np.ndarray, y: np.ndarray, rate: float) -> np.ndarray:
        return self._step(tf.constant(x), tf.constant(y), tf.constant(rate, tf.float32)).numpy()

    def save(self, path: Path, diameter_px: float) -> None:
        """Float16, running means folded in; written by numpy without pickled objects."""
        out = {"diameter_px": np.float32(diameter_px)}
        for name in self.w:
            w, b = self.w[name].numpy(), self.b[name].numpy()
            if name in self.g:
                scale = self.g[name].numpy() / np.sqrt(self.var[name].numpy() + 1e-3)
                w, b = w * scale, b - self.mean[name].numpy() * scale
            out[f"{name}.w"], out[f"{name}.b"] = w.astype(np.float16), b.astype(np.float16)
        np.savez(path, **out)
