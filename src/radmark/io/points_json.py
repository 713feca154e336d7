"""Predictions as JSON, with all that is known of them: states, confidence, and where each spacing came from.

Coordinates are radmark's own: x right, y down, in pixels of the source image, (0, 0) the centre of its top-left pixel.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from radmark import RESEARCH_USE, __version__
from radmark.core.landmarks import State
from radmark.core.prediction import Prediction, common_scheme
from radmark.io.atomic import write_text


def write_predictions_json(path: Path, predictions: Sequence[Prediction]) -> None:
    """Write predictions; coordinates and confidence are null where there is no point.

    Raises:
        InputError: no prediction, two of one name, or predictions of several schemes.
    """
    scheme = common_scheme(predictions)
    content = {
        "schema_version": 1,
        "made_by": f"radmark {__version__}",
        "notice": RESEARCH_USE,
        "pixel_origin": "centre of the top-left pixel",
        "scheme": {"name": scheme.name, "landmarks": list(scheme.names)},
        "images": [image_tree(prediction) for prediction in predictions],
    }
    write_text(path, json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def image_tree(prediction: Prediction) -> dict[str, object]:
    """One image of that file, as JSON takes it."""
    landmarks = prediction.landmarks
    frame, spacing = landmarks.frame, landmarks.frame.spacing
    return {
        "image_name": prediction.name,
        "image_width": frame.width,
        "image_height": frame.height,
        "spacing": spacing and {"x_mm": spacing.x_mm, "y_mm": spacing.y_mm, "source": spacing.source.value},
        "landmarks": {
            name: {
                "x": _or_null(x),
                "y": _or_null(y),
                "state": State(int(state)).label,
                "confidence": _or_null(confidence),
            }
            for name, (x, y), state, confidence in zip(
                landmarks.scheme.names, landmarks.points, landmarks.states, prediction.confidence, strict=True
            )
        },
    }


def _or_null(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)
