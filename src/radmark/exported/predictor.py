"""Radiograph -> prediction in the radiograph's own frame, by an exported file; no torch."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radmark.core.errors import InputError
from radmark.core.frame import Frame, Inset
from radmark.core.prediction import Prediction
from radmark.core.radiograph import Radiograph
from radmark.core.scheme import Scheme
from radmark.exported.engines import Engine, open_onnx, open_openvino
from radmark.exported.facts import CONFIDENCE, IMAGE, POINTS, SOURCE_SIZE, Facts
from radmark.letterbox import letterbox_pixels, stated

_OPEN = {".onnx": open_onnx, ".xml": open_openvino}


def is_exported(path: Path) -> bool:
    """Whether a path names an exported file (and not a run's folder)."""
    return path.suffix.lower() in _OPEN and not path.is_dir()


@dataclass(frozen=True, eq=False)
class ExportedPredictor:
    """An exported model, ready: `ExportedPredictor.load(file)(name, radiograph)`, as `radmark.infer.Predictor`.

    Args:
        facts: what the file says of itself.
        engine: the graph.
        absent_below: confidence under which a landmark is stated absent; 0: never.
    """

    facts: Facts
    engine: Engine
    absent_below: float = 0.0

    @classmethod
    def load(
        cls, path: Path, *, absent_below: float = 0.0, threads: int | None = None, at_once: int = 1
    ) -> "ExportedPredictor":
        """The model in a file: .onnx (ONNX Runtime), .xml (OpenVINO, the .bin beside it).

        Args:
            path: the file.
            absent_below: see the class.
            threads: how many the engine may use for an image; None: as many as it likes.
            at_once: how many images it will be asked for at the same time.

        Raises:
            InputError: no such file, not a model, not one radmark exported, or its engine is not installed.
        """
        open_ = _OPEN.get(path.suffix.lower())
        if open_ is None:
            raise InputError(
                "not a file radmark can predict with", file=path, remedy=f"It ends in {' or '.join(_OPEN)}"
            )
        if not path.is_file():
            raise InputError("there is no such exported model", file=path, remedy="Check the path")
        opened = open_(path, threads, at_once)
        if opened.text is None:
            raise InputError(
                "this model was not exported by radmark: it does not say how to prepare a film and what its points are",
                file=path,
                remedy="Give a file that `radmark export` made",
            )
        try:
            facts = Facts.from_json(opened.text)
        except InputError as error:
            raise error.at(file=path) from error
        n = len(facts.scheme)
        expected = {
            IMAGE: (-1, 1, facts.size, facts.size),
            SOURCE_SIZE: (-1, 2),
            POINTS: (-1, n, 2),
            CONFIDENCE: (-1, n),
        }
        if dict(opened.shapes) != expected:
            raise InputError(
                "the graph is not what the file says of itself",
                file=path,
                value=dict(opened.shapes),
                remedy="Export the run again",
            )
        return cls(facts, opened.run, absent_below)

    @property
    def scheme(self) -> Scheme:
        """What the model marks."""
        return self.facts.scheme

    def side_by_side(self) -> AbstractContextManager[None]:
        """See `ParallelDetector`; how many threads an image gets was said when the file was opened."""
        return nullcontext()

    def inset(self, frame: Frame) -> Inset:
        """How the model sees a radiograph of this frame."""
        return Inset.letterbox(frame, self.facts.size)

    def __call__(self, name: str, radiograph: Radiograph) -> Prediction:
        """The landmarks of one radiograph, in its own frame.

        Raises:
            InputError: the graph gave something that is no point.
        """
        frame = radiograph.frame
        image = np.ascontiguousarray(letterbox_pixels(radiograph, self.inset(frame)), np.float32)[None, None]
        points, confidence = self.engine(image, np.array([[frame.width, frame.height]], np.int64))
        if not (np.isfinite(points).all() and np.isfinite(confidence).all()):
            raise InputError("the model gave numbers that are no points", value=name, remedy="Export the run again")
        return stated(name, self.scheme, frame, points[0], confidence[0], self.absent_below)
