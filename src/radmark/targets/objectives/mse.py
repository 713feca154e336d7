"""mse: heatmap regression, the field's usual loss: the squared difference of each pixel to a Gaussian bump."""

import torch
from torch import Tensor

from radmark.config import PAPER_SIZE_PX
from radmark.targets.objectives.base import Objective, mean_over
from radmark.targets.regions import Regions, gaussian_heatmaps

SHAPES = ("gaussian",)

HEIGHT = 10.0
"""Of a bump. At 1 the noise that each of Adam's steps puts on tens of thousands of empty pixels outweighs the bump, and the map
stays empty (docs/results.md)."""


class Task(Objective):
    """The belief at a pixel is the height of the bump as a share of the trained one, which is no probability."""

    def map_loss(self, logits: Tensor, points: Tensor, placed: Tensor, trained: Tensor, radius: int) -> Tensor:  # noqa: ARG002
        """The loss of the trained maps; an absent landmark trains an empty one."""
        height, width = logits.shape[-2:]
        sigma = self.labels.sigma_px * width / PAPER_SIZE_PX
        regions, values = gaussian_heatmaps(points, sigma, height=height, width=width)
        return heatmap_mse(logits, regions, HEIGHT * values, placed, trained)

    def belief(self, logits: Tensor, radius: int) -> Tensor:  # noqa: ARG002
        """What stands above 0."""
        return logits.clamp(min=0.0) / HEIGHT

    def confidence(self, window: Tensor) -> Tensor:
        """The height of the bump."""
        return window.amax(dim=-1)


def heatmap_mse(logits: Tensor, regions: Regions, values: Tensor, placed: Tensor, trained: Tensor) -> Tensor:
    """The squared difference of every pixel to a bump, 0 elsewhere.

    Summed over a map's pixels: their mean would make gradients so small that Adam's epsilon holds the steps back.

    Args:
        logits: (B, K, H, W).
        regions: where the bumps are.
        values: (B, K, M), the bumps.
        placed: (B, K) bool; a landmark without a position, an absent one, has no bump and trains an empty map.
        trained: (B, K) bool; a landmark that is not annotated trains nothing.

    Returns:
        Scalar: the mean over the trained maps; 0 if there are none.
    """
    flat = logits.flatten(2)
    exchange = values * (values - 2 * flat.gather(2, regions.index))  # (z - v)^2 - z^2
    exchange = torch.where(regions.inside & placed[:, :, None], exchange, 0.0)
    return mean_over(trained, flat.square().sum(dim=2) + exchange.sum(dim=2))
