"""A film's measurements, with what the film itself makes doubtful about them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from radmark.core.landmarks import Landmarks
from radmark.core.radiograph import Radiograph
from radmark.io.dicom import FLAGS
from radmark.measure.measure import Result, measure

_OF_LENGTHS = ("spacing_not_believed", "fluoroscopy_not_calibrated")
_OF_ALL = ("pixels_not_square", "lossy_compression", "colour")


def measure_film(
    landmarks: Landmarks,
    radiograph: Radiograph,
    *,
    sd_px: float | Mapping[str, float] | None = None,
    display: Literal["standard", "mirrored", "unknown"] | None = None,
) -> tuple[Result, ...]:
    """`measure`, told what the file says of side and display; what it says of its millimetres and pixels joins the flags.

    Args:
        landmarks: on this film.
        radiograph: the film as it was read.
        sd_px: as in `measure`.
        display: as in `measure`; None where the film's flags say it, as those of a DICOM file do.
    """
    flags = radiograph.flags
    told = "mirrored" if "mirrored_display" in flags else "unknown" if "orientation_unknown" in flags else "standard"
    side = "left" if radiograph.side == "left" else "right" if radiograph.side == "right" else None
    of_all = tuple(FLAGS[flag] for flag in _OF_ALL if flag in flags)
    of_lengths = tuple(FLAGS[flag] for flag in _OF_LENGTHS if flag in flags and landmarks.frame.spacing is None)
    return tuple(
        replace(r, flags=(*r.flags, *(of_lengths if r.unit == "px" else ()), *of_all))
        for r in measure(landmarks, sd_px=sd_px, side=side, display=display or told)
    )
