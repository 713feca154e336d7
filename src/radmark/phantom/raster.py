"""Outlines to pixels: exact area coverage, smooth curves, and the absorption map they add up on.

Everything here is in pixels: (x, y), x right, y down, (0, 0) the CENTRE of the top-left pixel.
Nothing is drawn by testing pixel centres: the share of each pixel that an outline covers is
integrated along the outline, so a shape sits where its numbers say to a hundredth of a pixel.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.ndimage import gaussian_filter  # pyright: ignore[reportUnknownVariableType]

Points = npt.NDArray[np.float64]  # (N, 2) xy in pixels or (N, 3) xyz in millimetres
Map = npt.NDArray[np.float32]  # (H, W)
Box = tuple[slice, slice]  # rows, columns

_STEPS_PER_SPAN = 10
_LOW_RES_FACTOR = 4  # wide blurs run on a grid this much coarser


def smooth_closed(controls: Points) -> Points:
    """(N, D) control points -> the closed Catmull-Rom curve through all of them; a point given twice is a corner."""
    return _catmull_rom(np.concatenate([controls[-1:], controls, controls[:2]]))


def smooth_open(controls: Points) -> Points:
    """(N, D) control points -> the open Catmull-Rom curve from the first to the last of them."""
    return np.concatenate([_catmull_rom(np.concatenate([controls[:1], controls, controls[-1:]])), controls[-1:]])


def curve_span(controls: slice) -> slice:
    """The part of a smoothed curve that runs between these of its control points."""
    return slice(controls.start * _STEPS_PER_SPAN, (controls.stop - 1) * _STEPS_PER_SPAN + 1)


def _catmull_rom(padded: Points) -> Points:
    t = (np.arange(_STEPS_PER_SPAN) / _STEPS_PER_SPAN)[None, :, None]
    before, start, end, after = (padded[i : len(padded) - 3 + i, None, :] for i in range(4))
    curve = (
        start
        + 0.5 * t * (end - before)
        + t**2 * (before - 2.5 * start + 2 * end - 0.5 * after)
        + t**3 * (1.5 * (start - end) + 0.5 * (after - before))
    )
    return curve.reshape(-1, padded.shape[1])


def circle(centre: npt.ArrayLike, radius: float) -> Points:
    """The outline of a disc, as (96, 2) points; 96 keep the sagitta below 0.0006 radii."""
    return arc(centre, radius, 0.0, 360.0, 97)[:-1]


def arc(centre: npt.ArrayLike, radius: float, start_deg: float, end_deg: float, n: int = 24) -> Points:
    """(n, 2) points of an arc. Angles run from straight up, positive towards +x (clockwise on screen)."""
    angle = np.radians(np.linspace(start_deg, end_deg, n))
    return np.asarray(centre, dtype=np.float64) + radius * np.stack([np.sin(angle), -np.cos(angle)], axis=1)


def ribbon(path: Points, width: npt.ArrayLike) -> Points:
    """The outline of an open (N, 2) path drawn with a pen `width` wide: one number, or (M,) numbers along it."""
    widths = np.atleast_1d(np.asarray(width, dtype=np.float64))
    along = np.linspace(0, 1, len(path))
    half = np.interp(along, np.linspace(0, 1, len(widths)), widths)[:, None] / 2
    tangent = np.gradient(path, axis=0)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)
    return np.concatenate([path + half * normal, (path - half * normal)[::-1]])


def coverage(
    outlines: list[Points], shape: tuple[int, int], pad: int = 2, amounts: list[float] | None = None
) -> tuple[Box, Map] | None:
    """How much of each pixel some closed outlines cover.

    Args:
        outlines: each (N, 2) xy in pixels, closed by itself, in either direction; may leave the grid.
        shape: (H, W) of the grid.
        pad: how many pixels of margin to keep around them.
        amounts: one for each outline, or None for their union.

    Returns:
        The box (rows, columns) that holds them all, and on it (h, w) the coverage of their union from 0 to 1, or
        the sum over the outlines of amount times coverage. None where all of them lie outside the grid.
    """
    height, width = shape
    together = np.concatenate(outlines)
    low = np.floor(together.min(axis=0) + 0.5).astype(int) - pad
    high = np.ceil(together.max(axis=0) + 0.5).astype(int) + pad
    x0, y0 = np.maximum(low, 0).tolist()
    x1, y1 = np.minimum(high, [width, height]).tolist()
    if x0 >= x1 or y0 >= y1:
        return None
    corner = np.array([x0 - 0.5, y0 - 0.5])  # a pixel's own area starts half a pixel before its centre
    pieces = [_short_edges(_wound(outline - corner)) for outline in outlines]
    weight = None if amounts is None else np.repeat(amounts, [piece.shape[1] for piece in pieces])
    area = _signed_area(np.concatenate(pieces, axis=1), weight, y1 - y0, x1 - x0)
    return (slice(y0, y1), slice(x0, x1)), np.clip(area, 0, 1) if amounts is None else area


def _wound(outline: Points) -> Points:
    """The outline in the direction that makes its area positive, so that outlines never cancel each other."""
    (x, y), (x_next, y_next) = outline[:-1].T, outline[1:].T
    twice_area = x @ y_next - y @ x_next + outline[-1, 0] * outline[0, 1] - outline[-1, 1] * outline[0, 0]
    return outline if twice_area < 0 else outline[::-1]


def _short_edges(outline: Points) -> Points:
    """The closed outline cut into edges shorter than a pixel: (4, M), their start x and y and their step in x and y."""
    closed = np.concatenate([outline, outline[:1]])
    x, y = closed[:, 0], closed[:, 1]
    longest = np.maximum(np.abs(x[1:] - x[:-1]), np.abs(y[1:] - y[:-1]))
    pieces = (longest / 0.95).astype(int) + 1
    ends: Points = np.concatenate([[0], np.cumsum(pieces)])
    along = np.arange(int(ends[-1]) + 1)
    fine_x, fine_y = np.interp(along, ends, x), np.interp(along, ends, y)
    return np.stack([fine_x[:-1], fine_y[:-1], fine_x[1:] - fine_x[:-1], fine_y[1:] - fine_y[:-1]])


def _signed_area(edges: Points, weight: Points | None, height: int, width: int) -> Map:
    """Area by Green's theorem: each short edge adds its own to its pixel and to all to the right of it."""
    start_x, start_y, step_x, step_y = edges
    # An edge shorter than a pixel crosses at most one grid line each way: cut it there, in three pieces at most.
    cross_x, cross_y = _crossing(start_x, step_x), _crossing(start_y, step_y)
    cuts = np.zeros((4, edges.shape[1]))
    cuts[1] = np.minimum(cross_x, cross_y)
    cuts[2] = np.maximum(cross_x, cross_y)
    cuts[3] = 1.0
    middle = (cuts[1:] + cuts[:-1]) / 2
    x = np.clip(start_x + middle * step_x, 0, width).ravel()
    y = (start_y + middle * step_y).ravel()
    rise = ((cuts[1:] - cuts[:-1]) * (step_y if weight is None else weight * step_y)).ravel()

    seen = (rise != 0) & (y >= 0) & (y < height)
    x, y, rise = x[seen], y[seen], rise[seen]
    column = np.minimum(x.astype(int), width - 1)
    right_share = rise * (x - column)
    index = y.astype(int) * (width + 1) + column
    total = np.bincount(index, rise - right_share, height * (width + 1))
    total += np.bincount(index + 1, right_share, height * (width + 1))
    return np.cumsum(total.reshape(height, width + 1), axis=1, dtype=np.float32)[:, :-1]


def _crossing(start: Points, step: Points) -> Points:
    """How far along each step, from 0 to 1, it crosses a grid line; 1 where it crosses none."""
    first, last = np.floor(start), np.floor(start + step)
    crosses = first != last
    return np.where(crosses, (np.maximum(first, last) - start) / np.where(crosses, step, 1.0), 1.0).clip(0, 1)


def blur(picture: Map, sigma: float) -> Map:
    """Gaussian blur; wide ones run on a coarser grid, where they cost little and look the same."""
    if sigma < 0.3:
        return picture
    if sigma < _LOW_RES_FACTOR or min(picture.shape) < 4 * _LOW_RES_FACTOR:
        return _gaussian(picture, sigma)
    height, width = picture.shape
    coarse = resize(picture, (-(-height // _LOW_RES_FACTOR), -(-width // _LOW_RES_FACTOR)))
    return resize(_gaussian(coarse, sigma / _LOW_RES_FACTOR), (height, width))


def resize(picture: Map, shape: tuple[int, int]) -> Map:
    """Resample to `shape` (H, W), averaging when it shrinks and interpolating when it grows."""
    image = Image.fromarray(picture).resize((shape[1], shape[0]), Image.Resampling.BILINEAR)
    return np.asarray(image, dtype=np.float32)


def _gaussian(picture: Map, sigma: float) -> Map:
    return cast("Map", gaussian_filter(picture, sigma, mode="nearest", truncate=2.5))


class Canvas:
    """An absorption map to add shapes to. Absorption adds along the ray, so overlapping bones get brighter."""

    def __init__(self, shape: tuple[int, int], px_per_mm: float, texture: Map) -> None:
        """`texture` (larger than H by W) is the trabecular pattern, zero on average with unit spread."""
        self.absorption: Map = np.zeros(shape, dtype=np.float32)
        self.px_per_mm = px_per_mm
        self._texture = texture
        self._bones = 0

    def _grain(self, box: Box) -> Map:
        """The pattern over a box, another part of it for every bone: overlapping bones share no trabeculae."""
        self._bones += 1
        rows, columns = box
        spare = np.array(self._texture.shape) - self.absorption.shape
        y, x = (np.array([self._bones * 37, self._bones * 53]) % (spare + 1)).tolist()
        return self._texture[rows.start + y : rows.stop + y, columns.start + x : columns.stop + x]

    def _cover(self, outlines: list[Points], holes: list[Points], margin_mm: float) -> tuple[Box, Map] | None:
        """The union of some outlines less the union of others, on the box that holds it."""
        height, width = self.absorption.shape
        covered = coverage(outlines, (height, width), 2 + int(margin_mm * self.px_per_mm))
        if covered is None or not holes:
            return covered
        box, mask = covered
        corner = np.array([box[1].start, box[0].start], dtype=np.float64)
        cut = coverage([hole - corner for hole in holes], (mask.shape[0], mask.shape[1]))
        if cut is not None:
            mask[cut[0]] *= 1 - cut[1]
        return covered

    def add(self, outlines: Points | list[Points], amount: float, *, soft_mm: float = 0.0) -> None:
        """Add (or, below zero, take away) an even amount inside the union of outlines, its edge blurred by `soft_mm`."""
        parts = outlines if isinstance(outlines, list) else [outlines]
        covered = self._cover(parts, [], 2.5 * soft_mm)
        if covered is not None:
            box, mask = covered
            self.absorption[box] += amount * blur(mask, soft_mm * self.px_per_mm)

    def add_bone(
        self,
        outlines: Points | list[Points],
        body: float,
        cortex: float,
        *,
        holes: list[Points] | None = None,
        cortex_mm: float = 1.6,
        round_mm: float = 6.0,
        grain: float = 0.10,
    ) -> None:
        """Add a bone: spongy inside, thicker towards the middle, with a bright shell seen edge on.

        Args:
            outlines: closed outlines (N, 2) whose union is the bone.
            body: absorption of the spongy inside where it is thickest.
            cortex: absorption the shell adds at the edge.
            holes: closed outlines cut out of it.
            cortex_mm: how far the shell's brightness reaches inwards.
            round_mm: how far inside the edge the body reaches its full thickness.
            grain: how strongly the trabecular texture shows, as a share of `body`.
        """
        parts = outlines if isinstance(outlines, list) else [outlines]
        covered = self._cover(parts, holes or [], 0.0)
        if covered is None:
            return
        box, mask = covered
        shell = 2 * (1 - blur(mask, cortex_mm * self.px_per_mm))
        thick = (blur(mask, round_mm * self.px_per_mm) - 0.35).clip(0.15) / 0.65
        inside = body * thick * (1 + grain * self._grain(box))
        self.absorption[box] += mask * (inside + cortex * shell)

    def add_each(self, shapes: list[tuple[Points, float]], *, soft_mm: float) -> None:
        """Add outlines that each have an amount of their own; where they overlap the amounts add up."""
        height, width = self.absorption.shape
        outlines, amounts = [outline for outline, _ in shapes], [amount for _, amount in shapes]
        covered = coverage(outlines, (height, width), 2 + int(2.5 * soft_mm * self.px_per_mm), amounts)
        if covered is not None:
            box, amount = covered
            self.absorption[box] += blur(amount, soft_mm * self.px_per_mm)

    def pen(self, path: Points, width_mm: npt.ArrayLike) -> Points:
        """The outline of a line along an open path: one width, or (M,) of them along it."""
        return ribbon(path, np.asarray(width_mm) * self.px_per_mm)

    def coarse_fill(self, outline: Points, soft_mm: float = 0.0) -> Map:
        """Coverage of an outline on a grid `_LOW_RES_FACTOR` times coarser: soft tissue has no edge to lose by it."""
        height, width = self.absorption.shape
        filled = np.zeros((-(-height // _LOW_RES_FACTOR), -(-width // _LOW_RES_FACTOR)), dtype=np.float32)
        shape = (filled.shape[0], filled.shape[1])
        covered = coverage([(outline + 0.5) / _LOW_RES_FACTOR - 0.5], shape)
        if covered is not None:
            box, mask = covered
            filled[box] = mask
        return self.coarse_blur(filled, soft_mm)

    def coarse_blur(self, coarse: Map, soft_mm: float) -> Map:
        """Blur a map that lies on the coarse grid."""
        return blur(coarse, soft_mm * self.px_per_mm / _LOW_RES_FACTOR)

    def add_coarse(self, coarse: Map, amount: float) -> None:
        """Add a map that lies on the coarse grid."""
        height, width = self.absorption.shape
        self.absorption += np.float32(amount) * resize(coarse, (height, width))
