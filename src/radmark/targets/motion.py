"""Rotation, scale and shift of images: pixels and points go through the same map."""

import torch
from torch import Tensor
from torch.nn import functional


def rotate(gray: Tensor, points: Tensor, angles_deg: Tensor) -> tuple[Tensor, Tensor]:
    """Rotate images and points about the centre of the grid: `move` without scale and shift."""
    return move(gray, points, angles_deg, torch.ones_like(angles_deg), torch.zeros_like(points[:, 0]))


def move(gray: Tensor, points: Tensor, angles_deg: Tensor, scales: Tensor, shifts_px: Tensor) -> tuple[Tensor, Tensor]:
    """Rotate and scale images and points about the centre of the grid, then shift them, in one resampling.

    Args:
        gray: (B, 1, S, S).
        points: (B, K, 2) xy, NaN allowed.
        angles_deg: (B,), positive turns the picture clockwise as it is seen (x towards y, y down).
        scales: (B,), above 1 makes what is seen larger.
        shifts_px: (B, 2) xy, positive moves the picture right and down.

    Returns:
        Moved images, black where nothing was, and points; a point may leave the grid.
    """
    turn = _turn(angles_deg)
    # grid_sample asks where each output pixel comes from: the shift undone, then the inverse turn, which is the transpose.
    # Its coordinates have their origin at the grid's centre and, with align_corners=False, -1 and 1 at the outer edges: no
    # half pixel is lost, and half a side is one unit.
    unturn = turn.transpose(1, 2) / scales[:, None, None]
    unshift = unturn @ (-shifts_px / (gray.shape[-1] / 2))[:, :, None]
    grid = functional.affine_grid(torch.cat([unturn, unshift], dim=2), list(gray.shape), align_corners=False)
    moved = functional.grid_sample(gray, grid.to(gray.dtype), padding_mode="zeros", align_corners=False)
    return moved, move_points(points, angles_deg, scales, shifts_px, size=gray.shape[-1])


def move_points(points: Tensor, angles_deg: Tensor, scales: Tensor, shifts_px: Tensor, *, size: int) -> Tensor:
    """What `move` does to points on a grid of `size`; where it shifts none, negated angles and inverted scales undo it."""
    centre = (size - 1) / 2
    forth = scales[:, None, None] * _turn(angles_deg)
    return (points - centre) @ forth.transpose(1, 2) + centre + shifts_px[:, None]


def _turn(angles_deg: Tensor) -> Tensor:
    """(B,) -> (B, 2, 2) rotations."""
    angle = torch.deg2rad(angles_deg)
    cos, sin = torch.cos(angle), torch.sin(angle)
    return torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)
