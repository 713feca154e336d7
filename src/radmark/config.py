"""Every setting of a run: one tree of frozen dataclasses, read from a recipe (TOML), changed by flags, saved with the run.

A field's docstring is the flag's help text and its documentation. Nothing here imports numpy or torch, so that the command
line can show its help at once.
"""

import dataclasses
import json
import re
from ast import literal_eval
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from radmark import trees
from radmark.core.errors import InputError
from radmark.trees import converted, parsed_toml

PAPER_SIZE_PX = 512
"""The grid on which the paper states its radii."""

PAPER_EPOCHS = 350
"""The number of epochs over which the paper's schedule runs."""

_LOSS_LINE = re.compile(r"^(SHAPES|MULTIPLIES) = (.+)$", re.MULTILINE)


def _losses() -> dict[str, dict[str, Any]]:
    """What each file of `targets/objectives` says of its loss, by the loss's name.

    The files are read and not imported: they need torch, which takes seconds to load.
    """
    folder = resources.files("radmark") / "targets" / "objectives"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".py")), key=lambda file: file.name)
    told = {
        Path(file.name).stem: {key: literal_eval(value) for key, value in _LOSS_LINE.findall(file.read_text("utf-8"))}
        for file in files
    }
    return {name.replace("_", "-"): lines for name, lines in told.items() if "SHAPES" in lines}


_LOSSES = _losses()
LABEL_SHAPES: Mapping[str, tuple[str, ...]] = {name: lines["SHAPES"] for name, lines in _LOSSES.items()}
"""Which label shapes a loss can be asked for; see `radmark.targets.objectives`."""

if TYPE_CHECKING:
    Loss = str
    Shape = str
else:
    Loss = Literal[tuple(LABEL_SHAPES)]
    Shape = Literal[tuple(dict.fromkeys(shape for shapes in LABEL_SHAPES.values() for shape in shapes))]


@dataclass(frozen=True)
class DataConfig:
    """What the network sees of the data set."""

    size: int = 512
    """Side of the square grid radiographs are letterboxed to, in pixels; a multiple of 32."""

    validation_fraction: float = 0.1
    """Share of the training patients kept aside to watch (and, with --select best, to choose the epoch). 0: none. Ignored
    where the annotations have a `split` column with "val" rows."""

    stratify: str | None = None
    """Column whose values are spread evenly over training and validation."""

    cache: Literal["memory", "file"] = "memory"
    """Where the letterboxed images are kept during training: in memory, or in a nameless file beside the run's folder."""


@dataclass(frozen=True)
class ModelConfig:
    """The network: a U-Net from segmentation-models-pytorch."""

    encoder: str = "mobilenet_v2"
    """Any encoder name of segmentation-models-pytorch."""

    encoder_weights: str = "imagenet"
    """"imagenet" downloads them, "none" starts at random, anything else is a .safetensors or .pth file of encoder weights."""

    decoder_channels: tuple[int, ...] = (256, 128, 64, 32, 16)
    """Channels of the five decoder levels, coarse to fine; with a stride of 2 or 4 the last one or two are not used."""

    stride: Literal[1, 2, 4] = 1
    """Pixels of the grid for each pixel of the finest map. 2 leaves out the decoder's last and dearest level; points are found
    between the pixels all the same."""

    levels: Literal[1, 2, 3, 4, 5] = 1
    """Decoder levels that have maps of their own, the finest first, each half as fine as the one before. More than 1: each is
    trained to find the landmarks, and prediction adds what they say (softmax)."""


@dataclass(frozen=True)
class LabelConfig:
    """Label augmentation: how points become regions, and what is asked of the network there.

    Radii are stated on the paper's 512-pixel grid and epochs on its 350-epoch run; `radmark.targets.schedule` scales both.
    """

    loss: Loss = "cross-entropy"
    """"cross-entropy": each pixel of each map is in the region or not, re-weighted by Eq. 1 (the paper's). "softmax": each
    map is a distribution over the pixels, the region its target. "mse": heatmap regression, the squared difference of each
    pixel to a Gaussian bump."""

    shape: Shape = "diamond"
    """"diamond": the dilated point, which erodes. "gaussian": a bump of --sigma-px that does not (softmax, mse).
    "everywhere": the label fills the picture, a slip of the paper's released programs kept for measuring it
    (cross-entropy)."""

    sigma_px: float = 4.0
    """Standard deviation of a Gaussian label, in pixels of a 512-pixel grid."""

    dilate_px: int = 65
    """Radius of the label region at the start, in pixels of a 512-pixel grid. 0: the single pixel."""

    erode_px: int = 10
    """How much the radius shrinks at each step, in pixels of a 512-pixel grid. 0: never."""

    erode_every: int = 50
    """Epochs between two erosions, of a 350-epoch run."""

    coarse_radius: int = 2
    """Radius of the label regions on the maps above the finest (--levels), in pixels of each map: the dilation over space
    instead of over time."""

    label_weight: float = 1.0
    """w of Eq. 1: the weight of a label before re-weighting."""

    reweight: bool = True
    """Multiply w by (N - n) / n, Eq. 1. Only the cross-entropy loss has such a weight."""

    start_at_rate: bool = False
    """Start every pixel at the label's share of the map instead of at one half: the last layer's bias begins at log(n / (N - n)),
    n the pixels of the first region and N the map's (cross-entropy)."""


@dataclass(frozen=True)
class AugmentConfig:
    """Changes to the training images; points move with the pixels. All off by default, as in the paper's main arm.

    What has no probability of its own is drawn for every image, evenly from what is allowed.
    """

    rotate_deg: float = 0.0
    """Largest rotation either way, in degrees."""

    rotate_probability: float = 0.5
    """How often an image is rotated."""

    scale: float = 0.0
    """Largest change of size either way, as a share: 0.1 for 0.9 to 1.1 times."""

    shift: float = 0.0
    """Largest move either way, along x and along y, as a share of the grid's side."""

    mirror_probability: float = 0.0
    """How often an image is mirrored left to right. The landmarks of the scheme's left/right pairs then change places."""

    gamma: float = 0.0
    """Largest change of the gray curve either way: gray becomes gray to the power 2^u, u from -gamma to gamma."""

    contrast: float = 0.0
    """Largest change of contrast either way, about the mean of the grid, as a share: 0.2 for 0.8 to 1.2 times."""

    brightness: float = 0.0
    """Largest change of brightness either way, where black is 0 and white is 1."""

    noise: float = 0.0
    """Largest standard deviation of the Gaussian noise added, where black is 0 and white is 1."""


@dataclass(frozen=True)
class TrainConfig:
    """The optimisation."""

    epochs: int = 350
    """Passes over the training images."""

    batch_size: int = 18
    """Images in a step, of all processes together."""

    accumulate: int = 1
    """Pieces each batch is computed in, one after the other, where it does not fit the memory as a whole. Batch normalisation
    then sees a piece at a time."""

    recompute: bool = False
    """Compute each of the network's stages twice instead of keeping what it computed: about a third slower, a fraction of
    the memory, the same numbers."""

    learning_rate: float = 1e-4
    """Adam's step size."""

    decay: Literal["constant", "cosine"] = "constant"
    """Learning rate over the run: the same throughout, or down to zero along a half cosine."""

    validate_every: int = 1
    """Epochs between two looks at the validation part; the last epoch always has one. More than 1 where epochs are short."""

    select: Literal["last", "best"] = "last"
    """Which epoch the run keeps: the last, or of those validated the one with the least error on the validation part."""

    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = "auto"
    """auto: bf16 where the hardware has units for it, else 32 bit."""

    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to train."""

    seed: int = 0
    """Everything random follows from it."""


@dataclass(frozen=True)
class DecodeConfig:
    """From maps to points."""

    decoder: Literal["centroid", "argmax"] = "centroid"
    """centroid: sub-pixel, the centre of the model's belief around the peak. argmax: the pixel with the largest logit."""

    views: Literal[1, 2, 3, 4, 5] = 1
    """How many passes over a film are averaged (test-time augmentation), 1 to 5: as it is, turned by 5 degrees either way, 7 %
    larger and smaller. Five passes take five times as long."""


@dataclass(frozen=True)
class Config:
    """A whole run.

    Raises:
        InputError: a value is out of its range.
    """

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    labels: LabelConfig = field(default_factory=LabelConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    decode: DecodeConfig = field(default_factory=DecodeConfig)

    @property
    def map_size(self) -> int:
        """Side of the finest map in pixels."""
        return self.data.size // self.model.stride

    def __post_init__(self) -> None:
        d, m, lab, a, t = self.data, self.model, self.labels, self.augment, self.train
        shapes = LABEL_SHAPES.get(lab.loss, ())
        for wrong, name, value, remedy in (
            (d.size < 32 or d.size % 32, "size", d.size, "Give a multiple of 32"),
            (not 0 <= d.validation_fraction < 1, "validation_fraction", d.validation_fraction, "Give a share below 1"),
            (len(m.decoder_channels) != 5, "decoder_channels", m.decoder_channels, "Give five numbers"),
            (min(m.decoder_channels, default=1) < 1, "decoder_channels", m.decoder_channels, "Give positive numbers"),
            (
                m.levels > {1: 5, 2: 4, 4: 3}[m.stride],
                f"levels (with stride {m.stride})",
                m.levels,
                f"Give 1 to { {1: 5, 2: 4, 4: 3}[m.stride] }",
            ),
            (not shapes, "loss", lab.loss, f"Use one of {', '.join(LABEL_SHAPES)}"),
            (
                m.levels > 1 and not _LOSSES.get(lab.loss, {}).get("MULTIPLIES"),
                f"levels (with loss {lab.loss})",
                m.levels,
                "Use 1, or --loss softmax: only distributions can be multiplied",
            ),
            (lab.coarse_radius < 0, "coarse_radius", lab.coarse_radius, "Give 0 or more"),
            (lab.dilate_px < 0, "dilate_px", lab.dilate_px, "Give 0 or more"),
            (lab.erode_px < 0, "erode_px", lab.erode_px, "Give 0 or more"),
            (lab.erode_every < 1, "erode_every", lab.erode_every, "Give 1 or more"),
            (
                lab.shape not in shapes,
                f"shape (with loss {lab.loss})",
                lab.shape,
                f"Use {' or '.join(shapes)}, or another loss",
            ),
            (not lab.sigma_px > 0, "sigma_px", lab.sigma_px, "Give a positive number"),
            (not lab.label_weight > 0, "label_weight", lab.label_weight, "Give a positive number"),
            (
                lab.start_at_rate and (lab.loss != "cross-entropy" or lab.shape == "everywhere"),
                f"start_at_rate (with loss {lab.loss} and shape {lab.shape})",
                lab.start_at_rate,
                "Leave it off, or use the cross-entropy loss of diamonds: only there a pixel has a rate",
            ),
            (not 0 <= a.rotate_deg <= 180, "rotate_deg", a.rotate_deg, "Give 0 to 180"),
            (not 0 <= a.rotate_probability <= 1, "rotate_probability", a.rotate_probability, "Give 0 to 1"),
            (not 0 <= a.scale < 1, "scale", a.scale, "Give a share below 1"),
            (not 0 <= a.shift <= 1, "shift", a.shift, "Give 0 to 1"),
            (not 0 <= a.mirror_probability <= 1, "mirror_probability", a.mirror_probability, "Give 0 to 1"),
            (not 0 <= a.gamma <= 3, "gamma", a.gamma, "Give 0 to 3"),
            (not 0 <= a.contrast <= 1, "contrast", a.contrast, "Give 0 to 1"),
            (not 0 <= a.brightness <= 1, "brightness", a.brightness, "Give 0 to 1"),
            (not 0 <= a.noise <= 1, "noise", a.noise, "Give 0 to 1"),
            (t.epochs < 1, "epochs", t.epochs, "Give 1 or more"),
            (t.batch_size < 1, "batch_size", t.batch_size, "Give 1 or more"),
            (t.validate_every < 1, "validate_every", t.validate_every, "Give 1 or more"),
            (t.accumulate < 1, "accumulate", t.accumulate, "Give 1 or more"),
            (not 0 < t.learning_rate < 1, "learning_rate", t.learning_rate, "Give a number between 0 and 1"),
            (
                t.select == "best" and d.validation_fraction == 0,
                "select",
                t.select,
                "Keep a validation_fraction, or take the last epoch",
            ),
        ):
            if wrong:
                raise InputError(f"the setting {name} is out of range", value=value, remedy=remedy)


def read_recipe(name_or_path: str) -> Config:
    """A recipe by its shipped name, or from a TOML file.

    Raises:
        InputError: there is no such recipe or file, it is not TOML, or a key or a value is not one of ours.
    """
    return from_tree(read_toml("recipe", name_or_path, resources.files("radmark") / "recipes"), name_or_path)


def names_of(folder: Traversable) -> tuple[str, ...]:
    """Names of the TOML files in a folder of the package, in order."""
    return tuple(sorted(Path(f.name).stem for f in folder.iterdir() if f.name.endswith(".toml")))


def read_toml(what: str, name_or_path: str, shipped: Traversable) -> dict[str, Any]:
    """A TOML file that comes with radmark, by its name, or one of the user's, by its path.

    Raises:
        InputError: there is no such `what`, or it is not TOML.
    """
    if name_or_path in names_of(shipped):
        text = (shipped / f"{name_or_path}.toml").read_text(encoding="utf-8")
    elif Path(name_or_path).is_file():
        return trees.read_toml(what, Path(name_or_path))
    else:
        raise InputError(
            f"there is no such {what}",
            value=name_or_path,
            remedy=f"Use one of {', '.join(names_of(shipped))}, or the path of a TOML file",
        )
    return parsed_toml(what, text, name_or_path)


def from_tree(tree: Mapping[str, Any], file: str) -> Config:
    """A config from nested tables such as TOML or JSON gives; what is not named keeps its default.

    Raises:
        InputError: an unknown table or key, or a value of the wrong type, with the file's name.
    """
    return converted(tree, Config, file=file, what="recipe")


def to_tree(config: Config) -> dict[str, dict[str, Any]]:
    """The config as nested dicts; a setting that is None is left out, as TOML has no word for it."""
    return {
        section: {key: value for key, value in table.items() if value is not None}
        for section, table in dataclasses.asdict(config).items()
    }


def to_toml(config: Config) -> str:
    """The config as a recipe file. JSON's strings, numbers, booleans and lists are TOML's too."""
    return "\n".join(
        f"[{section}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())
        for section, table in to_tree(config).items()
    )
