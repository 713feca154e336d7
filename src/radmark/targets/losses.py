"""What is asked of the maps: losses over label regions.

Both look at the whole map once and then only at the regions' own pixels, a few hundredths of it.
"""

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional

from radmark.targets.regions import Regions


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
    return _mean((functional.softplus(flat).sum(dim=2) + exchange.sum(dim=2)) / flat.shape[2], trained)


def softmax_cross_entropy(logits: Tensor, regions: Regions, trained: Tensor, values: Tensor | None = None) -> Tensor:
    """Each map as one distribution over its pixels: the cross-entropy to a target that is uniform on the region, or
    proportional to `values` there.

    A map cannot say "absent" this way, so an absent landmark has to be left out of `trained`.

    Args:
        logits: (B, K, H, W).
        regions: of each landmark.
        trained: (B, K) bool.
        values: (B, K, M), not negative.
    """
    flat = logits.flatten(2)
    share = regions.inside.float() if values is None else values * regions.inside
    inside = (share * flat.gather(2, regions.index)).sum(dim=2) / share.sum(dim=2)
    return _mean(torch.logsumexp(flat, dim=2) - inside, trained)


def heatmap_mse(logits: Tensor, regions: Regions, values: Tensor, placed: Tensor, trained: Tensor) -> Tensor:
    """Heatmap regression, the field's usual loss: the squared difference of every pixel to a bump, 0 elsewhere.

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
    return _mean(flat.square().sum(dim=2) + exchange.sum(dim=2), trained)


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
    return _mean(torch.where(placed, full, functional.softplus(flat).mean(dim=2)), trained)


def _mean(per_map: Tensor, trained: Tensor) -> Tensor:
    """The mean over the trained maps. Where several processes share a batch the count is of all of them, so that the mean of
    their losses is the loss of the whole batch however the trained maps are spread."""
    count = trained.sum()
    if dist.is_available() and dist.is_initialized():
        count = count.float()
        dist.all_reduce(count)
        count = count / dist.get_world_size()
    # where(), not a product: a map that is not trained may hold anything.
    total = torch.where(trained, per_map, 0.0).sum()
    return total / torch.where(count > 0, count, 1.0)
