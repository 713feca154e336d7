"""A film's measurements, with what the film itself makes doubtful about them."""

from dataclasses import replace
from typing import Any, Literal, Protocol

from radmark.core.landmarks import Landmarks
from radmark.io.dicom import FLAGS
from radmark.measure.entry import Side
from radmark.measure.measure import Result, measure

_OF_LENGTHS = ("spacing_not_believed", "fluoroscopy_not_calibrated")
_OF_ALL = ("pixels_not_square", "lossy_compression", "colour")


class Film(Protocol):
    """What is told of a film: a `Radiograph`, or the header alone."""

    @property
    def side(self) -> str | None:
        """The patient's, "left" or "right", where the film shows one."""
        ...

    @property
    def flags(self) -> tuple[str, ...]:
        """Words of `FLAGS`."""
        ...


def measure_film(
    landmarks: Landmarks,
    film: Film | None,
    *,
    side: Side | None = None,
    display: Literal["standard", "mirrored", "unknown"] | None = None,
    **options: Any,
) -> tuple[Result, ...]:
    """`measure`, told what the file says of side and display; what it says of its millimetres and pixels joins the flags.

    Args:
        landmarks: on this film.
        film: as it was read; None for a file that says nothing of it, as PNG does.
        side: of the patient, where somebody says it; else the file's.
        display: as in `measure`, where somebody says it; else the file's.
        options: as in `measure`.
    """
    flags = ("orientation_unknown",) if film is None else film.flags
    told = "mirrored" if "mirrored_display" in flags else "unknown" if "orientation_unknown" in flags else "standard"
    if side is None and film is not None:
        side = "left" if film.side == "left" else "right" if film.side == "right" else None
    of_all = tuple(FLAGS[flag] for flag in _OF_ALL if flag in flags)
    of_lengths = tuple(FLAGS[flag] for flag in _OF_LENGTHS if flag in flags and landmarks.frame.spacing is None)
    return tuple(
        replace(r, flags=(*r.flags, *(of_lengths if r.unit == "px" else ()), *of_all))
        for r in measure(landmarks, side=side, display=display or told, **options)
    )
