"""softmax: each map is one distribution over its pixels, the label its target."""

import torch
from torch import Tensor

from radmark.config import PAPER_SIZE_PX
from radmark.targets.objectives.base import Objective, mean_over
from radmark.targets.regions import Regions, gaussian_heatmaps, label_regions, nearest_pixel

SHAPES = ("diamond", "gaussian")
MULTIPLIES = True


class Task(Objective):
    """The belief at a pixel is the probability that the landmark is there.

    The confidence is the model's own probability that it is within about 2 radius + 2 pixels of the point.
    """

    def map_loss(self, logits: Tensor, points: Tensor, placed: Tensor, trained: Tensor, radius: int) -> Tensor:  # noqa: ARG002
        """The loss of the placed landmarks' maps: a map cannot say "absent" this way, so an absent landmark trains nothing."""
        height, width = logits.shape[-2:]
        if self.labels.shape == "gaussian":
            sigma = self.labels.sigma_px * width / PAPER_SIZE_PX
            regions, values = gaussian_heatmaps(points, sigma, height=height, width=width)
            return softmax_cross_entropy(logits, regions, placed, values)
        regions = label_regions(nearest_pixel(points, height=height, width=width), radius, height=height, width=width)
        return softmax_cross_entropy(logits, regions, placed)

    def belief(self, logits: Tensor, radius: int) -> Tensor:  # noqa: ARG002
        """The distribution."""
        return torch.softmax(logits.flatten(2), dim=2).view_as(logits)

    def confidence(self, window: Tensor) -> Tensor:
        """What of the distribution lies in the window."""
        return window.sum(dim=-1)


def softmax_cross_entropy(logits: Tensor, regions: Regions, trained: Tensor, values: Tensor | None = None) -> Tensor:
    """The cross-entropy of each map's distribution to one that is uniform on the region, or proportional to `values` there.

    Args:
        logits: (B, K, H, W).
        regions: of each landmark.
        trained: (B, K) bool.
        values: (B, K, M), not negative.
    """
    flat = logits.flatten(2)
    share = regions.inside.float() if values is None else values * regions.inside
    inside = (share * flat.gather(2, regions.index)).sum(dim=2) / share.sum(dim=2)
    return mean_over(trained, torch.logsumexp(flat, dim=2) - inside)
