"""Film -> marks on it, by an exported file; no torch."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radmark.core.errors import InputError
from radmark.core.film import Film, FilmLike
from radmark.core.marks import Marks, Model
from radmark.core.scheme import Scheme
from radmark.exported.engines import Engine, open_onnx, open_openvino
from radmark.exported.facts import CONFIDENCE, IMAGE, POINTS, SOURCE_SIZE, Facts
from radmark.io.files import file_sha256
from radmark.io.images import as_film
from radmark.letterbox import Letterboxed

_OPEN = {".onnx": open_onnx, ".xml": open_openvino}


def is_exported(path: Path) -> bool:
    """Whether a path names an exported file (and not a run's folder)."""
    return path.suffix.lower() in _OPEN and not path.is_dir()


@dataclass(frozen=True, eq=False, repr=False)
class ExportedPredictor:
    """An exported model, ready: `ExportedPredictor.load(file)(film)`, as `radmark.infer.Predictor`.

    Args:
        facts: what the file says of itself.
        engine: the graph.
        absent_below: confidence under which a landmark is stated absent; 0: never.
        author: which model it is: the run's name and the sha256 of this file.
    """

    facts: Facts
    engine: Engine
    absent_below: float = 0.0
    author: Model | None = None

    @classmethod
    def load(
        cls, path: Path, *, absent_below: float = 0.0, threads: int | None = None, at_once: int = 1
    ) -> "ExportedPredictor":
        """The model in a file: .onnx (ONNX Runtime), .xml (OpenVINO, the .bin beside it).

        Args:
            path: the file.
            absent_below: see the class.
            threads: how many the engine may use for a film; None: as many as it likes.
            at_once: how many films it will be asked for at the same time.

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
        return cls(facts, opened.run, absent_below, Model(file_sha256(path), facts.name))

    @property
    def scheme(self) -> Scheme:
        """What the model marks."""
        return self.facts.scheme

    @property
    def size(self) -> int:
        """Side of the square grid on which it sees a film, in pixels."""
        return self.facts.size

    def side_by_side(self) -> AbstractContextManager[None]:
        """See `ParallelDetector`; how many threads a film gets was said when the file was opened."""
        return nullcontext()

    def __call__(self, film: FilmLike) -> Marks:
        """The landmarks of one film, in its own frame.

        Args:
            film: or its file, or (H, W) gray values, brighter is denser.

        Raises:
            InputError: the graph gave something that is no point.
        """
        return self.locate([self.prepare(as_film(film))])[0]

    def prepare(self, film: Film) -> Letterboxed:
        """A film letterboxed to the graph's grid; for any thread."""
        return Letterboxed.of(film, self.size)

    def locate(self, prepared: Sequence[Letterboxed]) -> list[Marks]:
        """The landmarks of several films, each a pass of the graph of its own, in their order.

        Raises:
            InputError: the graph gave something that is no point.
        """
        return [self._marks(film) for film in prepared]

    def _marks(self, film: Letterboxed) -> Marks:
        # Told that the film is as large as the grid, the graph leaves its points there; from there all go one road.
        grid = np.array([[self.size, self.size]], np.int64)
        points, confidence = self.engine(np.ascontiguousarray(film.gray, np.float32)[None, None], grid)
        if not (np.isfinite(points).all() and np.isfinite(confidence).all()):
            raise InputError(
                "the model gave numbers that are no points", value=film.name, remedy="Export the run again"
            )
        return film.marks(self.scheme, points[0], confidence[0], author=self.author, absent_below=self.absent_below)

    def __repr__(self) -> str:
        return (
            f"ExportedPredictor {self.author or 'unnamed'}: {self.scheme.name}, {len(self.scheme)} landmarks; "
            f"{self.facts.model.get('network', 'network unknown')}, {self.size} x {self.size} px"
        )
