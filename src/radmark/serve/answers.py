"""What the service says of an image, and its schema.

A point is (x, y), x right, y down, in pixels of the image that was sent; (0, 0) is the centre of its top-left pixel.
"""

from dataclasses import replace
from typing import Any, Literal

from pydantic import BaseModel

from radmark import RESEARCH_USE
from radmark.core.report import Report
from radmark.core.study import Marked
from radmark.http.errors import Problem
from radmark.io.formats.points_json import film_tree
from radmark.io.measurements import findings_tree, measurements_tree

PIXEL_ORIGIN = "centre of the top-left pixel"


class SpacingAnswer(BaseModel):
    """Millimetres per pixel, and where they come from."""

    x_mm: float
    y_mm: float
    source: str


class LandmarkAnswer(BaseModel):
    """A landmark; x, y and confidence are null where it has no position."""

    x: float | None
    y: float | None
    state: Literal["present", "occluded", "absent", "not_annotated"]
    confidence: float | None


class FindingAnswer(BaseModel):
    """What has to be known of an image or a number: note, it stands; check, look first; stop, no number may rest on it."""

    code: str
    severity: Literal["note", "check", "stop"]
    words: str
    about: str


class MeasurementAnswer(BaseModel):
    """A measurement; `value` is null where it could not be computed, and `in_words` says why.

    `flags` are the findings in words; `usable` is yes, check (look first) or no, by the gravest of them.
    """

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
    findings: list[FindingAnswer]
    usable: Literal["yes", "check", "no"]
    missing: list[str]
    reason: str
    published: str
    scale_sd_percent: float | None
    in_words: str


class ImageAnswer(BaseModel):
    """What was found on an image: `flags` are the codes of what its file says, `findings` what has to be known of all of it."""

    width: int
    height: int
    spacing: SpacingAnswer | None
    flags: list[str]
    findings: list[FindingAnswer]
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


def image_answer(report: Report) -> ImageAnswer:
    """What a report says of an image, without its name."""
    spacing = report.marks.frame.spacing
    tree: dict[str, Any] = film_tree(Marked(replace(report.film, spacing=spacing), report.marks))
    return ImageAnswer(
        width=tree["image_width"],
        height=tree["image_height"],
        spacing=tree["spacing"],
        flags=list(report.film.flags),
        findings=[FindingAnswer(**finding) for finding in findings_tree(report.findings)],
        landmarks=tree["landmarks"],
        measurements=[MeasurementAnswer(**result) for result in measurements_tree(report.results)],
    )
