"""The network: a letterboxed film in, maps of logits out, one for each landmark on each of its levels."""

import math
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import segmentation_models_pytorch as smp
import torch
from safetensors.torch import load_file
from segmentation_models_pytorch.base import SegmentationHead
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from radmark.config import ModelConfig
from radmark.core.errors import InputError

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)


class LandmarkNet(nn.Module):
    """segmentation-models-pytorch's U-Net behind the encoder's own normalisation, with a head at each of its finest levels.

    Input (B, 1, S, S) float in [0, 1], S a multiple of 32; output `config.levels` maps of logits, the finest first:
    (B, K, S / stride, S / stride), (B, K, S / stride / 2, ...), ...
    """

    def __init__(self, config: ModelConfig, n_landmarks: int) -> None:
        super().__init__()
        self.unet: Any = smp.Unet(
            config.encoder, encoder_weights=None, decoder_channels=config.decoder_channels, classes=n_landmarks
        )
        n = len(config.decoder_channels) - int(math.log2(config.stride))
        if config.stride > 1:
            self.unet.decoder.blocks = self.unet.decoder.blocks[:n]
            self.unet.segmentation_head = SegmentationHead(config.decoder_channels[n - 1], n_landmarks, kernel_size=3)
        channels = config.decoder_channels[n - config.levels : n - 1]
        self.coarse_heads = nn.ModuleList(nn.Conv2d(c, n_landmarks, kernel_size=1) for c in reversed(channels))
        self.mean: Tensor
        self.std: Tensor
        self.recompute: bool = False  # a setting of training, not of the model
        self.register_buffer("mean", torch.tensor(_IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_IMAGENET_STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, gray: Tensor) -> tuple[Tensor, ...]:
        """(B, 1, S, S) in [0, 1] -> `levels` maps of logits, the finest first."""
        features = self._stage(self.unet.encoder, (gray - self.mean) / self.std)
        # The library's decoder, block by block, for what lies between them.
        *shapes, _ = [feature.shape[2:] for feature in features]
        skips = features[1:-1]
        decoded = [self.unet.decoder.center(features[-1])]
        for i, block in enumerate(self.unet.decoder.blocks):
            skip = skips[-1 - i] if i < len(skips) else None
            decoded.append(self._stage(block, decoded[-1], *shapes[-1 - i], skip_connection=skip))
        heads = [self.unet.segmentation_head, *self.coarse_heads]
        return tuple(head(level) for head, level in zip(heads, reversed(decoded), strict=False))

    def _stage(self, part: nn.Module, *inputs: Any, **named: Any) -> Any:
        """A part's outputs; with `recompute` what lies inside it is not kept but computed again for the gradient."""
        if not (self.recompute and self.training):
            return part(*inputs, **named)
        return checkpoint(part, *inputs, **named, use_reentrant=False, context_fn=lambda: (nullcontext(), _still(part)))


@contextmanager
def _still(part: nn.Module) -> Generator[None]:
    """Running averages that stay where they are: the second time a batch is computed it must not be counted again."""
    norms = [m for m in part.modules() if isinstance(m, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    counted = [norm.num_batches_tracked.clone() for norm in norms]  # pyright: ignore[reportOptionalMemberAccess]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum, count in zip(norms, momenta, counted, strict=True):
            norm.momentum = momentum
            norm.num_batches_tracked.copy_(count)  # pyright: ignore[reportOptionalMemberAccess]


def build(config: ModelConfig, n_landmarks: int) -> LandmarkNet:
    """A network with random weights; `load_encoder_weights` or a checkpoint fills them.

    Raises:
        InputError: the library has no such encoder.
    """
    try:
        return LandmarkNet(config, n_landmarks)
    except KeyError as error:
        raise InputError(
            "segmentation-models-pytorch has no such encoder",
            value=config.encoder,
            remedy=f"Use one of its encoders, such as {', '.join(sorted(smp.encoders.get_encoder_names())[:200:12])}",
        ) from error


def load_encoder_weights(net: LandmarkNet, config: ModelConfig) -> None:
    """Fill the encoder from `config.encoder_weights`: "imagenet", "none" or a file. Never starts at random unasked.

    Raises:
        InputError: the download failed, the file is missing or unreadable, or its tensors are not this encoder's.
    """
    source = config.encoder_weights
    if source == "none":
        return
    state = _download(config) if source == "imagenet" else _read_weights(Path(source))
    own = net.unet.encoder.state_dict()
    # A classifier's last layers have no place in an encoder; everything the encoder has must come from the file.
    # (num_batches_tracked counts training steps and is not a weight.)
    missing = [k for k in own if k not in state and not k.endswith("num_batches_tracked")]
    unlike = [k for k in own if k in state and state[k].shape != own[k].shape]
    if missing or unlike:
        raise InputError(
            f"these are not weights of {config.encoder}: {len(missing)} of its {len(own)} tensors are missing and "
            f"{len(unlike)} have another shape, the first is {(missing + unlike)[0]}",
            file=source,
            remedy="Give a file for this encoder, in torchvision's or segmentation-models-pytorch's names",
        )
    nn.Module.load_state_dict(net.unet.encoder, {k: v for k, v in state.items() if k in own}, strict=False)


def _download(config: ModelConfig) -> dict[str, Tensor]:
    try:
        encoder: Any = smp.encoders.get_encoder(config.encoder, weights="imagenet")
    except Exception as error:  # the hub, the network and the library each raise their own
        raise InputError(
            f"the ImageNet weights of {config.encoder} could not be fetched ({type(error).__name__})",
            value="imagenet",
            remedy="Connect to the internet once, give a file with --encoder-weights FILE, "
            "or start at random with --encoder-weights none (many more epochs are needed then)",
        ) from error
    return encoder.state_dict()


def _read_weights(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise InputError(
            "there is no such file of encoder weights", file=path, remedy='Give a file, "imagenet" or "none"'
        )
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a broken file raises many things
        raise InputError(
            f"the file of encoder weights cannot be read ({error})",
            file=path,
            remedy="Give a .safetensors or .pth file",
        ) from error
    return state.get("state_dict", state)
