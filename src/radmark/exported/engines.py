"""The programs that run an exported graph: ONNX Runtime and OpenVINO. They read data; neither runs code from a file."""

import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from radmark.core.errors import InputError
from radmark.exported.facts import CONFIDENCE, IMAGE, KEY, POINTS, SOURCE_SIZE
from radmark.io.files import file_sha256

BIN_KEY = f"{KEY}_bin_sha256"
"""Where an OpenVINO .xml says what its .bin has to be."""


class Engine(Protocol):
    """A loaded graph; several threads may ask it at once."""

    def __call__(self, image: NDArray[np.float32], source_size: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[Any]]:
        """(B, 1, S, S) letterboxed films and (B, 2) their width, height -> (B, K, 2) points and (B, K) confidence."""
        ...


@dataclass(frozen=True)
class Opened:
    """A graph, ready, and what stands in its file.

    Args:
        run: the graph.
        text: radmark's metadata, or None where there is none.
        shapes: of the inputs and outputs by name; -1 for any number.
    """

    run: Engine
    text: str | None
    shapes: Mapping[str, tuple[int, ...]]


def open_onnx(path: Path, threads: int | None = None, at_once: int = 1) -> Opened:  # noqa: ARG001 - of use to the other
    """A graph in ONNX Runtime, on the CPU.

    Args:
        path: the file.
        threads: for each image; None: all there are.
        at_once: how many images will be asked for at the same time; here each caller's own thread does the work.

    Raises:
        InputError: ONNX Runtime is not installed, or cannot make sense of the file.
    """
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise _not_installed("ONNX Runtime", "radmark[onnx]") from error
    runtime: Any = onnxruntime
    options = runtime.SessionOptions()
    options.log_severity_level = 4  # what is wrong comes as an exception; standard error is the caller's
    if threads is not None:
        options.intra_op_num_threads = threads
    try:
        session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        text = session.get_modelmeta().custom_metadata_map.get(KEY)
        shapes = {
            port.name: tuple(side if isinstance(side, int) else -1 for side in port.shape)
            for port in (*session.get_inputs(), *session.get_outputs())
        }
    except Exception as error:  # each of ONNX Runtime's errors is a class of its own below Exception
        raise _unreadable(path, "an ONNX model", error) from error

    def run(image: NDArray[np.float32], source_size: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[Any]]:
        points, confidence = session.run([POINTS, CONFIDENCE], {IMAGE: image, SOURCE_SIZE: source_size})
        return points, confidence

    return Opened(run, text, shapes)


def open_openvino(path: Path, threads: int | None = None, at_once: int = 1) -> Opened:
    """A graph in OpenVINO, on the CPU, in 32 bit (8 bit where the file is). The arguments are those of `open_onnx`.

    Raises:
        InputError: OpenVINO is not installed, cannot make sense of the file, or the .bin beside it is another's.
    """
    openvino = import_openvino()
    weights = path.with_suffix(".bin")
    if not weights.is_file():
        raise InputError(
            "the weights are not beside the .xml file", file=weights, remedy="Keep both files in one folder"
        )
    try:
        core = openvino.Core()
        # What is kept in 32 bit is computed so: by itself the engine would halve that where the processor can.
        settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32"}
        if threads is not None:
            settings |= {"INFERENCE_NUM_THREADS": threads * at_once, "NUM_STREAMS": at_once}
        model = core.read_model(str(path))
        text, expected = (
            str(model.get_rt_info([key]).value) if model.has_rt_info([key]) else None for key in (KEY, BIN_KEY)
        )
        found = file_sha256(weights)
        if text is not None and found != expected:
            raise InputError(
                "the weights do not belong to the .xml file, or are damaged",
                file=weights,
                value=found[:12],
                remedy=f"Copy both files again; its sha256 should begin with {str(expected)[:12]}",
            )
        shapes = {
            port.any_name: tuple(-1 if side.is_dynamic else side.get_length() for side in port.partial_shape)
            for port in (*model.inputs, *model.outputs)
        }
        compiled = core.compile_model(model, "CPU", settings)
    except InputError:
        raise
    except Exception as error:  # it raises RuntimeError and whatever else its readers meet
        raise _unreadable(path, "an OpenVINO model", error) from error

    own = threading.local()  # a request holds one image's results, so each thread has its own

    def run(image: NDArray[np.float32], source_size: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[Any]]:
        if not hasattr(own, "request"):
            own.request = compiled.create_infer_request()
        found = own.request.infer({IMAGE: image, SOURCE_SIZE: source_size})
        return np.array(found[POINTS]), np.array(found[CONFIDENCE])  # copies: the next call writes into the same memory

    return Opened(run, text, shapes)


def import_openvino() -> Any:
    """OpenVINO, silent: its import would send usage statistics to its maker if it found the package that does so.

    Raises:
        InputError: it is not installed.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # pyright: ignore[reportArgumentType]
    try:
        import openvino
    except ModuleNotFoundError as error:
        raise _not_installed("OpenVINO", "openvino") from error
    return openvino


def _not_installed(program: str, package: str) -> InputError:
    return InputError(
        f"this file needs {program}, which is not installed", remedy=f'Install it with: pip install "{package}"'
    )


def _unreadable(path: Path, what: str, error: Exception) -> InputError:
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return InputError(
        f"this is not {what}, or it is damaged ({said[:160]})",
        file=path,
        remedy="Copy it again, or export the run again",
    )
