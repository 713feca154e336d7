"""From absorption to film: exposure, noise, field, shutters and side markers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from radmark.phantom.raster import Canvas, Map, Points, blur, ribbon, smooth_open

_TEXTURE_MARGIN = 160
_TISSUE_SHARE = 0.82
"""How much of the brightness range bone and soft tissue take up; the rest tells metal from more metal."""


@lru_cache(maxsize=4)
def _texture_tile(size: int) -> Map:
    """Trabecular pattern, (size, size), zero on average with unit spread. Made once a process: it is the slow part."""
    white = np.random.default_rng(20230916).standard_normal((size, size), dtype=np.float32)
    fine = blur(white, 0.8) - blur(white, 1.8)
    coarse = blur(white, 2.5) - blur(white, 7.0)
    return fine / fine.std() * np.float32(0.75) + coarse / coarse.std() * np.float32(0.66)


def texture(shape: tuple[int, int], rng: np.random.Generator) -> Map:
    """A random part of the trabecular pattern, somewhat larger than (H, W)."""
    tile = _texture_tile(max(shape) + _TEXTURE_MARGIN)
    y, x = rng.integers(0, _TEXTURE_MARGIN // 2, 2).tolist()
    return tile[y:, x:]


@dataclass(frozen=True)
class Exposure:
    """How the detector and its processing turn absorption into brightness."""

    level: float
    """The absorption shown as mid grey."""
    contrast: float
    """Slope of the tone curve there; fluoroscopy is flatter than film."""
    noise: float
    """Spread of the noise, in absorption, where nothing absorbs; it grows where fewer photons arrive."""
    unsharp_px: float
    """Blur of the detector and the focal spot."""

    def develop(self, absorption: Map, rng: np.random.Generator) -> Map:
        """Absorption (H, W) -> brightness from 0 (black, all rays arrive) to 1 (white, none do)."""
        noise = rng.standard_normal(absorption.shape, dtype=np.float32)
        noise *= self.noise * np.exp(0.3 * np.minimum(absorption, 4))
        seen = blur(absorption + noise, self.unsharp_px)
        tissue = 1 / (1 + np.exp(self.contrast * (self.level - seen)))
        metal = 1 - np.exp(-0.5 * seen)
        return np.asarray(_TISSUE_SHARE * tissue + (1 - _TISSUE_SHARE) * metal, dtype=np.float32)


def digitise(brightness: Map) -> npt.NDArray[np.uint16]:
    """Brightness 0 to 1 -> 12 significant bits in 16, as detectors deliver them."""
    return (np.clip(brightness, 0, 1) * 4095).astype(np.uint16) * np.uint16(16)


def round_field(shape: tuple[int, int], radius_px: float) -> Map:
    """1 inside an image intensifier's round field, 0 outside, centred on the grid (H, W)."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    r = np.hypot(x - (shape[1] - 1) / 2, y - (shape[0] - 1) / 2)
    return np.clip(radius_px + 0.5 - r, 0, 1).astype(np.float32)


def vignette(shape: tuple[int, int], radius_px: float) -> Map:
    """Extra brightness towards the rim of a round field, 0 at the centre to 1 at the rim."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    r2 = (x - (shape[1] - 1) / 2) ** 2 + (y - (shape[0] - 1) / 2) ** 2
    return ((r2 / radius_px**2) ** 2).astype(np.float32)


def shutter(shape: tuple[int, int], margins_px: tuple[float, float, float, float], soft_px: float) -> Map:
    """1 inside the collimated field, 0.04 under the shutters; margins are left, top, right, bottom."""
    height, width = shape
    left, top, right, bottom = margins_px
    x, y = np.arange(width), np.arange(height)
    across = np.clip((x - left) / soft_px, 0, 1) * np.clip((width - 1 - right - x) / soft_px, 0, 1)
    down = np.clip((y - top) / soft_px, 0, 1) * np.clip((height - 1 - bottom - y) / soft_px, 0, 1)
    return (0.04 + 0.96 * down[:, None] * across[None, :]).astype(np.float32)


# Strokes of the two lead letters in a box 0..1 wide and 0..1.4 high.
_LETTERS: dict[str, list[Points]] = {
    "L": [np.array([[0.1, 0.0], [0.1, 1.4]]), np.array([[0.1, 1.32], [0.85, 1.32]])],
    "R": [
        np.array([[0.1, 0.0], [0.1, 1.4]]),
        np.array([[0.1, 0.08], [0.55, 0.08], [0.85, 0.35], [0.55, 0.66], [0.1, 0.68]]),
        np.array([[0.45, 0.68], [0.9, 1.4]]),
    ],
}


def add_marker(canvas: Canvas, letter: str, at_px: tuple[float, float], height_px: float) -> None:
    """A lead letter L or R, its box's top left at `at_px`. It reads the right way round, as on an AP film."""
    scale = height_px / 1.4
    paths = [stroke if len(stroke) == 2 else smooth_open(stroke) for stroke in _LETTERS[letter]]
    canvas.add([ribbon(path * scale + np.asarray(at_px), 0.2 * scale) for path in paths], 3.0)
