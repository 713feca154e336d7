"""The network and where its weights come from. A wrong or missing file is never a silent random start."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from radmark.config import ModelConfig
from radmark.core import InputError
from radmark.model import build, load_encoder_weights

WEIGHTS = Path(__file__).parents[1] / "../shared/weights/mobilenet_v2_imagenet.safetensors"
SMALL = (16, 8, 8, 8, 8)


def test_a_map_of_the_input_size_comes_out_for_each_landmark() -> None:
    net = build(ModelConfig("resnet18", "none", SMALL), 5).eval()
    with torch.inference_mode():
        (logits,) = net(torch.rand(2, 1, 64, 96))
    assert logits.shape == (2, 5, 64, 96)


def test_each_level_has_a_map_half_as_fine_as_the_one_before() -> None:
    net = build(ModelConfig("resnet18", "none", (32, 16, 8, 8, 4), stride=2, levels=4), 5).eval()
    with torch.inference_mode():
        shapes = [tuple(logits.shape) for logits in net(torch.rand(2, 1, 64, 96))]
    assert shapes == [(2, 5, 32, 48), (2, 5, 16, 24), (2, 5, 8, 12), (2, 5, 4, 6)]


@pytest.mark.parametrize("encoder", ["mobilenet_v2", "resnet18"])
def test_the_finest_map_is_the_librarys_own(encoder: str) -> None:
    net = build(ModelConfig(encoder, "none", SMALL, levels=5), 5).eval()
    gray = torch.rand(1, 1, 64, 96)
    with torch.inference_mode():
        assert torch.equal(net(gray)[0], net.unet((gray - net.mean) / net.std))


def test_an_unknown_encoder_is_named_with_some_that_exist() -> None:
    with pytest.raises(InputError, match=r"resnet1001.*Use one of its encoders"):
        build(ModelConfig("resnet1001", "none", SMALL), 5)


def test_weights_from_a_file_are_really_loaded(tmp_path: Path) -> None:
    torch.manual_seed(1)
    given = {k: torch.randn_like(v) if v.is_floating_point() else v for k, v in encoder_state("resnet18").items()}
    given["fc.weight"] = torch.zeros(1000, 512)  # a classifier's last layer, as torchvision's files have it
    save_file(given, tmp_path / "w.safetensors")
    net = build(ModelConfig("resnet18", str(tmp_path / "w.safetensors"), SMALL), 5)
    load_encoder_weights(net, ModelConfig("resnet18", str(tmp_path / "w.safetensors"), SMALL))
    for name, value in net.unet.encoder.state_dict().items():
        assert torch.equal(value, given[name]), name


def test_a_pth_file_works_too(tmp_path: Path) -> None:
    given = {k: torch.ones_like(v) for k, v in encoder_state("resnet18").items()}
    torch.save(given, tmp_path / "w.pth")
    config = ModelConfig("resnet18", str(tmp_path / "w.pth"), SMALL)
    net = build(config, 5)
    load_encoder_weights(net, config)
    assert (net.unet.encoder.state_dict()["conv1.weight"] == 1).all()


def test_weights_of_another_encoder_are_refused(tmp_path: Path) -> None:
    save_file(encoder_state("resnet18"), tmp_path / "w.safetensors")
    config = ModelConfig("mobilenet_v2", str(tmp_path / "w.safetensors"), SMALL)
    with pytest.raises(InputError, match="not weights of mobilenet_v2"):
        load_encoder_weights(build(config, 5), config)


@pytest.mark.parametrize("content", [b"", b"not a tensor in sight"])
@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
def test_a_broken_file_is_refused_by_name(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    config = ModelConfig("resnet18", str(tmp_path / name), SMALL)
    with pytest.raises(InputError, match=name):
        load_encoder_weights(build(config, 5), config)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    config = ModelConfig("resnet18", str(tmp_path / "gone.pth"), SMALL)
    with pytest.raises(InputError, match=r"gone\.pth"):
        load_encoder_weights(build(config, 5), config)


def test_a_failed_download_says_the_way_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # The hub's own client, told that there is no network; an empty cache so that nothing is found.
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    config = ModelConfig("resnet18", "imagenet", SMALL)
    with pytest.raises(InputError, match="--encoder-weights none"):
        load_encoder_weights(build(config, 5), config)


@pytest.mark.real_data
@pytest.mark.skipif(not WEIGHTS.is_file(), reason="the ImageNet weights of mobilenet_v2 are not at hand")
def test_torchvisions_names_load_into_mobilenet_v2() -> None:
    config = ModelConfig("mobilenet_v2", str(WEIGHTS), SMALL)
    net = build(config, 5)
    load_encoder_weights(net, config)
    assert torch.equal(net.unet.encoder.state_dict()["features.0.0.weight"], load_file(WEIGHTS)["features.0.0.weight"])


def encoder_state(name: str) -> dict[str, torch.Tensor]:
    return build(ModelConfig(name, "none", SMALL), 1).unet.encoder.state_dict()
