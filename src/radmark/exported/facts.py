"""What an exported model's file says of itself, as JSON under one key: enough to prepare its input, to name its output and to
judge whether to use it at all, without asking radmark.

Nothing of the training films travels along: no file names, no patients, only how many they were.
"""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from radmark import RESEARCH_USE
from radmark.core.errors import InputError
from radmark.core.scheme import LandmarkDefinition, Scheme

FORMAT = 1
KEY = "radmark"
"""Of the metadata of an ONNX file, of the runtime information of an OpenVINO file and of the extra files of a torch one."""

IMAGE, SOURCE_SIZE, POINTS, CONFIDENCE = "image", "source_size", "points", "confidence"
"""The graph's inputs and outputs."""

LETTERBOX = {
    "normalise": "gray as float32, (gray - min) / (max - min) of the film's own pixels; a constant film is all zeros",
    "pad": "with zeros to a square of side max(width, height); left: (side - width) // 2, above: (side - height) // 2",
    "resize": "to size x size, bilinear with antialiasing, edges on edges: PIL.Image.resize(…, BILINEAR) of mode F",
}
"""How a film becomes the graph's image: `radmark.letterbox` in words, in this order."""


@dataclass(frozen=True, repr=False)
class Facts:
    """All of it.

    Args:
        size: side of the square image the graph takes, in pixels.
        scheme: what the points are, in order.
        model: what the weights are: name, sha256 of the run's model file, network, config, number of training films.
        versions: of radmark and of the libraries that made the file.
        licence: of the weights, as whoever exported them states it.
        parity: how far the file's points were from torch's when it was made: images, max_px, mean_px, max_confidence.
        int8: None, or the same for the quantised file: images, mean_px, p95_px, max_px, calibration_images.
    """

    size: int
    scheme: Scheme
    model: Mapping[str, Any]
    versions: Mapping[str, str]
    licence: str
    parity: Mapping[str, Any]
    int8: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        """The run's name, and int8 where it is."""
        return f"{self.model['name']}{' int8' if self.int8 else ''}"

    @property
    def model_name(self) -> str:
        """Which model it is, whatever the file is called: the run's name, the beginning of its sha256, int8 where it is."""
        return f"{self.model['name']} {self.model['sha256'][:12]}{' int8' if self.int8 else ''}"

    def to_json(self) -> str:
        """One JSON text."""
        n = len(self.scheme)
        tree = {
            "format": FORMAT,
            "notice": RESEARCH_USE,
            "licence": self.licence,
            "size": self.size,
            "letterbox": LETTERBOX,
            "inputs": {
                IMAGE: f"float32 (batch, 1, {self.size}, {self.size}): letterboxed films",
                SOURCE_SIZE: "int64 (batch, 2): width and height of each film in pixels, before the letterbox",
            },
            "outputs": {
                POINTS: f"float32 (batch, {n}, 2): x (right), y (down) in pixels of the film; (0, 0) is the centre of its "
                "top-left pixel",
                CONFIDENCE: f"float32 (batch, {n}) in [0, 1]: the model's own; not a probability of being right",
            },
            "scheme": dataclasses.asdict(self.scheme),
            "model": dict(self.model),
            "versions": dict(self.versions),
            "parity": dict(self.parity),
            "int8": None if self.int8 is None else dict(self.int8),
            "card": self.card(),
        }
        return json.dumps(tree, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "Facts":
        """Undo `to_json`.

        Raises:
            InputError: it is not such a text, or of a newer format.
        """
        try:
            tree: dict[str, Any] = json.loads(text)
            if tree["format"] != FORMAT:
                raise InputError(
                    f"the exported file has format {tree['format']!r}, this radmark reads {FORMAT}",
                    remedy="Update radmark, or export the run again",
                )
            size, model = tree["size"], tree["model"]
            if type(size) is not int or size < 32 or size % 32:
                raise ValueError("size")
            return cls(
                size=size,
                scheme=_scheme(tree["scheme"]),
                model={"name": str(model["name"]), "sha256": str(model["sha256"])} | dict(model),
                versions={str(name): str(version) for name, version in tree["versions"].items()},
                licence=str(tree["licence"]),
                parity=dict(tree["parity"]),
                int8=None if tree["int8"] is None else dict(tree["int8"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise InputError(
                f"what the exported file says of itself is damaged ({type(error).__name__}: {error})",
                remedy="Export the run again",
            ) from error

    def __repr__(self) -> str:
        return self.card()

    def card(self) -> str:
        """A short model card, in Markdown."""
        model, scheme = self.model, self.scheme
        lines = [
            f"# {model['name']}: {scheme.title or scheme.name}",
            RESEARCH_USE,
            f"- Marks {len(scheme)} landmarks of the scheme {scheme.name}: {', '.join(scheme.names)}.",
            f"- Network: {model['network']}, {self.size} x {self.size} pixels. Weights: sha256 {model['sha256']}.",
            f"- Trained on {_count(model.get('training_images'), 'film')} of "
            f"{_count(model.get('training_patients'), 'patient')}.",
            f"- Licence of the weights: {self.licence}.",
            f"- Points differ from those of the run in torch by {self.parity['max_px']:.4f} px at most "
            f"({self.parity['images']} images, 32 bit).",
        ]
        if self.int8 is not None:
            q = self.int8
            lines.append(
                f"- 8-bit quantisation: points shifted by {q['mean_px']:.2f} px on average, {q['p95_px']:.2f} px in 95 of 100, "
                f"{q['max_px']:.2f} px at most ({q['images']} images that calibrated nothing, in their own pixels; "
                f"calibrated on {q['calibration_images']}). The error against readers is not measured by this."
            )
        lines.append("- It gives a point for every landmark, also where the film shows none: look at the confidence.")
        lines.append("- Films unlike those it was trained on (another anatomy, projection, age, implants): not known.")
        return "\n".join(lines) + "\n"


def _count(n: object, what: str) -> str:
    return f"an unknown number of {what}s" if not isinstance(n, int) else f"{n} {what}{'' if n == 1 else 's'}"


def _scheme(tree: Mapping[str, Any]) -> Scheme:
    def lines(key: str) -> tuple[tuple[str, str], ...]:
        return tuple((str(a), str(b)) for a, b in tree[key])

    landmarks = cast("list[Mapping[str, Any]]", tree["landmarks"])
    return Scheme(
        name=str(tree["name"]),
        landmarks=tuple(LandmarkDefinition(str(one["name"]), str(one["definition"])) for one in landmarks),
        title=str(tree["title"]),
        source=str(tree["source"]),
        pairs=lines("pairs"),
        edges=lines("edges"),
    )
