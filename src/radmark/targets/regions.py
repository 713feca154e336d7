"""Label regions from the closed form, on whatever device the points are.

Dilating one pixel r times with the 4-neighbour element gives the diamond |dx| + |dy| <= r of 1 + 2r(r + 1) pixels; the
picture's border clips it. So a region needs no morphology, only its centre: the same pixels as
`scipy.ndimage.binary_dilation(iterations=r)`, bit for bit.
"""

import torch
from torch import Tensor


def nearest_pixel(points: Tensor, *, height: int, width: int) -> Tensor:
    """(..., 2) xy points -> (..., 2) int64 xy of the pixel each lies in, halves up.

    The grid's far edge belongs to its last pixel. A NaN becomes pixel (0, 0): mask it.
    """
    limit = torch.tensor([width - 1, height - 1], device=points.device, dtype=points.dtype)
    return torch.floor(points.nan_to_num(0.0) + 0.5).clamp(min=torch.zeros_like(limit), max=limit).long()


def label_regions(centres: Tensor, radius_px: int, *, height: int, width: int) -> Tensor:
    """Diamonds around pixels.

    Args:
        centres: (B, K, 2) integer xy.
        radius_px: 0 or more; 0 is the single pixel.

    Returns:
        (B, K, height, width) bool.
    """
    # 16-bit sums halve the memory traffic, which is all this costs; a grid is far smaller than 2^14 pixels.
    kind = torch.int16 if max(height, width) + radius_px < 2**14 else torch.int32
    columns = torch.arange(width, device=centres.device, dtype=kind)
    rows = torch.arange(height, device=centres.device, dtype=kind)
    dx = (columns - centres[..., 0:1].to(kind)).abs()
    room = radius_px - (rows - centres[..., 1:2].to(kind)).abs()
    return dx[:, :, None, :] <= room[:, :, :, None]


def region_sizes(centres: Tensor, radius_px: int, *, height: int, width: int) -> Tensor:
    """(B, K) int64: how many pixels each region has on the grid, those the border clips not counted. Never less than one."""
    rows = torch.arange(height, device=centres.device)
    room = radius_px - (rows - centres[..., 1:2]).abs()
    x = centres[..., 0:1]
    first, last = (x - room).clamp(min=0), (x + room).clamp(max=width - 1)
    return (last - first + 1).where(room >= 0, 0).sum(dim=-1)
