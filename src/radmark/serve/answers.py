"""What the service says of an image, and its schema.

A point is (x, y), x right, y down, in pixels of the image that was sent; (0, 0) is the centre of its top-left pixel.
"""

from dataclasses import asdict
from typing import Any, Literal

from pydantic import BaseModel

from radmark import RESEARCH_USE
from radmark.core.prediction import Prediction
from radmark.io.points_json import image_tree
from radmark.measure import measure
from radmark.serve.errors import Problem

PIXEL_ORIGIN = "centre of the top-left pixel"


class SpacingAnswer(BaseModel):
    """Millimetres a pixel, and where they come from."""

    x_mm: float
    y_mm: float
    source: str


class LandmarkAnswer(BaseModel):
    """A landmark; x, y and confidence are null where it has no position."""

    x: float | None
    y: float | None
    state: Literal["present", "occluded", "absent", "not_annotated"]
    confidence: float | None


class MeasurementAnswer(BaseModel):
    """A measurement; `value` is null where it could not be computed, and `in_words` says why."""

    key: str
    title: str
    side: Literal["left", "right"] | None
    value: float | None
    unit: str
    sd: float | None
    points: list[str]
    line: str
    sign: str
    source: str
    mm_from: str | None
    flags: list[str]
    missing: list[str]
    in_words: str


class ImageAnswer(BaseModel):
    """What was found on an image."""

    width: int
    height: int
    spacing: SpacingAnswer | None
    flags: list[str]
    landmarks: dict[str, LandmarkAnswer]
    measurements: list[MeasurementAnswer]


class LandmarkTold(BaseModel):
    """A landmark the model marks."""

    name: str
    definition: str


class ModelTold(BaseModel):
    """Which model answers."""

    name: str
    sha256: str
    scheme: str


class ModelAnswer(ModelTold):
    """A model, with what it marks."""

    landmarks: list[LandmarkTold]


class ModelsAnswer(BaseModel):
    """The models there are."""

    notice: str = RESEARCH_USE
    models: list[ModelAnswer]


class PredictAnswer(BaseModel):
    """The answer for one image."""

    notice: str = RESEARCH_USE
    model: ModelTold
    pixel_origin: str = PIXEL_ORIGIN
    image: ImageAnswer


class BatchItem(BaseModel):
    """One of several images: what was found, or what is wrong with it."""

    image: ImageAnswer | None = None
    error: Problem | None = None


class BatchAnswer(BaseModel):
    """The answer for several images, in their order."""

    notice: str = RESEARCH_USE
    model: ModelTold
    pixel_origin: str = PIXEL_ORIGIN
    images: list[BatchItem]


class StatusAnswer(BaseModel):
    """How the service is."""

    status: str


def image_answer(prediction: Prediction, flags: tuple[str, ...], side: Literal["left", "right"] | None) -> ImageAnswer:
    """Points, measurements and flags of an image.

    Args:
        prediction: of the image.
        flags: of its radiograph.
        side: of the patient, where the film is of one.
    """
    tree: dict[str, Any] = image_tree(prediction)
    display = "mirrored" if "mirrored_display" in flags else "unknown" if "orientation_unknown" in flags else "standard"
    results = measure(prediction.landmarks, side=side, display=display)
    return ImageAnswer(
        width=tree["image_width"],
        height=tree["image_height"],
        spacing=tree["spacing"],
        flags=list(flags),
        landmarks=tree["landmarks"],
        measurements=[MeasurementAnswer(**asdict(result), in_words=result.words) for result in results],
    )
