"""Tiny networks with random weights, as runs on the disk, and films of real shapes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from radmark import checkpoint as store
from radmark import cli
from radmark.checkpoint import Checkpoint
from radmark.config import Config, DataConfig, DecodeConfig, LabelConfig, ModelConfig
from radmark.core import Scheme
from radmark.model import build

SCHEME = Scheme.from_names(("hip_right", "hip_left", "sacrum"), "hips")


def _tiny(
    loss: str = "softmax", stride: int = 2, levels: int = 2, decoder: str = "centroid", views: int = 1, size: int = 64
) -> Checkpoint:
    """A network nobody has trained; its maps are as rugged as a trained one's are smooth, which is the harder case."""
    torch.manual_seed(0)
    model = ModelConfig("resnet18", "none", (16, 8, 8, 8, 8), stride, levels)  # pyright: ignore[reportArgumentType]
    labels = LabelConfig(loss, "gaussian" if loss == "mse" else "diamond")  # pyright: ignore[reportArgumentType]
    decode = DecodeConfig(decoder, views)  # pyright: ignore[reportArgumentType]
    config = Config(data=DataConfig(size=size), model=model, labels=labels, decode=decode)
    facts = {"training_images": {"miller_anna.png": "00", "b.png": "11"}, "training_patients": ["miller"]}
    return Checkpoint(config, SCHEME, build(model, len(SCHEME)).state_dict(), epoch=3, radius_px=2, facts=facts)


@pytest.fixture(scope="session")
def tiny() -> Callable[..., Checkpoint]:
    return _tiny


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder."""
    folder = tmp_path_factory.mktemp("runs") / "hips-1"
    store.save(folder / store.MODEL_FILE, _tiny(views=2))
    return folder


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Odd sides, upright and lying, 8 and 16 bit, smaller and much larger than the network's grid."""
    folder = tmp_path_factory.mktemp("films")
    rng = np.random.default_rng(3)
    made: list[Path] = []
    for width, height, bits in ((97, 61, 8), (61, 150, 16), (333, 333, 16), (701, 212, 8)):
        coarse = Image.fromarray(rng.random((9, 9), dtype=np.float32)).resize((width, height), Image.Resampling.BICUBIC)
        gray = np.clip(np.asarray(coarse) + 0.05 * rng.standard_normal((height, width)), 0, 1)
        made.append(folder / f"film-{width}x{height}.png")
        Image.fromarray((gray * (2**bits - 1)).astype(np.uint8 if bits == 8 else np.uint16)).save(made[-1])
    return made


@pytest.fixture(scope="session")
def exported(run: Path, films: list[Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The run's files, by suffix, as the command line makes them."""
    folder = tmp_path_factory.mktemp("exported")
    made = {".onnx": folder / "m.onnx", ".xml": folder / "m.xml"}
    for format_, file in zip(("onnx", "openvino"), made.values(), strict=True):
        words = ["export", run, "--format", format_, "--out", file, "--license", "CC-BY-4.0", "--check", *films]
        assert cli.main([str(word) for word in words]) == 0
    return made
