"""One file holds a model: weights, config, scheme and versions. safetensors and JSON, so reading it never runs code.

A run keeps `model.safetensors`, which prediction reads, and while it is unfinished `training.safetensors`, which also holds
the optimiser's state.
"""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from radmark import __version__
from radmark.config import Config, from_tree, to_tree
from radmark.core.errors import InputError
from radmark.core.scheme import Scheme
from radmark.io.atomic import replacing
from radmark.io.files import file_sha256
from radmark.model import LandmarkNet, build

FORMAT = 1
MODEL_FILE = "model.safetensors"
TRAINING_FILE = "training.safetensors"


@dataclass(frozen=True, repr=False)
class Checkpoint:
    """A model as stored.

    Args:
        config: the run's whole config.
        scheme: what its maps stand for, in order.
        weights: the network's tensors by name.
        epoch: the 0-based epoch after which they were taken.
        radius_px: of the label regions in that epoch, on the network's grid; the decoder needs it.
        facts: anything JSON that should travel along: history, versions, hashes of the training images.
        optimizer: the optimiser's tensors, empty in a finished model.
    """

    config: Config
    scheme: Scheme
    weights: Mapping[str, Tensor]
    epoch: int
    radius_px: int
    facts: Mapping[str, Any]
    optimizer: Mapping[str, Tensor] = dataclasses.field(default_factory=dict[str, Tensor])

    def net(self) -> LandmarkNet:
        """The network with these weights, in evaluation mode.

        Raises:
            InputError: the weights do not fit the config and the scheme.
        """
        net = build(self.config.model, len(self.scheme))
        try:
            net.load_state_dict(dict(self.weights))
        except RuntimeError as error:
            raise InputError(
                f"the stored weights do not fit the stored config: {str(error).splitlines()[1].strip()}",
                remedy="Use the run's folder as radmark wrote it",
            ) from error
        return net.eval()

    def __repr__(self) -> str:
        config = self.config
        return (
            f"Checkpoint: {self.scheme.name}, {len(self.scheme)} landmarks; U-Net, encoder {config.model.encoder}, "
            f"{config.data.size} x {config.data.size} px, epoch {self.epoch + 1} of {config.train.epochs}"
        )


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, whole or not at all."""
    # A tensor in channels-last order is not contiguous, and safetensors stores only contiguous ones.
    tensors = {f"model.{k}": v.detach().cpu().contiguous() for k, v in checkpoint.weights.items()}
    tensors |= {f"optimizer.{k}": v.detach().cpu().contiguous() for k, v in checkpoint.optimizer.items()}
    head = {
        "format": FORMAT,
        "config": to_tree(checkpoint.config),
        "scheme": dataclasses.asdict(checkpoint.scheme),
        "epoch": checkpoint.epoch,
        "radius_px": checkpoint.radius_px,
        "facts": dict(checkpoint.facts),
    }
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata={"radmark": json.dumps(head)})


def load(path: Path) -> Checkpoint:
    """Read a checkpoint file.

    Raises:
        InputError: there is none, it is truncated, not radmark's, or of a newer format.
    """
    if not path.is_file():
        raise InputError(
            "there is no trained model here", file=path, remedy="Give the --out folder of a `radmark train` that ran"
        )
    try:
        with safe_open(path, framework="pt") as file:
            head_text = (file.metadata() or {}).get("radmark")
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"the model file is damaged ({error})", file=path, remedy="Copy it again or train again"
        ) from error
    if head_text is None:
        raise InputError("this file was not written by radmark", file=path, remedy="Give a run's model.safetensors")
    head = json.loads(head_text)
    if head["format"] != FORMAT:
        raise InputError(
            f"the model file has format {head['format']}, this radmark reads {FORMAT}",
            file=path,
            remedy="Update radmark",
        )
    return Checkpoint(
        config=from_tree(head["config"], str(path)),
        scheme=Scheme.from_tree(head["scheme"]),
        weights=_under("model.", tensors),
        epoch=head["epoch"],
        radius_px=head["radius_px"],
        facts=head["facts"],
        optimizer=_under("optimizer.", tensors),
    )


def load_run(run: Path) -> Checkpoint:
    """The model a run keeps; `run` is its folder or the model file itself."""
    return load(_model_file(run))


def _model_file(run: Path) -> Path:
    return run / MODEL_FILE if run.is_dir() or not run.suffix else run


def model_name(run: Path) -> str:
    """A run's name and the beginning of its model file's sha256: which model it was, whatever it is called later."""
    return f"{run.stem} {model_sha256(run)[:12]}"


def model_sha256(run: Path) -> str:
    """sha256 of a run's model file, in hexadecimal."""
    return file_sha256(_model_file(run))


def versions() -> dict[str, str]:
    """Versions of radmark and of what its numbers depend on."""
    packages = ("torch", "torchvision", "segmentation-models-pytorch", "lightning-fabric", "numpy", "pillow")
    return {"radmark": __version__, **{name: version(name) for name in packages}}


def flatten_optimizer(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """An optimiser's per-parameter state as named tensors."""
    state: dict[int, dict[str, Tensor]] = optimizer.state_dict()["state"]
    return {f"{index}.{key}": value for index, entry in state.items() for key, value in entry.items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, flat: Mapping[str, Tensor]) -> None:
    """Undo `flatten_optimizer`; the settings (learning rate and so on) stay the optimiser's own."""
    tree = optimizer.state_dict()
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in flat.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    tree["state"] = state
    optimizer.load_state_dict(tree)


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
