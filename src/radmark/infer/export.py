"""A run -> one file that other programs load: letterboxed film in, points in the film's own pixels out.

    checkpoint -> PointNet (looks, network, decoder, inverse letterbox) -> torch.export -> ONNX -> OpenVINO
                                                                                      -> 8 bit
The file is read back and asked for the points of sample films before it is put where the user wants it. What differs from torch
by more than `TOLERANCE_PX` never gets there.

The letterbox stays outside: ONNX's antialiased resize is another filter than PIL's (measured: gray values up to 0.05 apart), and
OpenVINO leaves the antialiasing out.
"""

import dataclasses
import hashlib
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from radmark import RESEARCH_USE, __version__, phantom
from radmark.checkpoint import Checkpoint, versions
from radmark.config import to_tree
from radmark.core.errors import InputError
from radmark.core.film import Film
from radmark.core.scheme import Scheme
from radmark.exported import ExportedPredictor
from radmark.exported.engines import BIN_KEY, Engine, import_openvino, open_onnx, open_openvino
from radmark.exported.facts import CONFIDENCE, IMAGE, KEY, POINTS, SOURCE_SIZE, Facts
from radmark.infer.predictor import VIEWS, averaged, locate, read_maps, view_of
from radmark.io.atomic import replacing
from radmark.letterbox import Letterboxed

Format = Literal["onnx", "openvino", "torch-export"]
SUFFIX: Mapping[Format, str] = {"onnx": ".onnx", "openvino": ".xml", "torch-export": ".pt2"}

TOLERANCE_PX = 0.05
"""How far a point of the file may be from torch's, in pixels of the film."""

CONFIDENCE_TOLERANCE = 1e-3

_OPSET = 18
_PHANTOM_PX = (211, 300, 401, 512, 640, 1200)
"""Longer sides of the sample films: smaller and larger than the network's grid, odd and even."""

_QUANTISED = ("Conv", "Add", "Concat", "Resize", "Clip", "Relu")
"""What runs in 8 bit between the first convolution and the heads; what lies between two of them then never leaves 8 bit."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """What an 8-bit file needs.

    Args:
        films: whose activations set the ranges; films like those it will meet.
        measured: other films, on which the points' shift is measured.
        max_shift_px: no file is made where 5 of 100 points shift by more than this, in pixels of the films.
    """

    films: Sequence[Letterboxed]
    measured: Sequence[Letterboxed]
    max_shift_px: float


class PointNet(nn.Module):
    """The whole way from letterboxed films to points in their own pixels, as one graph without a branch.

    All passes over a film (`--views`) go through the network as one batch, so the graph holds the network once.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__()
        self.net = checkpoint.net()
        self.config = checkpoint.config
        self.radius_px = checkpoint.radius_px

    def forward(self, image: Tensor, source_size: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 1, S, S) and (B, 2) width, height -> (B, K, 2) points in the films' pixels, (B, K) confidence."""
        config, b = self.config, image.shape[0]
        looks = [view_of(image, angle_deg, scale) for angle_deg, scale in VIEWS[: config.decode.views]]
        maps = self.net(torch.cat([view for view, _ in looks]))
        seen, sure = read_maps(maps, config, self.radius_px, config.decode.decoder)
        points, confidence = averaged(
            [(back(seen[i * b : (i + 1) * b]), sure[i * b : (i + 1) * b]) for i, (_, back) in enumerate(looks)]
        )
        return on_film(points, source_size, config.data.size), confidence


def on_film(points: Tensor, source_size: Tensor, size: int) -> Tensor:
    """What `Letterboxed.marks` does to (B, K, 2) points on a grid of `size`, in a graph: to the films' own pixels, and a point
    found in the padding to the edge.

    Args:
        points: (B, K, 2).
        source_size: (B, 2) width and height of the films.
        size: of the grid.
    """
    film = source_size.float()[:, None]
    side = film.amax(dim=2, keepdim=True)
    pad = torch.floor((side - film) / 2)
    native = (points + 0.5) * (side / size) - 0.5 - pad
    return torch.minimum(native.clamp(min=-0.5), film - 0.5)


def asked(film: Letterboxed) -> dict[str, NDArray[Any]]:
    """A film as a graph takes it: (1, 1, S, S) gray values and (1, 2) width and height."""
    source = film.inset.source
    return {IMAGE: film.gray[None, None].copy(), SOURCE_SIZE: np.array([[source.width, source.height]], np.int64)}


def parts(out: Path) -> tuple[Path, ...]:
    """The files an export to `out` makes: OpenVINO keeps the weights in a second one."""
    return (out, out.with_suffix(".bin")) if out.suffix == SUFFIX["openvino"] else (out,)


def sample_films(scheme: Scheme, size: int) -> list[Letterboxed]:
    """Phantoms on which a file is compared with torch: of the scheme's own kind, or where there is none, of each."""
    kinds = [scheme.name] * len(_PHANTOM_PX) if scheme.name in phantom.KINDS else list(phantom.KINDS)
    films: list[Letterboxed] = []
    for seed, (kind, longer_px) in enumerate(zip(kinds, _PHANTOM_PX, strict=False)):
        pixels = phantom.render(kind, seed, longer_px).pixels
        pixels = pixels if seed % 2 else np.ascontiguousarray(pixels.T)  # upright and lying
        films.append(Letterboxed.of(Film.from_array(pixels, f"phantom {kind} {seed}"), size))
    return films


def export(
    checkpoint: Checkpoint,
    out: Path,
    format_: Format,
    films: Sequence[Letterboxed],
    *,
    name: str,
    sha256: str,
    licence: str,
    calibration: Calibration | None = None,
) -> Facts:
    """Write a model as one file (OpenVINO: .xml and, beside it, .bin), if its points are those of torch.

    Args:
        checkpoint: the model.
        out: the file, with the suffix of the format.
        format_: which.
        films: on which it is compared with torch.
        name: of the run.
        sha256: of its model file.
        licence: of the weights, in the user's words.
        calibration: makes it an 8-bit file.

    Raises:
        InputError: a package is missing, the points are not torch's, 8-bit quantisation moves them too far, or there is no
            8-bit file of this format.
    """
    if calibration is not None and format_ == "torch-export":
        raise InputError(
            "there is no 8-bit file of this format", value=format_, remedy="Use --format onnx or openvino with --int8"
        )
    made_by = versions() | _packages(format_, int8=calibration is not None)
    with tempfile.TemporaryDirectory(prefix="radmark-export-") as folder:
        at = Path(folder)
        program = _traced(checkpoint)
        graph = at / "graph.pt2" if format_ == "torch-export" else _onnx(program, at / "graph.onnx")
        engine = (
            _torch_engine(program, graph) if format_ == "torch-export" else _engine(graph, format_, at / "graph.xml")
        )
        compared = compare(checkpoint, engine, films)
        compared.refuse_unequal()
        facts = Facts(
            size=checkpoint.config.data.size,
            scheme=checkpoint.scheme,
            model=_about(checkpoint, name, sha256),
            versions=made_by,
            licence=licence,
            parity=compared.parity(),
        )
        if calibration is not None:
            graph = quantise(graph, at / "int8.onnx", calibration.films)
            shifted = compare(checkpoint, _engine(graph, format_, at / "int8.xml"), calibration.measured)
            shifted.refuse_beyond(calibration.max_shift_px)
            facts = dataclasses.replace(facts, int8=shifted.shift(len(calibration.films)))
        named = at / f"named{SUFFIX[format_]}"
        if format_ == "torch-export":
            _save_torch(program, named, facts)
        else:
            (_save_onnx if format_ == "onnx" else _save_openvino)(graph, named, facts)
            ExportedPredictor.load(named)  # with what it says of itself, it is what `radmark predict` takes
        with ExitStack() as stack:
            # Renamed from the last to the first: OpenVINO's weights are there before the file that counts on them.
            for part in parts(out):
                shutil.copyfile(named.with_suffix(part.suffix), stack.enter_context(replacing(part)))
    return facts


# ---- is it the same? ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Compared:
    """How far a graph's points are from torch's.

    Args:
        names: of the N films.
        landmarks: their K names.
        px: (N, K) distances in pixels of each film.
        confidence: (N, K) differences of confidence.
    """

    names: Sequence[str]
    landmarks: Sequence[str]
    px: NDArray[np.float64]
    confidence: NDArray[np.float64]

    def parity(self) -> dict[str, Any]:
        """In figures, for a file that should give the same."""
        return {
            "images": len(self.names),
            "max_px": float(self.px.max()),
            "mean_px": float(self.px.mean()),
            "max_confidence": float(self.confidence.max()),
            "tolerance_px": TOLERANCE_PX,
        }

    def shift(self, calibration_images: int) -> dict[str, Any]:
        """In figures, for an 8-bit file."""
        return {
            "images": len(self.names),
            "mean_px": float(self.px.mean()),
            "median_px": float(np.median(self.px)),
            "p95_px": float(np.percentile(self.px, 95)),
            "max_px": float(self.px.max()),
            "max_confidence": float(self.confidence.max()),
            "calibration_images": calibration_images,
        }

    def refuse_unequal(self) -> None:
        """Do nothing where every point and every confidence is torch's.

        Raises:
            InputError: one is not.
        """
        # Not `> TOLERANCE`: a NaN is no equality.
        if not (self.px.max() <= TOLERANCE_PX and self.confidence.max() <= CONFIDENCE_TOLERANCE):
            worst = np.nan_to_num(self.px, nan=np.inf)
            film, landmark = np.unravel_index(worst.argmax(), worst.shape)
            raise InputError(
                f"the exported graph does not give torch's points: {self.landmarks[int(landmark)]} on "
                f"{self.names[int(film)]} is {worst.max():.3f} px away (allowed: {TOLERANCE_PX}), confidence differs by up "
                f"to {self.confidence.max():.4f} (allowed: {CONFIDENCE_TOLERANCE}); nothing is written",
                remedy="Try another --format, or update torch and onnx; please report it",
            )

    def refuse_beyond(self, max_shift_px: float) -> None:
        """Do nothing where 95 of 100 points are no further away than this.

        Raises:
            InputError: they are.
        """
        if not np.percentile(self.px, 95) <= max_shift_px:
            raise InputError(
                f"8-bit quantisation moves the points by {self.px.mean():.2f} px on average and by "
                f"{np.percentile(self.px, 95):.2f} px in 95 of 100 ({len(self.names)} images), more than --max-shift-px allows; "
                "nothing is written",
                value=max_shift_px,
                remedy="Calibrate on more images like those it will see, export without --int8, or allow more",
            )


def compare(checkpoint: Checkpoint, engine: Engine, films: Sequence[Letterboxed]) -> Compared:
    """A graph's points against those `radmark predict` gives of the run itself, the whole way to the films' own pixels."""
    net = checkpoint.net()
    px: list[NDArray[np.float64]] = []
    sure: list[NDArray[np.float64]] = []
    for film in films:
        image = asked(film)
        points, confidence = locate(net, torch.from_numpy(image[IMAGE]), checkpoint.config, checkpoint.radius_px)
        torchs = film.marks(checkpoint.scheme, points[0].numpy(), confidence[0].numpy())
        found, its_confidence = engine(image[IMAGE], image[SOURCE_SIZE])
        px.append(np.hypot(*(found[0].astype(np.float64) - torchs.points).T))
        sure.append(np.abs(its_confidence[0] - confidence[0].numpy().astype(np.float64)))
    return Compared([film.name for film in films], checkpoint.scheme.names, np.array(px), np.array(sure))


# ---- graphs -------------------------------------------------------------------------------------------------------------


def _traced(checkpoint: Checkpoint) -> Any:
    """The graph as torch.export has it, for any number of films at once."""
    size = checkpoint.config.data.size
    # Two films: a batch of one would be taken for a constant.
    example = (torch.rand(2, 1, size, size), torch.tensor([[size, size], [2 * size, size]]))
    batch = torch.export.Dim("batch", min=1)
    return torch.export.export(PointNet(checkpoint).eval(), example, dynamic_shapes=({0: batch}, {0: batch}))


def _onnx(program: Any, to: Path) -> Path:
    """The graph as ONNX, its batch norms folded into the convolutions before them."""
    import onnx

    made: Any = torch.onnx.export(
        program,
        dynamo=True,
        opset_version=_OPSET,
        input_names=[IMAGE, SOURCE_SIZE],
        output_names=[POINTS, CONFIDENCE],
        verbose=False,
    )
    model: Any = made.model_proto
    for port in (*model.graph.input, *model.graph.output):
        port.type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.checker.check_model(model)
    onnx.save(model, to)
    return to


def quantise(graph: Path, to: Path, films: Sequence[Letterboxed]) -> Path:
    """The same graph with its network in 8 bit: weights for each channel, activations for each tensor, by the films' ranges.

    The looks, the first layers, the heads and the decoding stay in 32 bit: a map of 256 steps cannot tell a peak from what lies
    beside it.
    """
    import onnx
    from onnxruntime import quantization

    model: Any = onnx.load(graph)
    # What the quantiser would advise in the log is done: shapes are known, batch norms are folded.
    quantization.quant_utils.add_infer_metadata(model)
    quantization.quant_utils.add_pre_process_metadata(model)
    ready = graph.with_name("inferred.onnx")
    onnx.save(model, ready)

    class Reader(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self._left = iter(films)

        def get_next(self) -> dict[str, Any] | None:  # pyright: ignore[reportIncompatibleMethodOverride]
            film = next(self._left, None)
            return None if film is None else asked(film)

    quantization.quantize_static(
        ready,
        to,
        Reader(),
        quant_format=quantization.QuantFormat.QDQ,
        per_channel=True,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
        op_types_to_quantize=list(_QUANTISED),
        nodes_to_quantize=_network_nodes(model.graph, films[0].inset.target.width),
    )
    return to


def _network_nodes(graph: Any, size: int) -> list[str]:
    """Names of the nodes that go to 8 bit: from the first convolution to the heads, without these and without the encoder's
    layers at half the grid. These have few channels of very different ranges: with them in 32 bit, the points of a MobileNetV2
    on cephalograms shifted by 0.5 px instead of 1.1 px.
    """
    heads = {
        node.name
        for node in graph.node
        if node.op_type == "Conv" and ("segmentation_head" in node.input[1] or "coarse_heads" in node.input[1])
    }
    assert (
        heads
    )  # the exporter keeps the names of weights; without nodes to begin with, the quantiser would take them all
    maker = {name: node for node in graph.node for name in node.output}
    side = {
        v.name: v.type.tensor_type.shape.dim[-1].dim_value for v in graph.value_info if v.type.tensor_type.shape.dim
    }
    belongs_to: dict[
        str, str
    ] = {}  # the weights of the last convolution, for each node behind one; in the computation's order
    for node in graph.node:
        before = (belongs_to.get(maker[name].name) for name in node.input if name in maker)
        weights = node.input[1] if node.op_type == "Conv" else next((w for w in before if w is not None), None)
        if weights is not None:
            belongs_to[node.name] = weights
    leads_to_head: set[str] = set()
    for node in reversed(graph.node):
        if node.name in heads | leads_to_head:
            leads_to_head |= {maker[name].name for name in node.input if name in maker}

    def early(node: Any) -> bool:
        return ".encoder." in belongs_to[node.name] and side.get(node.output[0], 0) > size // 4

    return [
        node.name
        for node in graph.node
        if node.op_type in _QUANTISED
        and node.name in leads_to_head - heads
        and node.name in belongs_to
        and not early(node)
    ]


# ---- files --------------------------------------------------------------------------------------------------------------


def _engine(graph: Path, format_: Format, xml: Path) -> Engine:
    """An ONNX graph as the format's own program runs it; OpenVINO's file is made on the way."""
    if format_ == "onnx":
        return open_onnx(graph).run
    _save_openvino(graph, xml)
    return open_openvino(xml).run


def _torch_engine(program: Any, file: Path) -> Engine:
    """A torch.export file, read back."""
    torch.export.save(program, file)
    module = torch.export.load(file).module()

    @torch.inference_mode()
    def run(image: NDArray[np.float32], source_size: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[Any]]:
        points, confidence = module(torch.from_numpy(image), torch.from_numpy(source_size))
        return points.numpy(), confidence.numpy()

    return run


def _save_torch(program: Any, to: Path, facts: Facts) -> None:
    torch.export.save(program, to, extra_files={KEY: facts.to_json()})


def _save_onnx(graph: Path, to: Path, facts: Facts) -> None:
    import onnx

    model: Any = onnx.load(graph)
    model.producer_name, model.producer_version, model.doc_string = "radmark", __version__, facts.card()
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {KEY: facts.to_json(), "license": facts.licence, "notice": RESEARCH_USE})
    onnx.checker.check_model(model)
    onnx.save(model, to)


def _save_openvino(graph: Path, to: Path, facts: Facts | None = None) -> None:
    """An ONNX graph as OpenVINO's two files, at full precision, with what they say of themselves."""
    openvino = import_openvino()
    # Its core reads ONNX; its `convert_model` would, too, and send its maker statistics of it.
    model = openvino.Core().read_model(str(graph))
    openvino.save_model(model, str(to), compress_to_fp16=False)
    if facts is not None:
        with to.with_suffix(".bin").open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        model.set_rt_info(facts.to_json(), [KEY])
        model.set_rt_info(digest, [BIN_KEY])
        openvino.save_model(model, str(to), compress_to_fp16=False)


def _about(checkpoint: Checkpoint, name: str, sha256: str) -> dict[str, Any]:
    config, facts = checkpoint.config, checkpoint.facts
    tree = to_tree(config)
    tree["model"]["encoder_weights"] = Path(
        config.model.encoder_weights
    ).name  # a folder of the training machine's is nobody's
    return {
        "name": name,
        "sha256": sha256,
        "network": f"U-Net, encoder {config.model.encoder}, maps at {config.model.levels} levels",
        "decoder": f"{config.decode.decoder}, {config.decode.views} passes over a film",
        "config": tree,
        "epoch": checkpoint.epoch,
        "radius_px": checkpoint.radius_px,
        "training_images": _number(facts, "training_images"),
        "training_patients": _number(facts, "training_patients"),
    }


def _number(facts: Mapping[str, Any], key: str) -> int | None:
    return len(facts[key]) if key in facts else None


def _packages(format_: Format, *, int8: bool) -> dict[str, str]:
    """Versions of what makes and runs a file of this format.

    Raises:
        InputError: one is not installed.
    """
    names: list[str] = []
    if format_ != "torch-export":
        names = ["onnx", "onnxscript", "openvino" if format_ == "openvino" else "onnxruntime"]
        names += ["onnxruntime"] if int8 and format_ == "openvino" else []
    try:
        return {name: version(name) for name in names}
    except PackageNotFoundError as error:
        raise InputError(
            f"exporting to {format_} needs the package {error.name}",
            remedy='Install it with: pip install "radmark[export]"',
        ) from error
