"""What every objective has: the landmarks that train, the levels, and the way from maps to points."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.distributed as dist
from torch import Tensor

from radmark.config import LabelConfig
from radmark.core.marks import State
from radmark.targets.decode import Decoder, decode
from radmark.targets.levels import combine, on_map


@dataclass(frozen=True)
class Objective(ABC):
    """What training asks of the maps, and how maps that were so trained are read.

    Args:
        labels: loss, shape and weights.
    """

    labels: LabelConfig

    # ---- training --------------------------------------------------------------------------------------------------------

    @abstractmethod
    def map_loss(self, logits: Tensor, points: Tensor, placed: Tensor, trained: Tensor, radius: int) -> Tensor:
        """The loss of the trained maps, a scalar: see `mean_over`.

        Args:
            logits: (B, K, H, W).
            points: (B, K, 2) xy on the map; anything where not placed.
            placed: (B, K) bool; a landmark on the map.
            trained: (B, K) bool; the placed and the absent ones, whose map should be empty.
            radius: of the label regions, in pixels; a Gaussian label takes its size from `labels`.
        """

    def loss(self, logits: Tensor, points: Tensor, states: Tensor, radius: int) -> Tensor:
        """The training loss of a batch on one level.

        A landmark with a position trains its region; an absent one trains an empty map; one that is not annotated, or that an
        augmentation moved off the map, trains nothing.

        Args:
            logits: (B, K, H, W).
            points: (B, K, 2) xy on the map; NaN where a landmark has none.
            states: (B, K) of `State`.
            radius: of the label regions, in pixels; a Gaussian label takes its size from `labels`.
        """
        height, width = logits.shape[-2:]
        edge = torch.tensor([width - 0.5, height - 0.5], device=points.device)
        visible = ((points >= -0.5) & (points <= edge)).all(dim=-1)
        placed = (states <= State.OCCLUDED) & visible
        return self.map_loss(logits, points, placed, placed | (states == State.ABSENT), radius)

    def levels_loss(self, maps: Sequence[Tensor], points: Tensor, states: Tensor, radius: int, size: int) -> Tensor:
        """The training loss of a batch: half the mean over the network's levels of `loss`, half that of their product.

        The product is what prediction reads. Trained only apart, the levels do not know of each other, and the coarser ones
        blur what the finest found (docs/experiments.md).

        Args:
            maps: (B, K, H, W) each, the finest first; the others' regions are diamonds of `coarse_radius` that never erode.
            points: (B, K, 2) xy on the grid; NaN where a landmark has none.
            states: (B, K) of `State`.
            radius: of the finest level's and the product's regions, in pixels of the finest map.
            size: side of the grid.
        """
        above = replace(self, labels=replace(self.labels, shape="diamond"))

        def loss(task: Objective, logits: Tensor, reach: int) -> Tensor:
            return task.loss(logits.float(), on_map(points, size / logits.shape[-1]), states, reach)

        finest = loss(self, maps[0], radius)
        if len(maps) == 1:
            return finest
        reach = self.labels.coarse_radius
        apart = torch.stack([finest, *(loss(above, logits, reach) for logits in maps[1:])]).mean()
        return (apart + loss(self, combine(maps), radius)) / 2

    # ---- reading ---------------------------------------------------------------------------------------------------------

    @abstractmethod
    def belief(self, logits: Tensor, radius: int) -> Tensor:
        """(B, K, H, W) logits -> at each pixel what the loss asked for, not negative.

        Args:
            logits: of the maps.
            radius: of the regions in the last epoch of training; of a Gaussian label its rounded standard deviation.
        """

    @abstractmethod
    def confidence(self, window: Tensor) -> Tensor:
        """(B, K, M) belief around each point -> (B, K) confidence; it is then cut to [0, 1]."""

    def read(self, logits: Tensor, *, decoder: Decoder, radius: int) -> tuple[Tensor, Tensor]:
        """Points and confidence, from maps that were trained on regions of `radius` pixels.

        Returns:
            (B, K, 2) float32 xy in pixels of the maps' grid, and (B, K) confidence in [0, 1].
        """
        logits = logits.float()
        points, window = decode(logits, self.belief(logits, radius), decoder=decoder, radius_px=radius)
        return points, self.confidence(window).clamp(0.0, 1.0)


def mean_over(trained: Tensor, per_map: Tensor) -> Tensor:
    """The mean of (B, K) losses over the trained maps, a scalar; 0 if there are none.

    Where several processes share a batch the count is of all of them, so that the mean of their losses is the loss of the whole
    batch however the trained maps are spread.
    """
    count = trained.sum()
    if dist.is_available() and dist.is_initialized():
        count = count.float()
        dist.all_reduce(count)
        count = count / dist.get_world_size()
    # where(), not a product: a map that is not trained may hold anything.
    total = torch.where(trained, per_map, 0.0).sum()
    return total / torch.where(count > 0, count, 1.0)
