"""What is asked of the maps: two losses over label regions."""

import torch
from torch import Tensor
from torch.nn import functional


def label_weights(sizes: Tensor, n_pixels: int, weight: float) -> Tensor:
    """Eq. 1 of the paper: w~ = w (N - n) / n, so that a label keeps its share of the loss however large its region is.

    Args:
        sizes: n, pixels of each region as really drawn.
        n_pixels: N, pixels of the map.
        weight: w.
    """
    return weight * (n_pixels - sizes) / sizes


def pixel_cross_entropy(logits: Tensor, regions: Tensor, weights: Tensor, trained: Tensor) -> Tensor:
    """The paper's loss: binary cross-entropy of every pixel of every trained map, region pixels weighted.

    Args:
        logits: (B, K, H, W).
        regions: (B, K, H, W) bool; empty for an absent landmark.
        weights: (B, K), w~ of each landmark.
        trained: (B, K) bool; a landmark that is not annotated trains nothing.

    Returns:
        Scalar: the mean over the pixels of the trained maps; 0 if there are none.
    """
    loss = functional.binary_cross_entropy_with_logits(
        logits, regions.to(logits.dtype), pos_weight=weights[:, :, None, None], reduction="none"
    )
    return _mean(loss.mean(dim=(2, 3)), trained)


def softmax_cross_entropy(logits: Tensor, regions: Tensor, sizes: Tensor, trained: Tensor) -> Tensor:
    """Each map as one distribution over its pixels, the target uniform on the region: -mean over the region of log p.

    A map cannot say "absent" this way, so an absent landmark has to be left out of `trained`.

    Args:
        logits: (B, K, H, W).
        regions: (B, K, H, W) bool.
        sizes: (B, K), pixels of each region.
        trained: (B, K) bool.
    """
    flat = logits.flatten(2)
    inside = (flat * regions.flatten(2)).sum(dim=2) / sizes
    return _mean(torch.logsumexp(flat, dim=2) - inside, trained)


def _mean(per_map: Tensor, trained: Tensor) -> Tensor:
    # where(), not a product: a map that is not trained may hold anything.
    return torch.where(trained, per_map, 0.0).sum() / trained.sum().clamp(min=1)
