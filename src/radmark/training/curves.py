"""The training curves as a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from radmark.io.atomic import replacing


def draw_curves(history: Sequence[Mapping[str, float | int | None]], path: Path) -> None:
    """Loss, validation error (where there is any) and the radius of the label regions, one above the other.

    Args:
        history: the rows of the training log, at least one.
        path: a .png file; replaced if it exists, since it is redrawn as the run goes on.
    """
    epochs = np.array([row["epoch"] for row in history])
    panels = [
        ("train_loss", "training loss", "log"),
        ("val_mean_radial_error_px", "validation error\n(mean radial, px)", "log"),
        ("radius_px", "label radius\n(px)", "linear"),
    ]
    panels = [panel for panel in panels if any(row[panel[0]] is not None for row in history)]
    figure = Figure(figsize=(7, 2 * len(panels)), layout="constrained")
    axes = figure.subplots(len(panels), 1, sharex=True)
    for axis, (key, label, scale) in zip(axes, panels, strict=True):
        values = np.array([row[key] for row in history], dtype=np.float64)  # None becomes NaN
        known = np.isfinite(values)  # where not every epoch is validated, the line goes on from one that is to the next
        axis.plot(
            epochs[known], values[known], color="#0b5cad", drawstyle="steps-post" if key == "radius_px" else "default"
        )
        if (values > 0).any():
            axis.set_yscale(scale)
        axis.set_ylabel(label)
        axis.grid(alpha=0.3)
    axes[-1].set_xlabel("epoch")
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110)
