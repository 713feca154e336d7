"""radmark's own JSON, of annotations and of predictions alike, with all that is known of them; the one format that loses nothing.

Coordinates are radmark's own: x right, y down, in pixels of the source image, (0, 0) the centre of its top-left pixel, which the
file says (`pixel_origin`). Each landmark has a state: present, occluded, absent (looked for and not in the picture) or
not_annotated (nobody looked). Schema version 1; what a version does not know is refused, not skipped.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from radmark import RESEARCH_USE, __version__
from radmark.core.errors import InputError
from radmark.core.frame import Spacing, SpacingSource
from radmark.core.landmarks import State
from radmark.core.prediction import Prediction
from radmark.core.readings import Mark, Reading, Readings
from radmark.io.atomic import write_text
from radmark.io.exchange import ALL, Context, decimals, gathered, of_predictions
from radmark.io.files import Tree, read_json

HOLDS = ALL

_ORIGIN = "centre of the top-left pixel"


def write_predictions_json(
    path: Path, predictions: Sequence[Prediction], more: Mapping[str, Mapping[str, object]] | None = None
) -> None:
    """Write predictions; coordinates and confidence are null where there is no point.

    Args:
        path: whole or not at all.
        predictions: each of another image.
        more: image name -> what else to say of it, such as its measurements; ready for JSON.

    Raises:
        InputError: no prediction, two of one name, or predictions of several schemes.
    """
    write_text(path, text(of_predictions(predictions), more or {}))


def text(readings: Readings, more: Mapping[str, Mapping[str, object]] = MappingProxyType({})) -> str:
    """The file for these readings, and what else `more` says of an image by its name."""
    scheme = readings.scheme
    content = {
        "schema_version": 1,
        "made_by": f"radmark {__version__}",
        "notice": RESEARCH_USE,
        "pixel_origin": _ORIGIN,
        "scheme": {"name": scheme.name, "landmarks": list(scheme.names)},
        "images": [_image(reading, scheme.names) | dict(more.get(reading.image, {})) for reading in readings.readings],
    }
    return json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def image_tree(prediction: Prediction) -> dict[str, object]:
    """One predicted image of that file, as JSON takes it."""
    readings = of_predictions([prediction])
    return _image(readings.readings[0], readings.scheme.names)


def _image(reading: Reading, names: Sequence[str]) -> dict[str, object]:
    spacing = reading.spacing
    width, height = reading.size or (None, None)
    said = {
        "reader": reading.reader,
        "session": reading.session,
        "patient_id": reading.patient,
        "split": reading.part,
        "attributes": dict(reading.attributes),
    }
    return {
        "image_name": reading.image,
        "image_width": width,
        "image_height": height,
        "spacing": spacing and {"x_mm": spacing.x_mm, "y_mm": spacing.y_mm, "source": spacing.source.value},
        **{key: value for key, value in said.items() if value},
        "landmarks": {name: _landmark(reading.mark(name)) for name in names},
    }


def _landmark(mark: Mark) -> dict[str, object]:
    x, y = (decimals(mark.x), decimals(mark.y)) if mark.placed else (None, None)
    sure = None if mark.confidence is None else decimals(mark.confidence)
    return {"x": x, "y": y, "state": mark.state.label, "confidence": sure}


def read(path: Path, context: Context) -> Readings:
    """Annotations or predictions that `text` wrote, or another program in the same schema."""
    _ = context
    root = read_json(path)
    if root.get("schema_version").value != 1:
        raise root.get("schema_version").wrong("the version of this file is not known here", "Use a newer radmark")
    if root.get("pixel_origin").value != _ORIGIN:
        raise root.get("pixel_origin").wrong(
            "the origin of the coordinates is another", f'Convert them and write "{_ORIGIN}"'
        )
    names = [name.text() for name in root.get("scheme").get("landmarks")]
    return gathered(path, [_reading(image) for image in root.get("images")], names=names)


def _reading(image: Tree) -> Reading:
    def said(key: str) -> str | None:
        return image.get(key).text() if image.has(key) else None

    attributes = image.get("attributes").fields() if image.has("attributes") else {}
    try:
        return Reading(
            image.get("image_name").text(),
            {name: _mark(mark) for name, mark in image.get("landmarks").fields().items()},
            size=image.size("image_width", "image_height") if image.has("image_width") else None,
            spacing=_spacing(image.get("spacing")) if image.has("spacing") else None,
            reader=said("reader"),
            session=said("session") or "",
            patient=said("patient_id"),
            part=said("split"),
            attributes={key: value.text() for key, value in attributes.items()},
        )
    except InputError as error:
        raise error if error.file else error.at(file=image.file, column=image.where) from error


def _spacing(spacing: Tree) -> Spacing:
    sources = [source.value for source in SpacingSource]
    source = spacing.get("source")
    if source.value not in sources:
        raise source.wrong("there is no such source of a spacing", f"Use one of: {', '.join(sources)}")
    return Spacing(spacing.get("x_mm").number(), spacing.get("y_mm").number(), SpacingSource(source.text()))


def _mark(landmark: Tree) -> Mark:
    words = {state.label: state for state in State}
    word = landmark.get("state").text()
    if word not in words:
        raise landmark.get("state").wrong("there is no such state", f"Use one of: {', '.join(words)}")
    placed = [landmark.get(key).number() for key in ("x", "y") if landmark.has(key)]
    if len(placed) == 1:
        raise landmark.wrong("one coordinate is given and the other is not", "Give both, or null for both")
    confidence = landmark.get("confidence").number() if landmark.has("confidence") else None
    try:
        return Mark(words[word], *placed, confidence=confidence)
    except InputError as error:
        raise error.at(file=landmark.file, column=landmark.where) from error
