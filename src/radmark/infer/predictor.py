"""Film -> marks on it, by a run's own network."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from radmark.checkpoint import Checkpoint, load_run, model_sha256
from radmark.config import Config
from radmark.core.film import Film, FilmLike
from radmark.core.marks import Marks, Model
from radmark.core.scheme import Scheme
from radmark.io.images import as_film
from radmark.letterbox import Letterboxed
from radmark.model import LandmarkNet
from radmark.targets.decode import Decoder
from radmark.targets.levels import combine, on_grid
from radmark.targets.motion import move, move_points
from radmark.targets.objectives import objective

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
    for angle_deg, scale in VIEWS[: config.decode.views]:
        view, back = view_of(gray, angle_deg, scale)
        maps = net(view)
        for look, decoder in zip(looks, decoders, strict=True):
            points, confidence = read_maps(maps, config, radius_px, decoder)
            look.append((back(points).cpu(), confidence.cpu()))
    return [averaged(look) for look in looks]


def read_maps(maps: Sequence[Tensor], config: Config, radius_px: int, decoder: Decoder) -> tuple[Tensor, Tensor]:
    """What a network's maps say of a look at films: (B, K, 2) points on the grid and (B, K) confidence.

    Prediction and exported graphs both read maps by this and nothing else.
    """
    logits = combine(maps)
    points, confidence = objective(config.labels).read(logits, decoder=decoder, radius=radius_px)
    return on_grid(points, config.data.size / logits.shape[-1]), confidence


def averaged(looks: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Points and confidence of several looks as one."""
    points, confidence = zip(*looks, strict=True)
    return torch.stack(points).mean(dim=0), torch.stack(confidence).mean(dim=0)


def view_of(gray: Tensor, angle_deg: float, scale: float) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """The image turned and scaled about its middle, and what brings points found on it back."""
    if (angle_deg, scale) == (0.0, 1.0):
        return gray, lambda points: points
    b, size = gray.shape[0], gray.shape[-1]  # len() would fix the batch in an exported graph
    angles, scales = (torch.full((b,), value, device=gray.device) for value in (angle_deg, scale))
    still = torch.zeros(b, 2, device=gray.device)
    view, _ = move(gray, still[:, None], angles, scales, still)
    return view, lambda points: move_points(points, -angles, 1 / scales, still, size=size)


@dataclass(frozen=True, eq=False, repr=False)
class Predictor:
    """A trained model, ready: `Predictor.load(run)(film)`.

    Args:
        checkpoint: what it was made from.
        net: in evaluation mode, on `device`.
        device: where it runs.
        absent_below: confidence under which a landmark is stated absent; 0: never.
        author: which model it is: the run's name and the sha256 of its model file; None where it is in no file.
        run: the run's folder; None where it is in none.
    """

    checkpoint: Checkpoint
    net: LandmarkNet
    device: torch.device
    absent_below: float = 0.0
    author: Model | None = None
    run: Path | None = None

    @classmethod
    def load(cls, run: Path, *, device: str = "cpu", absent_below: float = 0.0) -> "Predictor":
        """The model of a run's folder.

        Raises:
            InputError: the run holds no usable model.
        """
        checkpoint = load_run(run)
        net = checkpoint.net().to(device).to(memory_format=torch.channels_last)
        return cls(
            checkpoint, net, torch.device(device), absent_below, Model(model_sha256(run), run.resolve().stem), run
        )

    @property
    def scheme(self) -> Scheme:
        """What the model marks."""
        return self.checkpoint.scheme

    @property
    def size(self) -> int:
        """Side of the square grid on which it sees a film, in pixels."""
        return self.checkpoint.config.data.size

    @property
    def batch_size(self) -> int:
        """Films in a pass that pay: a processor's caches hold one film's maps, a graphics card wants several."""
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

    def __call__(self, film: FilmLike) -> Marks:
        """The landmarks of one film, in its own frame.

        Args:
            film: or its file, or (H, W) gray values, brighter is denser.
        """
        return self.locate([self.prepare(as_film(film))])[0]

    def prepare(self, film: Film) -> Letterboxed:
        """A film letterboxed to the network's grid; for any thread."""
        return Letterboxed.of(film, self.size)

    def locate(self, prepared: Sequence[Letterboxed]) -> list[Marks]:
        """The landmarks of several films in one pass of the network, in their order.

        The sums of a batch are made in another order than those of one film, which moves points by less than 1e-4 px.
        """
        gray = torch.from_numpy(np.stack([film.gray for film in prepared]))[:, None].to(self.device)  # pyright: ignore[reportUnknownMemberType]
        points, confidence = locate(self.net, gray, self.checkpoint.config, self.checkpoint.radius_px)
        return [
            film.marks(self.scheme, xy, sure, author=self.author, absent_below=self.absent_below)
            for film, xy, sure in zip(prepared, points.numpy(), confidence.numpy(), strict=True)
        ]

    def __repr__(self) -> str:
        encoder = self.checkpoint.config.model.encoder
        return (
            f"Predictor {self.author or 'unnamed'}: {self.scheme.name}, {len(self.scheme)} landmarks; "
            f"U-Net, encoder {encoder}, {self.size} x {self.size} px, on {self.device}"
        )
