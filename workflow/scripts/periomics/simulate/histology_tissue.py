"""The tissue around a simulated implant: layout, where objects lie, and how they are painted as stain amounts.

Coordinates are µm, x to the right and y down; pixel (0, 0) covers 0 to one pixel.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.spatial import cKDTree
from shapely.geometry import LineString, Polygon

from periomics.core.errors import PeriomicsError


@dataclass
class Canvas:
    """Stain amounts on a grid, float32 (height, width) each; `paint` blends, so that what lies above hides what is below."""

    shape: tuple[int, int]
    pixel_um: float
    amounts: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("haematoxylin", "DAB", "eosin", "black"):
            self.amounts.setdefault(name, np.zeros(self.shape, np.float32))

    def paint(self, cover: np.ndarray, box: tuple[slice, slice], **amounts: float) -> None:
        """Blend amounts into a box by a cover of 0 to 1; stains that are not named stay."""
        for name, value in amounts.items():
            part = self.amounts[name][box]
            part += cover * (np.float32(value) - part)

    def grid(self, box: tuple[slice, slice] | None = None) -> tuple[np.ndarray, np.ndarray]:
        """x (1, n) and y (n, 1) in µm of pixel centres, float32."""
        rows, columns = box or (slice(0, self.shape[0]), slice(0, self.shape[1]))
        x = (
            np.arange(columns.start, columns.stop, dtype=np.float32) + np.float32(0.5)
        ) * np.float32(self.pixel_um)
        y = (np.arange(rows.start, rows.stop, dtype=np.float32) + np.float32(0.5)) * np.float32(
            self.pixel_um
        )
        return x[None, :], y[:, None]

    def box(self, x: float, y: float, radius: float) -> tuple[slice, slice] | None:
        """Pixels around a point, or None if they lie outside."""
        reach = radius + 2 * self.pixel_um
        edges = []
        for centre, size in ((y, self.shape[0]), (x, self.shape[1])):
            low = max(0, int((centre - reach) / self.pixel_um))
            high = min(size, int((centre + reach) / self.pixel_um) + 1)
            if low >= high:
                return None
            edges.append(slice(low, high))
        return edges[0], edges[1]

    def ellipse(
        self, x: float, y: float, a: float, b: float, angle: float, **amounts: float
    ) -> None:
        """Paint a filled ellipse with a soft edge of one pixel."""
        box = self.box(x, y, max(a, b))
        if box is not None:
            self.paint(self.cover(box, x, y, a, b, angle), box, **amounts)

    def cover(
        self, box: tuple[slice, slice], x: float, y: float, a: float, b: float, angle: float
    ) -> np.ndarray:
        """Share of each pixel that an ellipse covers (to first order)."""
        gx, gy = self.grid(box)
        dx, dy = gx - np.float32(x), gy - np.float32(y)
        cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        u, v = (dx * cosine + dy * sine) / np.float32(a), (dy * cosine - dx * sine) / np.float32(b)
        rho2 = u * u + v * v
        # Distance to the edge, to first order: (1 - f) / |grad f| with f = u² + v².
        slope = 2 * np.sqrt((u / np.float32(a)) ** 2 + (v / np.float32(b)) ** 2) + np.float32(1e-6)
        return np.clip(0.5 + (1 - rho2) / (slope * np.float32(self.pixel_um)), 0, 1)


@dataclass(frozen=True)
class Layout:
    """Where things lie: `implant` and `glass` polygons, the implant's edge from margin to apex, the size in µm."""

    size: tuple[float, float]
    implant: Polygon
    glass: Polygon
    edge: LineString

    def right_of_implant(self, gap: float, beyond: float = 0.0) -> Polygon:
        """Tissue from `gap` off the implant to `beyond` outside the frame, below the glass."""
        width, height = self.size
        frame = Polygon(
            [(0, 0), (width + beyond, 0), (width + beyond, height + beyond), (0, height + beyond)]
        )
        grown = (
            self.implant
            if beyond == 0
            else self.implant.union(_below(self.implant, height, beyond))
        )
        return frame.difference(grown.buffer(gap)).difference(self.glass.buffer(gap))


def _below(implant: Polygon, height: float, beyond: float) -> Polygon:
    reach = max(x for x, y in implant.exterior.coords if y > height - 1)
    return Polygon(
        [(0, height - 1), (reach, height - 1), (reach, height + beyond), (0, height + beyond)]
    )


def draw_layout(size: tuple[float, float], rng: np.random.Generator) -> Layout:
    """An implant with a thread at the left, glass at the top, tissue elsewhere."""
    width, height = size
    y = np.linspace(0, height, max(20, int(height / 2)))
    phase, period = rng.uniform(0, 2 * np.pi), max(height / 2.5, 60.0)
    edge = width * 0.13 + min(0.03 * width, 12.0) * np.sin(2 * np.pi * y / period + phase)
    implant = Polygon([(0, 0), *zip(edge, y, strict=True), (0, height)])
    x = np.linspace(0, width, 40)
    surface = height * 0.07 + min(4.0, 0.01 * height) * np.sin(
        2 * np.pi * x / (width / 1.5) + rng.uniform(0, 6.28)
    )
    glass = Polygon([(0, 0), (width, 0), *zip(x[::-1], surface[::-1], strict=True)]).difference(
        implant
    )
    top = float(np.interp(edge[0], x, surface))
    keep = (y >= top) & (y <= 0.93 * height)
    return Layout(size, implant, glass, LineString(np.column_stack([edge, y])[keep]))


def scatter(
    region: Polygon,
    n: int,
    radii: np.ndarray,
    gap: float,
    rng: np.random.Generator,
    clustered: float = 0.0,
    avoid: tuple[np.ndarray, np.ndarray] | None = None,
) -> np.ndarray:
    """Place n discs (centres inside a region) so that no two come closer than `gap`; x, y (n, 2).

    A share `clustered` of them lies around parents (as in a Thomas process with 50 µm spread), the rest uniformly; both
    are thinned to the hard core by trying again.

    Raises
    ------
    PeriomicsError
        If they do not fit: nothing is left out silently.
    """
    from shapely import contains_xy, prepare

    prepare(region)
    x0, y0, x1, y1 = region.bounds
    parents = rng.uniform((x0, y0), (x1, y1), (max(1, n // 8 + 1), 2))
    points = np.empty((n, 2))
    placed = 0
    fixed_points, fixed_radii = avoid or (np.empty((0, 2)), np.empty(0))
    tree = cKDTree(fixed_points) if len(fixed_points) else None
    for _ in range(400 * n + 400):
        if placed == n:
            return points
        if rng.random() < clustered:
            point = parents[rng.integers(len(parents))] + rng.normal(0, 50.0, 2)
        else:
            point = rng.uniform((x0, y0), (x1, y1))
        if not contains_xy(region, point[0], point[1]):
            continue
        d = points[:placed] - point
        if ((d * d).sum(axis=1) < (radii[:placed] + radii[placed] + gap) ** 2).any():
            continue
        if tree is not None:
            near = tree.query_ball_point(point, radii[placed] + gap + fixed_radii.max())
            if any(
                np.hypot(*(fixed_points[k] - point)) < fixed_radii[k] + radii[placed] + gap
                for k in near
            ):
                continue
        points[placed] = point
        placed += 1
    if placed == n:
        return points
    raise PeriomicsError(
        f"{n} objects do not fit into {region.area:.0f} µm²: the simulated density is too high"
    )


def round_at_random(expected: float, rng: np.random.Generator) -> int:
    """An integer whose mean is `expected`: systematic rather than Poisson, so that animals differ more than fields."""
    return int(np.floor(expected + rng.random()))


def background_nuclei(
    canvas: Canvas,
    region: Polygon,
    per_mm2: float,
    avoid: tuple[np.ndarray, np.ndarray],
    rng: np.random.Generator,
) -> int:
    """Paint haematoxylin nuclei of stroma cells, a hard core apart from each other and from what must stay free."""
    from shapely import contains_xy

    x0, y0, x1, y1 = region.bounds
    n = round_at_random(per_mm2 * (x1 - x0) * (y1 - y0) * 1e-6, rng)
    points = rng.uniform((x0, y0), (x1, y1), (n, 2))
    points = points[contains_xy(region, points[:, 0], points[:, 1])]
    free = np.ones(len(points), bool)
    if len(avoid[0]) and len(points):
        tree = cKDTree(avoid[0])
        for k, near in enumerate(tree.query_ball_point(points, avoid[1].max() + 6.0)):
            free[k] = all(np.hypot(*(avoid[0][i] - points[k])) > avoid[1][i] + 5.0 for i in near)
    if len(points):
        for i, j in cKDTree(points).query_pairs(8.0, output_type="ndarray"):
            free[j] &= not free[i]
    for x, y in points[free]:
        a = rng.uniform(3.0, 5.5)
        b = a * rng.uniform(0.45, 0.9)
        canvas.ellipse(
            x, y, a, b, rng.uniform(0, np.pi), haematoxylin=float(np.exp(rng.normal(-0.6, 0.2)))
        )
    return int(free.sum())
