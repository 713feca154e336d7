"""cross-entropy, the paper's: each pixel of each map is in the region or not, re-weighted by Eq. 1.

It looks at the whole map once and then only at the regions' own pixels, a few hundredths of it.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from radmark.targets.objectives.base import Objective, mean_over
from radmark.targets.regions import Regions, label_regions, nearest_pixel

SHAPES = ("diamond", "everywhere")


class Task(Objective):
    """The belief at a pixel is the probability that it is in the region.

    Training multiplied its odds by w~ (Eq. 1), which is taken out again, or a broad plateau of near-certain pixels would hide the
    peak. The confidence is the model's own probability that the landmark is within a region's radius of the point.
    """

    def map_loss(self, logits: Tensor, points: Tensor, placed: Tensor, trained: Tensor, radius: int) -> Tensor:
        """The loss of the trained maps; an absent landmark trains an empty one."""
        height, width = logits.shape[-2:]
        labels = self.labels
        if labels.shape == "everywhere":
            single = labels.label_weight * (height * width - 1 if labels.reweight else 1)
            return everywhere_cross_entropy(logits, single, placed, trained)
        regions = label_regions(nearest_pixel(points, height=height, width=width), radius, height=height, width=width)
        sizes = regions.sizes
        if labels.reweight:
            weights = label_weights(sizes, height * width, labels.label_weight)
        else:
            weights = torch.full(sizes.shape, labels.label_weight, device=logits.device)
        return pixel_cross_entropy(logits, regions, weights, placed, trained)

    def belief(self, logits: Tensor, radius: int) -> Tensor:
        """The probability of each pixel, without the weight."""
        pixels, n = logits.shape[-2] * logits.shape[-1], 1 + 2 * radius * (radius + 1)
        share = (pixels - n) / n if self.labels.reweight else 1.0  # of a region the border does not clip
        log_weight = math.log(self.labels.label_weight * share)
        return torch.sigmoid(logits - log_weight)

    def confidence(self, window: Tensor) -> Tensor:
        """That of the likeliest pixel."""
        return window.amax(dim=-1)


def label_weights(sizes: Tensor, n_pixels: int, weight: float) -> Tensor:
    """Eq. 1 of the paper: w~ = w (N - n) / n, so that a label keeps its share of the loss however large its region is.

    Args:
        sizes: n, pixels of each region as really drawn.
        n_pixels: N, pixels of the map.
        weight: w.
    """
    return weight * (n_pixels - sizes) / sizes


def pixel_cross_entropy(logits: Tensor, regions: Regions, weights: Tensor, placed: Tensor, trained: Tensor) -> Tensor:
    """The paper's loss: binary cross-entropy of every pixel of every trained map, region pixels weighted.

    -log(1 - p) is log(1 + e^z) and -log p is log(1 + e^-z), so the loss of an empty map is summed first and the region's
    pixels are then exchanged: the same numbers as `binary_cross_entropy_with_logits` with `pos_weight`.

    Args:
        logits: z, (B, K, H, W).
        regions: of each landmark.
        weights: (B, K), w~ of each landmark.
        placed: (B, K) bool; a landmark without a position, an absent one, has no region and trains an empty map.
        trained: (B, K) bool; a landmark that is not annotated trains nothing.

    Returns:
        Scalar: the mean over the pixels of the trained maps; 0 if there are none.
    """
    flat = logits.flatten(2)
    there = flat.gather(2, regions.index)
    exchange = weights[:, :, None] * functional.softplus(-there) - functional.softplus(there)
    exchange = torch.where(regions.inside & placed[:, :, None], exchange, 0.0)
    return mean_over(trained, (functional.softplus(flat).sum(dim=2) + exchange.sum(dim=2)) / flat.shape[2])


def everywhere_cross_entropy(logits: Tensor, weight: float, placed: Tensor, trained: Tensor) -> Tensor:
    """`pixel_cross_entropy` with a label that fills the picture, and the weight of a single pixel.

    This is what the paper's released programs train where no dilation is asked for: `binary_dilation(iterations=0)` of scipy
    repeats until nothing changes, so one lit pixel becomes the whole image. Nobody should train this; it is here so that its
    score can be measured.

    Args:
        logits: (B, K, H, W).
        weight: of every pixel.
        placed: (B, K) bool; an absent landmark's map stays empty.
        trained: (B, K) bool.
    """
    flat = logits.flatten(2)
    full = weight * functional.softplus(-flat).mean(dim=2)
    return mean_over(trained, torch.where(placed, full, functional.softplus(flat).mean(dim=2)))
