"""A stored model comes back whole, or the user learns why not."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from radmark import checkpoint as store
from radmark.checkpoint import Checkpoint
from radmark.config import Config, LabelConfig, ModelConfig
from radmark.core import InputError, Scheme
from radmark.io import read_scheme
from radmark.model import build

SMALL = ModelConfig("mobilenet_v2", "none", (16, 8, 8, 8, 8))


def made(scheme: Scheme) -> Checkpoint:
    torch.manual_seed(0)
    config = Config(model=SMALL, labels=LabelConfig(loss="softmax"))
    return Checkpoint(config, scheme, build(SMALL, len(scheme)).state_dict(), 4, 7, {"history": [{"epoch": 4}]})


def test_a_checkpoint_reads_back_with_config_scheme_and_weights(tmp_path: Path) -> None:
    checkpoint = made(read_scheme("pelvis-radiograph"))
    store.save(tmp_path / "model.safetensors", checkpoint)
    back = store.load_run(tmp_path)
    assert back.config == checkpoint.config
    assert back.scheme == checkpoint.scheme
    assert (back.epoch, back.radius_px, back.facts) == (4, 7, {"history": [{"epoch": 4}]})
    assert all(torch.equal(tensor, back.weights[name]) for name, tensor in checkpoint.weights.items())


def test_the_network_built_from_a_file_computes_what_the_stored_one_did(tmp_path: Path) -> None:
    checkpoint = made(Scheme.from_names(("a", "b")))
    store.save(tmp_path / "model.safetensors", checkpoint)
    gray = torch.rand(1, 1, 64, 64)
    with torch.inference_mode():
        (before,), (after,) = checkpoint.net()(gray), store.load_run(tmp_path).net()(gray)
    assert torch.equal(before, after)


def test_weights_for_other_landmarks_are_refused(tmp_path: Path) -> None:
    two, three = made(Scheme.from_names(("a", "b"))), Scheme.from_names(("a", "b", "c"))
    store.save(tmp_path / "m.safetensors", Checkpoint(two.config, three, two.weights, 0, 0, {}))
    with pytest.raises(InputError, match="do not fit"):
        store.load(tmp_path / "m.safetensors").net()


def test_a_file_of_someone_else_is_refused(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(1)}, tmp_path / "m.safetensors")
    with pytest.raises(InputError, match="not written by radmark"):
        store.load(tmp_path / "m.safetensors")


def test_a_truncated_file_is_refused_by_name(tmp_path: Path) -> None:
    store.save(tmp_path / "m.safetensors", made(Scheme.from_names(("a", "b"))))
    whole = (tmp_path / "m.safetensors").read_bytes()
    for length in (0, 5, 300, len(whole) - 1):
        (tmp_path / "m.safetensors").write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"m\.safetensors.*damaged"):
            store.load(tmp_path / "m.safetensors")


def test_a_folder_without_a_model_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="radmark train"):
        store.load_run(tmp_path)
