"""Maps to points: the only argmax."""

from typing import Literal

import torch
from torch import Tensor

from radmark.targets.regions import nearest_pixel

Decoder = Literal["centroid", "argmax"]


def argmax_points(logits: Tensor) -> Tensor:
    """(B, K, H, W) -> (B, K, 2) xy of the largest logit; pixels that share it are averaged, as the paper's programs do."""
    height, width = logits.shape[-2:]
    flat = logits.flatten(2)
    largest, first = flat.max(dim=2, keepdim=True)
    ties = flat == largest
    # Nearly always there are none, and leaving early saves several passes over the maps; an exported graph cannot branch.
    if not torch.compiler.is_compiling() and not (ties.sum(dim=2) > 1).any():
        return torch.cat([first % width, first // width], dim=2).float()
    share = ties / ties.sum(dim=2, keepdim=True)
    index = torch.arange(height * width, device=logits.device)
    x = (share * (index % width)).sum(dim=2)
    y = (share * (index // width)).sum(dim=2)
    return torch.stack([x, y], dim=-1)


def decode(logits: Tensor, belief: Tensor, *, decoder: Decoder, radius_px: int) -> tuple[Tensor, Tensor]:
    """Points from maps, and the belief around them.

    argmax takes the pixel of the largest logit. centroid starts there and takes the centre of mass of the belief in a window
    around it, twice, so that the window ends up centred on the blob rather than on its noisiest pixel.

    Args:
        logits: (B, K, H, W) float32.
        belief: of the same shape, what the loss asked for: see `Objective.belief`.
        decoder: see above.
        radius_px: of the regions in the last epoch of training; of a Gaussian label its rounded standard deviation.

    Returns:
        (B, K, 2) float32 xy in pixels of the maps' grid, and (B, K, M) belief in the window.
    """
    height, width = logits.shape[-2:]
    points = argmax_points(logits)
    reach = 2 * radius_px + 2
    window, position = _window(belief, nearest_pixel(points, height=height, width=width), reach)
    if decoder == "centroid":
        points = _centre(window, position, points)
        window, position = _window(belief, nearest_pixel(points, height=height, width=width), reach)
        points = _centre(window, position, points)
    return points, window


def _window(belief: Tensor, centres: Tensor, reach: int) -> tuple[Tensor, Tensor]:
    """Belief in a square of (2 reach + 1)^2 pixels around each centre, and those pixels' xy; beyond the border it is 0.

    Returns:
        (B, K, M) and (B, K, M, 2), M pixels.
    """
    batch, k, height, width = belief.shape
    offset = torch.arange(-reach, reach + 1, device=belief.device)
    dy, dx = torch.meshgrid(offset, offset, indexing="ij")
    x = centres[..., 0:1] + dx.flatten()
    y = centres[..., 1:2] + dy.flatten()
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    index = (y.clamp(0, height - 1) * width + x.clamp(0, width - 1)).view(batch, k, -1)
    values = belief.flatten(2).gather(2, index) * inside
    return values, torch.stack([x, y], dim=-1).to(belief.dtype)


def _centre(window: Tensor, position: Tensor, otherwise: Tensor) -> Tensor:
    """(B, K, 2) centre of mass of each window, or `otherwise` where it holds no belief at all."""
    mass = window.sum(dim=-1, keepdim=True)
    centre = (window[..., None] * position).sum(dim=-2) / mass.clamp(min=1e-30)
    return torch.where(mass > 1e-30, centre, otherwise)
