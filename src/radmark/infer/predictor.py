"""Radiograph -> prediction in the radiograph's own frame."""

import math
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from radmark.checkpoint import Checkpoint, load_run
from radmark.config import Config
from radmark.core.frame import Frame, Inset
from radmark.core.prediction import Prediction
from radmark.core.radiograph import Radiograph
from radmark.core.scheme import Scheme
from radmark.letterbox import letterbox_pixels, to_prediction
from radmark.model import LandmarkNet
from radmark.targets.decode import Decoder, decode
from radmark.targets.levels import combine, on_grid
from radmark.targets.motion import move, move_points

VIEWS = ((0.0, 1.0), (5.0, 1.0), (-5.0, 1.0), (0.0, 1.07), (0.0, 0.93))
"""Degrees and scale of each look at an image, the plain one first."""


def locate(net: torch.nn.Module, gray: Tensor, config: Config, radius_px: int) -> tuple[Tensor, Tensor]:
    """Points and confidence on the network's grid, by the run's own decoder.

    Args:
        net: in evaluation mode.
        gray: (B, 1, S, S) in [0, 1].
        config: the run's.
        radius_px: of the label regions the network was last trained on.

    Returns:
        (B, K, 2) xy and (B, K) confidence, float32 on the CPU.
    """
    return locate_by(net, gray, config, radius_px, [config.decode.decoder])[0]


@torch.inference_mode()
def locate_by(
    net: torch.nn.Module, gray: Tensor, config: Config, radius_px: int, decoders: Sequence[Decoder]
) -> list[tuple[Tensor, Tensor]]:
    """What `locate` gives, by each of several decoders from the same passes of the network."""
    looks: list[list[tuple[Tensor, Tensor]]] = [[] for _ in decoders]
    weight = log_weight(config, radius_px)
    for angle_deg, scale in VIEWS[: config.decode.views]:
        view, back = view_of(gray, angle_deg, scale)
        logits = combine(net(view))
        stride = gray.shape[-1] / logits.shape[-1]
        for look, decoder in zip(looks, decoders, strict=True):
            points, confidence = decode(
                logits, decoder=decoder, loss=config.labels.loss, radius_px=radius_px, log_weight=weight
            )
            look.append((back(on_grid(points, stride)).cpu(), confidence.cpu()))
    return [
        (torch.stack([points for points, _ in look]).mean(dim=0), torch.stack([c for _, c in look]).mean(dim=0))
        for look in looks
    ]


def view_of(gray: Tensor, angle_deg: float, scale: float) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """The image turned and scaled about its middle, and what brings points found on it back."""
    if (angle_deg, scale) == (0.0, 1.0):
        return gray, lambda points: points
    b, size = gray.shape[0], gray.shape[-1]  # len() would fix the batch in an exported graph
    angles, scales = (torch.full((b,), value, device=gray.device) for value in (angle_deg, scale))
    still = torch.zeros(b, 2, device=gray.device)
    view, _ = move(gray, still[:, None], angles, scales, still)
    return view, lambda points: move_points(points, -angles, 1 / scales, still, size=size)


def log_weight(config: Config, radius_px: int) -> float:
    """log w~ of a region the border does not clip."""
    pixels, n = config.map_size**2, 1 + 2 * radius_px * (radius_px + 1)
    share = (pixels - n) / n if config.labels.reweight else 1.0
    return math.log(config.labels.label_weight * share)


@dataclass(frozen=True, eq=False)
class Prepared:
    """A radiograph as the network sees it.

    Args:
        name: the image's name.
        inset: where the source image lies on the grid.
        gray: (S, S) float32 in [0, 1].
    """

    name: str
    inset: Inset
    gray: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Predictor:
    """A trained model, ready: `Predictor.load(run)(name, radiograph)`.

    Args:
        checkpoint: what it was made from.
        net: in evaluation mode, on `device`.
        device: where it runs.
        absent_below: confidence under which a landmark is stated absent; 0: never.
    """

    checkpoint: Checkpoint
    net: LandmarkNet
    device: torch.device
    absent_below: float = 0.0

    @classmethod
    def load(cls, run: Path, *, device: str = "cpu", absent_below: float = 0.0) -> "Predictor":
        """The model of a run's folder.

        Raises:
            InputError: the run holds no usable model.
        """
        checkpoint = load_run(run)
        net = checkpoint.net().to(device).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        return cls(checkpoint, net, torch.device(device), absent_below)

    @property
    def scheme(self) -> Scheme:
        """What the model marks."""
        return self.checkpoint.scheme

    @property
    def batch_size(self) -> int:
        """Images in a pass that pay: a processor's caches hold one image's maps, a graphics card wants several."""
        return 1 if self.device.type == "cpu" else 8

    @contextmanager
    def side_by_side(self) -> Generator[None]:
        """See `ParallelDetector`."""
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # threads that start from now on take it over
        try:
            yield
        finally:
            torch.set_num_threads(threads)

    def inset(self, frame: Frame) -> Inset:
        """How the model sees a radiograph of this frame."""
        return Inset.letterbox(frame, self.checkpoint.config.data.size)

    def __call__(self, name: str, radiograph: Radiograph) -> Prediction:
        """The landmarks of one radiograph, in its own frame."""
        return self.locate([self.prepare(name, radiograph)])[0]

    def prepare(self, name: str, radiograph: Radiograph) -> Prepared:
        """A radiograph letterboxed to the network's grid; for any thread."""
        inset = self.inset(radiograph.frame)
        return Prepared(name, inset, letterbox_pixels(radiograph, inset))

    def locate(self, prepared: Sequence[Prepared]) -> list[Prediction]:
        """The landmarks of several radiographs in one pass of the network, in their order.

        The sums of a batch are made in another order than those of one image, which moves points by less than 1e-4 px.
        """
        gray = torch.from_numpy(np.stack([image.gray for image in prepared]))[:, None].to(self.device)
        points, confidence = locate(self.net, gray, self.checkpoint.config, self.checkpoint.radius_px)
        return [
            to_prediction(image.name, self.scheme, image.inset, xy, sure, self.absent_below)
            for image, xy, sure in zip(prepared, points.numpy(), confidence.numpy(), strict=True)
        ]
