"""Millimetres of one film: from something on it whose size is known, or from a magnification.

The first of these wins: an object on the film itself (the prosthetic head, which lies in the plane of the hip; a ball beside it;
two points of known distance), a calibration in the header, a magnification on a spacing of the detector, that spacing alone.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np

from radmark.core.errors import InputError
from radmark.core.finding import Finding, check, note
from radmark.core.frame import SPACING_WORDS, Spacing, SpacingSource
from radmark.core.marks import Marks
from radmark.core.scheme import Scheme
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
OBJECTS = (SpacingSource.KNOWN_DISTANCE, SpacingSource.KNOWN_HEAD, SpacingSource.KNOWN_BALL)
"""Millimetres by something on the film itself."""

SAME_SHARE = 0.01
"""Millimetres that differ by no more than this are the same."""

PROJECTION = (0.9, 1.6)
"""How much larger on the detector than in the patient something can be."""


_SURER = (SpacingSource.DICOM_FIDUCIAL, SpacingSource.DICOM_GEOMETRY)
"""What a magnification does not overrule."""


@dataclass(frozen=True)
class Calibrated:
    """A film with its millimetres.

    Args:
        marks: on a frame whose spacing says where it comes from.
        findings: what has to be known of the millimetres.
        sd_percent: of the millimetres, as far as it follows from the points they are taken from; None where it does not.
    """

    marks: Marks
    findings: tuple[Finding, ...] = ()
    sd_percent: float | None = None


def calibrate(
    marks: Marks,
    *,
    known_mm: str | None = None,
    head_mm: str | None = None,
    ball_mm: str | None = None,
    magnification: float | None = None,
    divided_by: float | None = None,
    sd_px: SdPx | None = None,
) -> Calibrated:
    """The film's millimetres by the first of these that applies; pixels keep the shape they have, squares where nobody says.

    Args:
        marks: of one film, on its own frame.
        known_mm: "NAME,NAME,MM".
        head_mm: "MM", "NAME,NAME,MM" or "NAME,NAME,NAME,…,MM".
        ball_mm: one of the last two.
        magnification: of the anatomy on the detector, 1 to 1.6; needs a spacing on the detector.
        divided_by: the magnification by which a spacing that says so was divided before; None: by this one.
        sd_px: how the points scatter.

    Raises:
        InputError: two objects are named, one is not said that way or not placed on this film, or there is nothing to magnify.
    """
    said = object_of(marks.scheme, known_mm=known_mm, head_mm=head_mm, ball_mm=ball_mm)
    if said is not None:
        return _by_object(marks, said, sd_px)
    if magnification is not None:
        return _by_magnification(marks, magnification, divided_by)
    return Calibrated(marks)


@dataclass(frozen=True)
class Said:
    """An object on the film whose size is known, as somebody said it.

    Args:
        source: which kind it is.
        text: as it was written.
        names: of the landmarks on it; none for a head whose landmarks say so by their names.
        true_mm: their distance, or the diameter of the circle through them.
    """

    source: SpacingSource
    text: str
    names: tuple[str, ...]
    true_mm: float


def object_of(
    scheme: Scheme, *, known_mm: str | None = None, head_mm: str | None = None, ball_mm: str | None = None
) -> Said | None:
    """The object that films of a scheme are to be calibrated by, if any; arguments as in `calibrate`. No film is needed for it.

    Raises:
        InputError: two objects are named, one is not said that way, or there is no such landmark.
    """
    texts = {
        SpacingSource.KNOWN_DISTANCE: known_mm,
        SpacingSource.KNOWN_HEAD: head_mm,
        SpacingSource.KNOWN_BALL: ball_mm,
    }
    given = {source: text for source, text in texts.items() if text is not None}
    if len(given) > 1:
        raise InputError(
            "a film is calibrated by one object",
            value=", ".join(given.values()),
            remedy="Give one of --known-mm, --head-mm and --ball-mm",
        )
    for source, text in given.items():
        names, true_mm = _said(source, text)
        for name in names:
            scheme.index(name)
        if not names and not _heads(scheme.names):
            raise _no_head(0, text)
        return Said(source, text, names, true_mm)
    return None


def _by_object(marks: Marks, said: Said, sd_px: SdPx | None) -> Calibrated:
    names = said.names or _head_rim(marks, said.text)
    old = marks.frame.spacing
    shape = np.ones(2) if old is None else np.array([old.x_mm, old.y_mm])
    at = np.array([marks[name] for name in names]) * shape
    shown = _size(at)
    if not shown > 0:
        raise InputError(
            "the calibration cannot be made on this film: a landmark of it is not placed, or they are in one place or line",
            value=said.text,
            remedy="Place them, or leave this film out",
        )
    x_mm, y_mm = shape * said.true_mm / shown
    new = Spacing(float(x_mm), float(y_mm), said.source)
    covariance = covariance_of(sd_px, names)
    sd = None if covariance is None else propagated(_size, at, scaled(covariance, shape))
    return Calibrated(_on(marks, new), sd_percent=None if sd is None else 100 * sd / shown)


def overridden(header: Spacing | None, used: Spacing | None) -> tuple[Finding, ...]:
    """A finding that names both, where millimetres are used that the film's own header contradicts.

    A calibration by an object, or by an assumed depth, contradicts every other value. Millimetres on the detector, or of an
    unknown plane, are expected to be larger than the patient's by a factor that a projection can have.
    """
    if header is None or used is None or used.source is header.source:
        return ()
    factors = (header.x_mm / used.x_mm, header.y_mm / used.y_mm)
    size = f"{header.x_mm:g} x {header.y_mm:g} mm per pixel"
    what = SPACING_WORDS[used.source]
    if header.source is SpacingSource.DICOM_FIDUCIAL:
        words = f"the header's own calibration, {size}, was overridden: these are {what}"
        return (check("header_calibration_overridden", words, "millimetres"),)
    if header.source is SpacingSource.DICOM_GEOMETRY:
        if all(abs(factor - 1) <= SAME_SHARE for factor in factors):
            return ()
        words = f"the header's millimetres, {size} by an assumed depth, were overridden: these are {what}"
        severity = note if used.source in OBJECTS else check
        return (severity("header_spacing_overridden", words, "millimetres"),)
    if all(PROJECTION[0] <= factor <= PROJECTION[1] for factor in factors):
        return ()
    words = (
        f"these millimetres, {what}, and the header's, {size}, differ by a factor of {factors[0]:.3g}, "
        "which no projection has"
    )
    return (check("spacing_contradicts_header", words, "millimetres"),)


def _size(at: FloatArray) -> float:
    """The distance of two points, or the diameter of the circle through more; NaN where there is none."""
    if not np.isfinite(at).all():
        return math.nan
    if len(at) == 2:
        return float(np.hypot(*(at[0] - at[1])))
    circle = fit_circle(at)
    return math.nan if circle is None else 2 * circle[1]


def _said(source: SpacingSource, text: str) -> tuple[tuple[str, ...], float]:
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
    return tuple(names), true_mm


def _heads(names: Iterable[str]) -> list[tuple[str, ...]]:
    """The prosthetic heads that have three landmarks or more on their outline, each with these."""
    rims = [name for name in names if name.startswith(HEAD_RIM)]
    sides = [tuple(n for n in rims if n.endswith(ending)) for ending in ("_right", "_left")]
    sides.append(tuple(n for n in rims if not n.endswith(("_right", "_left"))))
    return [names for names in sides if len(names) >= 3]


def _head_rim(marks: Marks, text: str) -> tuple[str, ...]:
    """The landmarks on the outline of the one head that has three of them."""
    heads = _heads(n for n, there in zip(marks.scheme.names, marks.placed, strict=True) if there)
    if len(heads) != 1:
        raise _no_head(len(heads), text)
    return heads[0]


def _no_head(number: int, text: str) -> InputError:
    return InputError(
        f"{number} prosthetic heads have three landmarks called {HEAD_RIM}… on their outline, not one",
        value=text,
        remedy="Name those of the head that is meant: --head-mm NAME,NAME,NAME,MM",
    )


_NOT_MAGNIFIED = check(
    "magnification_not_used", "the magnification was not used: the header has a calibration", "millimetres"
)


def _by_magnification(marks: Marks, magnification: float, divided_by: float | None) -> Calibrated:
    if not 1 <= magnification <= 1.6:
        raise InputError(
            "no film magnifies like that", value=magnification, remedy="Give a factor from 1 to 1.6, such as 1.15"
        )
    old = marks.frame.spacing
    if old is None:
        raise InputError(
            "a magnification needs millimetres on the detector, and this film has none",
            value=magnification,
            remedy="Give them with --spacing-mm, or calibrate by something on the film",
        )
    if old.source in _SURER:
        return Calibrated(marks, (_NOT_MAGNIFIED,))
    # A table that holds a film's magnification holds its millimetres divided by it.
    factor = magnification
    if old.source is SpacingSource.MAGNIFICATION:
        factor = 1.0 if divided_by is None else magnification / divided_by
    spacing = Spacing(old.x_mm / factor, old.y_mm / factor, SpacingSource.MAGNIFICATION)
    return Calibrated(
        _on(marks, spacing),
        (note("magnification", f"millimetres on the detector divided by {magnification:g}", "millimetres"),),
    )


def _on(marks: Marks, spacing: Spacing) -> Marks:
    return marks.framed(replace(marks.frame, spacing=spacing))
