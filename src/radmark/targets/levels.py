"""Several maps of the same landmarks, each half as fine as the one before: points on each, and all of them as one.

A map of W/s pixels shows a grid of W pixels; both have the same outer edges. So a pixel of the map is s pixels of the grid, and
the centre of its first one lies at (s - 1) / 2 of the grid.
"""

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional


def on_map(points: Tensor, stride: float) -> Tensor:
    """(..., 2) xy on the grid -> on a map whose pixels are `stride` of the grid's wide."""
    return (points + 0.5) / stride - 0.5


def on_grid(points: Tensor, stride: float) -> Tensor:
    """Undo `on_map`."""
    return (points + 0.5) * stride - 0.5


def combine(maps: Sequence[Tensor]) -> Tensor:
    """The maps as one, as fine as the finest.

    Each map is the logarithm of a distribution over the places, but for a constant; their sum is that of the product, which is
    high only where all of them are: the coarse ones say which structure it is, the finest where it ends.

    Args:
        maps: (B, K, H, W), finest first, each next one smaller; one alone is given back as it is.
    """
    together = maps[-1]
    for finer in reversed(maps[:-1]):
        enlarged = functional.interpolate(together, size=finer.shape[-2:], mode="bilinear", align_corners=False)
        together = enlarged + finer
    return together
