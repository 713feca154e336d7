"""Label regions from the closed form, on whatever device the points are.

Dilating one pixel r times with the 4-neighbour element gives the diamond |dx| + |dy| <= r of 1 + 2r(r + 1) pixels; the
picture's border clips it. So a region needs no morphology and no map, only the list of its pixels: the same as
`scipy.ndimage.binary_dilation(iterations=r)` lights, bit for bit.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Regions:
    """The pixels of label regions on a grid W wide.

    Args:
        index: (B, K, M) int64, row * W + column of each pixel of the unclipped diamond; 0 where `inside` is False.
        inside: (B, K, M) bool, which of them lie on the grid.
    """

    index: Tensor
    inside: Tensor

    @property
    def sizes(self) -> Tensor:
        """(B, K) int64: n of Eq. 1, the pixels really drawn where the border clips a region."""
        return self.inside.sum(dim=-1)


def nearest_pixel(points: Tensor, *, height: int, width: int) -> Tensor:
    """(..., 2) xy points -> (..., 2) int64 xy of the pixel each lies in, halves up.

    The grid's far edge belongs to its last pixel. A NaN becomes pixel (0, 0): mask it.
    """
    limit = torch.tensor([width - 1, height - 1], device=points.device, dtype=points.dtype)
    return torch.floor(points.nan_to_num(0.0) + 0.5).clamp(min=torch.zeros_like(limit), max=limit).long()


def rate_logit(radius_px: int, n_pixels: int) -> float:
    """log(n / (N - n)): the logit of a pixel's chance to lie in a diamond of n pixels, on a map of N = `n_pixels`.

    Raises:
        ValueError: the diamond is as large as the map.
    """
    n = 1 + 2 * radius_px * (radius_px + 1)
    if n >= n_pixels:
        raise ValueError(f"a diamond of {n} pixels on a map of {n_pixels}")
    return math.log(n / (n_pixels - n))


def label_regions(centres: Tensor, radius_px: int, *, height: int, width: int) -> Regions:
    """Diamonds around pixels.

    Args:
        centres: (B, K, 2) integer xy, on the grid.
        radius_px: 0 or more; 0 is the single pixel.
        height: of the grid.
        width: of the grid.
    """
    return _around(centres, *_diamond(radius_px, centres.device), height=height, width=width)


def gaussian_heatmaps(points: Tensor, sigma_px: float, *, height: int, width: int) -> tuple[Regions, Tensor]:
    """Gaussian bumps of height 1 around points, cut off beyond four standard deviations, where less than 0.0004 is left.

    Args:
        points: (B, K, 2) xy; the bump is centred there, not on the nearest pixel. NaN is read as (0, 0): mask it.
        sigma_px: standard deviation.
        height: of the grid.
        width: of the grid.

    Returns:
        The pixels, a square of M around each point, and (B, K, M) their values, 0 beyond the grid.
    """
    centres = nearest_pixel(points, height=height, width=width)
    dx, dy = _square(math.ceil(4 * sigma_px), points.device)
    regions = _around(centres, dx, dy, height=height, width=width)
    off = centres - points.nan_to_num(0.0)
    squared = (off[..., 0:1] + dx) ** 2 + (off[..., 1:2] + dy) ** 2
    return regions, torch.where(regions.inside, torch.exp(squared / (-2 * sigma_px**2)), 0.0)


def _around(centres: Tensor, dx: Tensor, dy: Tensor, *, height: int, width: int) -> Regions:
    """The pixels at (M,) int32 offsets dx, dy from (B, K, 2) integer centres."""
    centres = centres.int()
    centre_x, centre_y = centres[..., 0:1], centres[..., 1:2]
    x, y = centre_x + dx, centre_y + dy
    inside = (x.clamp(0, width - 1) == x) & (y.clamp(0, height - 1) == y)
    index = (centre_y * width + centre_x) + (dy * width + dx)
    return Regions(index.where(inside, 0).long(), inside)


@lru_cache(maxsize=16)  # the radii of a schedule
def _diamond(radius_px: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """(M,) int32 dx and dy of |dx| + |dy| <= radius_px."""
    dx, dy = _square(radius_px, device)
    within = dx.abs() + dy.abs() <= radius_px
    return dx[within], dy[within]


@lru_cache(maxsize=16)
def _square(reach_px: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """(M,) int32 dx and dy, both within reach_px."""
    reach = torch.arange(-reach_px, reach_px + 1, dtype=torch.int32, device=device)
    dy, dx = torch.meshgrid(reach, reach, indexing="ij")
    return dx.flatten(), dy.flatten()
