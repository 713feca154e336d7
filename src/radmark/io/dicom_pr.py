"""Marks on a film as a DICOM Grayscale Softcopy Presentation State (GSPS): lines, points, words that a viewer lays over it.

Coordinates are of units PIXEL: `io.dicom_result`. Marks and measurements stand on layers of their own, so that a viewer can
hide one. Window and polarity are the film's own, as the standard wants them said: a state that says nothing would undo them.
"""

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np

from radmark import RESEARCH_USE
from radmark.core.errors import InputError
from radmark.core.frame import SPACING_WORDS, FloatArray, Frame
from radmark.core.marks import Marks
from radmark.io.atomic import replacing
from radmark.io.dicom import shown_inverted
from radmark.io.dicom_result import (
    Reported,
    author_words,
    finish,
    highdicom,
    hushed,
    in_dicom,
    made_by,
    source_of,
)

_LONGEST = 1024
"""Characters of a text (VR ST)."""


def write_dicom_pr(
    path: Path,
    image: Path,
    marks: Marks,
    *,
    measurements: Sequence[Reported] = (),
    remarks: Sequence[str] = (),
    frame_number: int | None = None,
) -> None:
    """Write the presentation state of one image.

    Args:
        path: of the state; whole or not at all.
        image: the film's DICOM file; patient and study are taken over from it.
        marks: in that film's frame.
        measurements: what was computed from them; a line that leaves the image is cut at its edge.
        remarks: what else has to be known of all of it, in words.
        frame_number: 1-based, of a multi-frame image.

    Raises:
        InputError: highdicom is not installed, the image is in colour or none of this frame, or a point lies outside it.
    """
    with hushed():
        state = _state(image, marks, measurements, remarks, frame_number)
        with replacing(path) as temporary:
            state.save_as(temporary, enforce_file_format=True)


def _state(
    image: Path,
    marks: Marks,
    measurements: Sequence[Reported],
    remarks: Sequence[str],
    frame_number: int | None,
) -> Any:
    """The presentation state as a pydicom data set."""
    hd = highdicom()
    frame = marks.frame
    author = author_words(marks)
    source = source_of(image, frame)
    if source.get("SamplesPerPixel") != 1:
        raise InputError(
            "a grayscale presentation state belongs to a gray image, and this one is in colour",
            file=image,
            remedy="Write a report or a secondary capture instead",
        )

    layers: list[Any] = []
    annotations: list[Any] = []

    def layer(name: str, colour: Any, graphics: list[Any], texts: list[Any]) -> None:
        if not graphics and not texts:
            return
        layers.append(hd.pr.GraphicLayer(name, order=len(layers) + 1, display_color=colour))
        annotations.append(
            hd.pr.GraphicAnnotation(
                [source],
                layers[-1],
                referenced_frame_number=frame_number,
                graphic_objects=graphics or None,
                text_objects=texts or None,
            )
        )

    def text(words: str, at: FloatArray) -> Any:
        return hd.pr.TextObject(words, "PIXEL", anchor_point=tuple(in_dicom(at[None], frame, words)[0].tolist()))

    def graphic(kind: str, points: FloatArray, what: str) -> Any:
        return hd.pr.GraphicObject(kind, in_dicom(points, frame, what), "PIXEL")

    graphics: list[Any] = []
    texts: list[Any] = []
    for m in measurements:
        if m.shape in ("ELLIPSE", "CIRCLE"):
            graphics.append(graphic(m.shape, m.points, m.name))
        lines = [cut for line in (m.lines or _path(m.points)) if (cut := inside(line, frame)) is not None]
        graphics.extend(graphic("POLYLINE", line, m.name) for line in lines)
        texts.append(text(m.words, (lines[-1] if lines else m.points).mean(axis=0)))
    layer("MEASUREMENTS", hd.color.CIELabColor(89, 0, 70), graphics, texts)

    spots = [(name, marks.points[k]) for k, name in enumerate(marks.scheme.names) if marks.placed[k]]
    layer(
        "LANDMARKS",
        hd.color.CIELabColor(60, 60, 40),
        [graphic("POINT", point[None], name) for name, point in spots],
        [text(name.replace("_", " "), point) for name, point in spots],
    )

    source_of_mm = "lengths in pixels" if frame.spacing is None else f"mm: {SPACING_WORDS[frame.spacing.source]}"
    said = [RESEARCH_USE, f"{author[:64]}, {source_of_mm}", *remarks]
    notice = hd.pr.TextObject(
        "\r\n".join(said)[:_LONGEST],
        "PIXEL",
        bounding_box=(0.0, 0.0, float(frame.width), max(1.0, frame.height * len(said) / 40)),
        text_justification="LEFT",
    )
    layer("NOTICE", hd.color.CIELabColor(100, 0, 0), [], [notice])

    inverse = shown_inverted(source)
    state = hd.pr.GrayscaleSoftcopyPresentationState(
        referenced_images=[_with_groups(source)],
        series_instance_uid=hd.UID(),
        series_number=991,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        content_label="RADMARK",
        content_description=RESEARCH_USE[:64],
        content_creator_name="radmark^",
        graphic_annotations=annotations,
        graphic_layers=layers,
        presentation_lut_transformation=hd.PresentationLUTTransformation(
            presentation_lut_shape="INVERSE" if inverse else "IDENTITY"
        ),
        **made_by(author),
    )
    finish(state, source)
    return state


def _with_groups(source: Any) -> Any:
    """The header with window and rescale where highdicom looks for them in a file of several frames: in functional groups,
    which only the enhanced kinds have."""
    from pydicom.dataset import Dataset

    if "NumberOfFrames" not in source or "SharedFunctionalGroupsSequence" in source:
        return source

    def item(*keywords: str) -> Any:
        found = Dataset()
        for keyword in keywords:
            if keyword in source:
                setattr(found, keyword, source.get(keyword))
        return found

    whole, shared = deepcopy(source), Dataset()
    if "RescaleSlope" in source:
        shared.PixelValueTransformationSequence = [item("RescaleSlope", "RescaleIntercept", "RescaleType")]
    if "WindowCenter" in source:
        shared.FrameVOILUTSequence = [
            item("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation", "VOILUTFunction")
        ]
    whole.SharedFunctionalGroupsSequence, whole.PerFrameFunctionalGroupsSequence = [shared], []
    return whole


def inside(line: FloatArray, frame: Frame) -> FloatArray | None:
    """The part of a (2, 2) line that lies on the frame, its half-pixel border included; None where none does (Liang-Barsky)."""
    (x, y), (dx, dy) = line[0], line[1] - line[0]
    begin, end = 0.0, 1.0
    for towards, room in (
        (-dx, x + 0.5),
        (dx, frame.width - 0.5 - x),
        (-dy, y + 0.5),
        (dy, frame.height - 0.5 - y),
    ):
        if towards == 0:
            if room < 0:
                return None
        elif towards < 0:
            begin = max(begin, room / towards)
        else:
            end = min(end, room / towards)
    if begin > end:
        return None
    edge = np.array([frame.width, frame.height]) - 0.5
    return np.clip(np.stack([line[0] + begin * (line[1] - line[0]), line[0] + end * (line[1] - line[0])]), -0.5, edge)


def _path(points: FloatArray) -> list[FloatArray]:
    return [points[k : k + 2] for k in range(len(points) - 1)]
