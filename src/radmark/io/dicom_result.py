"""What the DICOM objects made of marks share: the header they take over, their coordinates, how they hold a measurement.

Our points have (0, 0) at the centre of the first pixel. DICOM's image coordinates, in a report (SCOORD, PS3.3 C.18.6) as in
graphics of units PIXEL (C.10.5), have it at that pixel's top left corner and reach from 0 to Columns and Rows: the centre of the
first pixel is (0.5, 0.5). So 0.5 is added in `in_dicom`, and there only. (What counts from 1 in DICOM is the displayed area of a
presentation state and an overlay's origin: whole pixels, not points.)
"""

import hashlib
import uuid
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from radmark import RESEARCH_USE, __version__
from radmark.core.errors import InputError
from radmark.core.frame import FloatArray, Frame
from radmark.core.marks import Marks
from radmark.io.dicom import is_dicom, mute

CODE_LENGTH = 16
"""Longer code values go to an attribute that older viewers leave blank."""

_TAKEN_OVER = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate", "StudyTime",
    "ReferringPhysicianName",
)  # fmt: skip
"""What a result takes over from its image, empty where the image has none."""


@dataclass(frozen=True, eq=False)
class Reported:
    """A measurement as a DICOM result holds it.

    Args:
        name: in words, such as "leg-length discrepancy".
        value: a finite number.
        unit: mm, deg, px, % or "" for a ratio.
        shape: POINT, POLYLINE (two points: a length; four: two lines), CIRCLE (centre, rim) or ELLIPSE (the ends of the long
            axis, then of the short).
        points: (N, 2) xy in pixels of the image.
        side: of the patient, where it has one.
        of: the landmarks it is computed from, which tell the anatomy it is on.
        notes: how it is defined, where its millimetres come from, and every flag; in plain words.
        lines: (2, 2) each, what of it is drawn besides an ellipse or a circle, in pixels of the image; may leave it.
    """

    name: str
    value: float
    unit: str
    shape: Literal["POINT", "POLYLINE", "CIRCLE", "ELLIPSE"]
    points: FloatArray
    side: Literal["left", "right"] | None = None
    of: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    lines: tuple[FloatArray, ...] = ()

    @property
    def words(self) -> str:
        """ "femoral offset, left: 41.3 mm"."""
        side = f", {self.side}" if self.side else ""
        digits = 2 if self.unit == "" else 1
        number = f"{round(self.value, digits) + 0.0:.{digits}f}"  # + 0.0: no minus before a zero
        return f"{self.name}{side}: {number}{'°' if self.unit == 'deg' else f' {self.unit}'.rstrip()}"


@dataclass(frozen=True)
class Refused:
    """Measurements that have no number though all their landmarks are there.

    Args:
        names: of the measurements, in words.
        reason: why, in words.
        of: the landmarks they would be computed from.
    """

    names: tuple[str, ...]
    reason: str
    of: tuple[str, ...]

    @property
    def words(self) -> str:
        """ "not computable: Tönnis angle, left: right and left look swapped, …"; of more than three, how many."""
        what = "; ".join(self.names) if len(self.names) <= 3 else f"{len(self.names)} measurements"
        return f"not computable: {what}: {self.reason}"


def code_value(name: str) -> str:
    """The private code of a landmark or a measurement: its name, or its beginning and a hash where that is too long.

    The same name has the same code in every version of radmark.
    """
    word = "".join(c if c.isascii() and c.isalnum() else "_" for c in name)  # some viewers count bytes
    return (
        word
        if len(word) <= CODE_LENGTH
        else f"{word[: CODE_LENGTH - 5]}_{hashlib.sha256(word.encode()).hexdigest()[:4]}"
    )


def highdicom() -> Any:
    """The library.

    Raises:
        InputError: it is not installed.
    """
    try:
        import highdicom as hd
    except ModuleNotFoundError as error:
        raise InputError(
            "DICOM reports need highdicom, which is not installed",
            remedy='Install it with: pip install "radmark[dicom]"',
        ) from error
    return hd


@contextmanager
def hushed() -> Generator[None]:
    """Without the warnings and the log of highdicom and pydicom, which quote the patient's name."""
    mute()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def source_of(image: Path, frame: Frame) -> Any:
    """The image's header, with empty values where a result needs one and the image has none.

    Raises:
        InputError: it is no DICOM image, not of this frame, or lacks a UID.
    """
    from pydicom import dcmread  # pyright: ignore[reportUnknownVariableType]
    from pydicom.errors import InvalidDicomError

    try:
        source = dcmread(image, stop_before_pixels=True, force=is_dicom(image))  # force: some lack the preamble
    except (InvalidDicomError, OSError) as error:
        raise InputError(
            "a DICOM report needs a DICOM image, and this is not one",
            file=image,
            remedy="Write .json or .csv instead",
        ) from error
    if (source.get("Columns"), source.get("Rows")) != (frame.width, frame.height):
        raise InputError(
            f"the points are for a picture {frame.width} wide and {frame.height} high, not for this one",
            file=image,
            value=f"{source.get('Columns')} x {source.get('Rows')}",
            remedy="Give the image the points were found on",
        )
    for keyword in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        if not source.get(keyword):
            raise InputError(
                f"the image has no {keyword}, so no report can refer to it", file=image, remedy="Export it again"
            )
    for keyword in _TAKEN_OVER:
        if keyword not in source:
            setattr(source, keyword, "")
    return source


def in_dicom(points: FloatArray, frame: Frame, what: str) -> FloatArray:
    """(N, 2) points as DICOM counts them, from the corner of the first pixel.

    Raises:
        InputError: one lies outside the image.
    """
    if not frame.holds(points).all():
        raise InputError(
            f"{what} lies outside the image, where a report cannot put it",
            value=points.round(1).tolist(),
            remedy="Correct the point or omit it",
        )
    return np.asarray(points, np.float64) + 0.5


def author_words(marks: Marks) -> str:
    """Who placed the points, in words: "run 3f2ab…" or a reader's name."""
    return str(marks.author or "reader not named")


def person_name(words: str) -> str:
    """A name as DICOM's PN holds it: at most 64 characters, no backslash, no equals sign, one to four carets.

    A name without a caret, as people write theirs, gets one at its end: it is of one component, and means to be.
    """
    kept = "".join(c for c in words if c.isprintable() and c not in "\\=").strip()[:63]
    kept = kept if kept.count("^") <= 4 else kept.replace("^", " ")
    return kept if "^" in kept.strip("^") else f"{kept.strip('^') or 'not named'}^"


def made_by(author: str) -> dict[str, Any]:
    """Who made it, as highdicom's constructors take it: radmark, its version, and the author as the serial number."""
    return {
        "manufacturer": "radmark",
        "manufacturer_model_name": "radmark",
        "software_versions": __version__,
        "device_serial_number": author[:64],
    }


def device_uid(hd: Any, author: str) -> Any:
    """The same for the same version and model."""
    return hd.UID.from_uuid(str(uuid.uuid5(uuid.NAMESPACE_URL, f"radmark {__version__} {author}")))


def finish(result: Any, source: Any) -> None:
    """What every result needs last: its character set, the names in it, what it may be used for, a one-sided film's side."""
    # Our own words are not all ASCII, and the patient's name may have come in any character set.
    result.SpecificCharacterSet = "ISO_IR 192"
    for keyword in ("PatientName", "ReferringPhysicianName"):
        setattr(result, keyword, str(result.get(keyword, "")))
    result.SeriesDescription = RESEARCH_USE[:64]
    side = source.get("ImageLaterality") or source.get("Laterality")
    if side in ("L", "R") and result.Modality != "SR":
        result.Laterality = side
