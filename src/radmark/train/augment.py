"""Image augmentation on the training device: pixels and points go through the same map."""

import torch
from torch import Tensor
from torch.nn import functional

from radmark.config import AugmentConfig


def rotate(gray: Tensor, points: Tensor, angles_deg: Tensor) -> tuple[Tensor, Tensor]:
    """Rotate images and points about the centre of the grid.

    Args:
        gray: (B, 1, S, S).
        points: (B, K, 2) xy, NaN allowed.
        angles_deg: (B,), positive turns the picture clockwise as it is seen (x towards y, y down).

    Returns:
        Rotated images, black where nothing was, and points; a point may leave the grid.
    """
    angle = torch.deg2rad(angles_deg)
    cos, sin = torch.cos(angle), torch.sin(angle)
    turn = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)
    # grid_sample asks where each output pixel comes from: the inverse turn, which is the transpose. Its coordinates have
    # their origin at the grid's centre and, with align_corners=False, -1 and 1 at the outer edges: no half pixel is lost.
    back = torch.cat([turn.transpose(1, 2), torch.zeros_like(turn[:, :, :1])], dim=2)
    grid = functional.affine_grid(back, list(gray.shape), align_corners=False)
    turned = functional.grid_sample(gray, grid.to(gray.dtype), padding_mode="zeros", align_corners=False)
    centre = (gray.shape[-1] - 1) / 2
    return turned, (points - centre) @ turn.transpose(1, 2) + centre


def augment(gray: Tensor, points: Tensor, config: AugmentConfig, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw and apply the augmentations of `config`; a no-op, bit for bit, where they are off.

    Args:
        gray: (B, 1, S, S).
        points: (B, K, 2).
        generator: on the CPU, so that the draws do not depend on the device.
    """
    if config.rotate_deg == 0 or config.rotate_probability == 0:
        return gray, points
    draws = torch.rand(2, len(gray), generator=generator)
    angles = (2 * draws[0] - 1) * config.rotate_deg * (draws[1] < config.rotate_probability)
    return rotate(gray, points, angles.to(gray.device))
