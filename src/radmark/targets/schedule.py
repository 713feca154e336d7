"""The radius of the label regions over a run: the erosion schedule."""

import math

from radmark.config import PAPER_EPOCHS, PAPER_SIZE_PX, LabelConfig


def radius_px(labels: LabelConfig, *, epoch: int, epochs: int, size: int) -> int:
    """Radius of the label regions in an epoch, in pixels of the network's grid. A pure function: nothing is counted along.

    The paper dilates by 65 pixels of a 512-pixel grid and erodes by 10 every 50 of 350 epochs (METHOD: "65, 55, 45, 35, 25,
    15, 5 from epochs 0, 50, ... 300"). The rule for any other run: **the schedule keeps its shape**. Steps fall at the same
    share of the run, so epoch e of E counts as epoch floor(350 e / E) of the paper's; radii keep their share of the picture,
    so a radius is multiplied by size / 512 and rounded, halves up. A radius that has shrunk to nothing stays 0, the single
    pixel.

    A Gaussian label does not erode: its radius is its standard deviation, scaled and rounded alike.

    Args:
        labels: the schedule as the paper states it.
        epoch: 0-based.
        epochs: how many the run has.
        size: side of the network's grid in pixels.
    """
    if labels.shape == "gaussian":
        return math.floor(labels.sigma_px * size / PAPER_SIZE_PX + 0.5)
    steps = (epoch * PAPER_EPOCHS) // (epochs * labels.erode_every)
    at_paper_size = max(0, labels.dilate_px - steps * labels.erode_px)
    return math.floor(at_paper_size * size / PAPER_SIZE_PX + 0.5)
