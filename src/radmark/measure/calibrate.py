"""Millimetres of one film: from something on it whose size is known, or from a magnification.

The first of these wins: an object on the film itself (the prosthetic head, which lies in the plane of the hip; a ball beside it;
two points of known distance), a calibration in the header, a magnification on a spacing of the detector, that spacing alone.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from radmark.core.errors import InputError
from radmark.core.frame import Frame, Spacing, SpacingSource
from radmark.core.landmarks import Landmarks
from radmark.io.dicom_result import SPACING_WORDS
from radmark.measure.ellipse import fit_circle
from radmark.measure.scatter import FloatArray, SdPx, covariance_of, propagated, scaled

HEAD_RIM = "head_rim_"
"""Landmarks on the outline of the prosthetic head begin so."""

_KINDS = {
    SpacingSource.KNOWN_DISTANCE: (
        "two landmarks and their true distance", "--known-mm NAME,NAME,MM, such as ball_left,ball_right,25.4",
    ),
    SpacingSource.KNOWN_HEAD: (
        "the landmarks on the prosthetic head's outline and its true diameter",
        "--head-mm MM for landmarks called head_rim_…, or --head-mm NAME,NAME,MM for both ends of a diameter or "
        "NAME,NAME,NAME,…,MM for three or more on the outline",
    ),
    SpacingSource.KNOWN_BALL: (
        "the landmarks on the ball's outline and its true diameter",
        "--ball-mm NAME,NAME,MM for both ends of a diameter or NAME,NAME,NAME,…,MM for three or more on the outline",
    ),
}  # fmt: skip
_SURER = (SpacingSource.DICOM_FIDUCIAL, SpacingSource.DICOM_GEOMETRY)
"""What a magnification does not overrule."""


@dataclass(frozen=True)
class Calibrated:
    """A film with its millimetres.

    Args:
        landmarks: on a frame whose spacing says where it comes from.
        flags: what has to be known of the millimetres, in words.
        sd_percent: of the millimetres, as far as it follows from the points they are taken from; None where it does not.
    """

    landmarks: Landmarks
    flags: tuple[str, ...] = ()
    sd_percent: float | None = None


def calibrate(
    landmarks: Landmarks,
    *,
    known_mm: str | None = None,
    head_mm: str | None = None,
    ball_mm: str | None = None,
    magnification: float | None = None,
    sd_px: SdPx | None = None,
) -> Calibrated:
    """The film's millimetres by the first of these that applies; pixels keep the shape they have, squares where nobody says.

    Args:
        landmarks: of one film, on its own frame.
        known_mm: "NAME,NAME,MM".
        head_mm: "MM", "NAME,NAME,MM" or "NAME,NAME,NAME,…,MM".
        ball_mm: one of the last two.
        magnification: of the anatomy on the detector, 1 to 1.6; needs a spacing on the detector.
        sd_px: how the points scatter.

    Raises:
        InputError: two objects are named, one is not said that way or not placed on this film, or there is nothing to magnify.
    """
    said = {
        SpacingSource.KNOWN_DISTANCE: known_mm,
        SpacingSource.KNOWN_HEAD: head_mm,
        SpacingSource.KNOWN_BALL: ball_mm,
    }
    given = {source: text for source, text in said.items() if text is not None}
    if len(given) > 1:
        raise InputError(
            "a film is calibrated by one object",
            value=", ".join(given.values()),
            remedy="Give one of --known-mm, --head-mm and --ball-mm",
        )
    for source, text in given.items():
        return _by_object(landmarks, source, text, sd_px)
    if magnification is not None:
        return _by_magnification(landmarks, magnification)
    return Calibrated(landmarks)


def _by_object(landmarks: Landmarks, source: SpacingSource, text: str, sd_px: SdPx | None) -> Calibrated:
    names, true_mm = _said(landmarks, source, text)
    old = landmarks.frame.spacing
    shape = np.ones(2) if old is None else np.array([old.x_mm, old.y_mm])
    at = np.array([landmarks[name] for name in names]) * shape
    shown = _size(at)
    if not shown > 0:
        raise InputError(
            "the calibration cannot be made on this film: a landmark of it is not placed, or they are in one place or line",
            value=text,
            remedy="Place them, or leave this film out",
        )
    x_mm, y_mm = shape * true_mm / shown
    new = Spacing(float(x_mm), float(y_mm), source)
    covariance = covariance_of(sd_px, names)
    sd = None if covariance is None else propagated(_size, at, scaled(covariance, shape))
    return Calibrated(_on(landmarks, new), set_aside(old, new), None if sd is None else 100 * sd / shown)


def set_aside(header: Spacing | None, used: Spacing | None) -> tuple[str, ...]:
    """The flag of millimetres that are used in place of a calibration by an object in the header; none where there is none."""
    if (
        header is None
        or header.source is not SpacingSource.DICOM_FIDUCIAL
        or used is None
        or used.source is header.source
    ):
        return ()
    size = f"{header.x_mm:g} x {header.y_mm:g} mm a pixel"
    return (f"the header's own calibration, {size}, was set aside: these are {SPACING_WORDS[used.source]}",)


def _size(at: FloatArray) -> float:
    """The distance of two points, or the diameter of the circle through more; NaN where there is none."""
    if not np.isfinite(at).all():
        return math.nan
    if len(at) == 2:
        return float(np.hypot(*(at[0] - at[1])))
    circle = fit_circle(at)
    return math.nan if circle is None else 2 * circle[1]


def _said(landmarks: Landmarks, source: SpacingSource, text: str) -> tuple[list[str], float]:
    """Names and millimetres of "NAME,NAME,MM"."""
    *names, last = (part.strip() for part in text.split(","))
    try:
        true_mm = float(last)
    except ValueError:
        true_mm = 0.0
    enough: Callable[[int], bool] = (lambda n: n == 2) if source is SpacingSource.KNOWN_DISTANCE else (lambda n: n >= 2)
    bare_head = source is SpacingSource.KNOWN_HEAD and not names
    if not 0 < true_mm < 3000 or not (bare_head or enough(len(names))):
        what, remedy = _KINDS[source]
        raise InputError(f"a calibration is {what} in millimetres", value=text, remedy=f"Give {remedy}")
    return (_head_rim(landmarks, text) if bare_head else names), true_mm


def _head_rim(landmarks: Landmarks, text: str) -> list[str]:
    """The landmarks on the outline of the one head that has three of them."""
    placed = [
        name
        for name, there in zip(landmarks.scheme.names, landmarks.placed, strict=True)
        if there and name.startswith(HEAD_RIM)
    ]
    sides = [[n for n in placed if n.endswith(ending)] for ending in ("_right", "_left")]
    sides.append([n for n in placed if not n.endswith(("_right", "_left"))])
    heads = [names for names in sides if len(names) >= 3]
    if len(heads) != 1:
        raise InputError(
            f"{len(heads)} prosthetic heads of this film have three landmarks called {HEAD_RIM}… on their outline, not one",
            value=text,
            remedy="Name those of the head that is meant: --head-mm NAME,NAME,NAME,MM",
        )
    return heads[0]


def _by_magnification(landmarks: Landmarks, magnification: float) -> Calibrated:
    if not 1 <= magnification <= 1.6:
        raise InputError(
            "no film magnifies like that", value=magnification, remedy="Give a factor from 1 to 1.6, such as 1.15"
        )
    old = landmarks.frame.spacing
    if old is None:
        raise InputError(
            "a magnification needs millimetres on the detector, and this film has none",
            value=magnification,
            remedy="Give them with --spacing-mm, or calibrate by something on the film",
        )
    if old.source in _SURER:
        return Calibrated(landmarks, ("the magnification was not used: the header has a calibration",))
    spacing = Spacing(old.x_mm / magnification, old.y_mm / magnification, SpacingSource.MAGNIFICATION)
    return Calibrated(_on(landmarks, spacing), (f"millimetres on the detector divided by {magnification:g}",))


def _on(landmarks: Landmarks, spacing: Spacing) -> Landmarks:
    frame = Frame(landmarks.frame.width, landmarks.frame.height, spacing)
    return Landmarks(landmarks.scheme, frame, landmarks.points, landmarks.states)
