"""Image augmentation on the training device: pixels and points go through the same map."""

from collections.abc import Sequence

import torch
from torch import Tensor

from radmark.config import AugmentConfig
from radmark.targets.motion import move


def mirror(
    gray: Tensor, points: Tensor, states: Tensor, chosen: Tensor, mirrored: Sequence[int]
) -> tuple[Tensor, Tensor, Tensor]:
    """Mirror the chosen images left to right; what was the left hip is then the right one.

    Args:
        gray: (B, 1, S, S).
        points: (B, K, 2) xy, NaN allowed.
        states: (B, K).
        chosen: (B,) of bool.
        mirrored: K indices, `Scheme.mirrored`.
    """
    partner = list(mirrored)
    swapped = points[:, partner]
    swapped[..., 0] = gray.shape[-1] - 1 - swapped[..., 0]
    return (
        torch.where(chosen[:, None, None, None], gray.flip(-1), gray),
        torch.where(chosen[:, None, None], swapped, points),
        torch.where(chosen[:, None], states[:, partner], states),
    )


def augment(
    gray: Tensor,
    points: Tensor,
    states: Tensor,
    config: AugmentConfig,
    generator: torch.Generator,
    *,
    mirrored: Sequence[int],
    part: slice = slice(None),
    of: int | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Draw and apply the augmentations of `config`; a no-op, bit for bit, where they are off.

    Changes of gray come last and reach every pixel alike, the padding too: where it was as black as the film's own black it
    stays so, as the trained model will meet it, and no resampling blurs the noise.

    Args:
        gray: (B, 1, S, S), in [0, 1] before and after.
        points: (B, K, 2).
        states: (B, K).
        generator: on the CPU, so that the draws do not depend on the device. What is off draws nothing, and the rotation
            draws first: a run that only rotates is repeated whatever else this function learns.
        mirrored: K indices, `Scheme.mirrored`.
        part: which of the batch's images these are, where several processes share it; each draws for all of them, so that an
            image is changed alike whoever trains it.
        of: the number of images in the whole batch; by default these.
    """
    n, device = len(gray) if of is None else of, gray.device

    def either_way(largest: float, *shape: int) -> Tensor:
        return ((2 * torch.rand(shape, generator=generator) - 1) * largest)[part]

    rotates = config.rotate_deg > 0 and config.rotate_probability > 0
    if rotates or config.scale > 0 or config.shift > 0:
        angles, scales, shifts = torch.zeros(len(gray)), torch.ones(len(gray)), torch.zeros(len(gray), 2)
        if rotates:
            draws = torch.rand(2, n, generator=generator)[:, part]
            angles = (2 * draws[0] - 1) * config.rotate_deg * (draws[1] < config.rotate_probability)
        if config.scale > 0:
            scales = 1 + either_way(config.scale, n)
        if config.shift > 0:
            shifts = either_way(config.shift * gray.shape[-1], n, 2)
        gray, points = move(gray, points, angles.to(device), scales.to(device), shifts.to(device))
    if config.mirror_probability > 0:
        chosen = torch.rand(n, generator=generator)[part] < config.mirror_probability
        gray, points, states = mirror(gray, points, states, chosen.to(device), mirrored)

    if config.gamma > 0:
        gray = gray ** (2 ** either_way(config.gamma, n, 1, 1, 1)).to(device)
    if config.contrast > 0:
        mean = gray.mean(dim=(1, 2, 3), keepdim=True)
        gray = mean + (gray - mean) * (1 + either_way(config.contrast, n, 1, 1, 1)).to(device)
    if config.brightness > 0:
        gray = gray + either_way(config.brightness, n, 1, 1, 1).to(device)
    if config.noise > 0:
        deviations = config.noise * torch.rand(n, 1, 1, 1, generator=generator)[part]
        # Noise is as large as the images: each image's comes from a seed of its own, so that nobody draws another's.
        seeds = torch.randint(2**62, (n,), generator=generator)[part].tolist()
        grains = [torch.randn(gray.shape[1:], generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        gray = gray + (deviations * torch.stack(grains)).to(device)
    if max(config.gamma, config.contrast, config.brightness, config.noise) > 0:
        gray = gray.clamp(0, 1)
    return gray, points, states
