"""Millimetres from a distance that is known, and the points' scatter from a score."""

import json
from pathlib import Path

import numpy as np

from radmark.core.errors import InputError
from radmark.core.frame import Frame, Spacing, SpacingSource
from radmark.core.landmarks import Landmarks


def known_distance(landmarks: Landmarks, said: str) -> Landmarks:
    """The same landmarks on a frame whose millimetres follow from "NAME,NAME,MM", two landmarks of known distance.

    Pixels keep the shape they have; without a spacing they are taken for squares.

    Raises:
        InputError: it is not said that way, a landmark is unknown or not placed, or the two are in one place.
    """
    parts = said.split(",")
    try:
        one, other, true_mm = parts[0].strip(), parts[1].strip(), float(parts[2])
    except (IndexError, ValueError):
        true_mm, one, other = 0.0, "", ""
    if len(parts) != 3 or not 0 < true_mm < 3000:
        raise InputError(
            "a calibration is two landmarks and their true distance in millimetres",
            value=said,
            remedy="Give --known-mm NAME,NAME,MM, such as ball_left,ball_right,25.4",
        )
    old = landmarks.frame.spacing
    shape = np.ones(2) if old is None else np.array([old.x_mm, old.y_mm])
    shown = float(np.hypot(*((landmarks[one] - landmarks[other]) * shape)))
    if not shown > 0:
        raise InputError(
            "the calibration cannot be made on this film: a landmark of it is not placed, or both are in one place",
            value=said,
            remedy="Place both, or leave this film out",
        )
    x_mm, y_mm = shape * true_mm / shown
    spacing = Spacing(float(x_mm), float(y_mm), SpacingSource.KNOWN_DISTANCE)
    frame = Frame(landmarks.frame.width, landmarks.frame.height, spacing)
    return Landmarks(landmarks.scheme, frame, landmarks.points, landmarks.states)


def sd_of_metrics(file: Path) -> dict[str, float]:
    """Each landmark's standard deviation along an axis in pixels, from the errors `radmark evaluate` measured.

    Where errors scatter alike along both axes and about zero, the mean radial error is sqrt(pi / 2) standard deviations
    (Rayleigh); a bias enlarges it, so this errs on the wide side.

    Raises:
        InputError: the file is no metrics.json of the source grid.
    """
    try:
        tree = json.loads(file.read_text(encoding="utf-8"))
        if tree["grid"] != "source":
            raise InputError(
                "these errors are counted on the model's grid", file=file, remedy="Evaluate with --grid source"
            )
        means = {row["name"]: row["mean_radial_error_px"] for row in tree["per_landmark"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            "this is no metrics.json of `radmark evaluate`", file=file, remedy="Give the one in its report's folder"
        ) from error
    return {name: float(mean) / float(np.sqrt(np.pi / 2)) for name, mean in means.items() if mean is not None}
