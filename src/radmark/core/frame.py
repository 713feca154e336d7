"""The pixel grid a point lives on, how many millimetres a pixel is worth, and one grid inside another.

The one convention: a point is (x, y), x right, y down, in pixels; (0.0, 0.0) is the **centre** of the top-left pixel,
so an image W wide covers x from -0.5 to W - 0.5, and doubling its size sends x to 2x + 0.5.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from radmark.core.errors import InputError

FloatArray = NDArray[np.float64]


class SpacingSource(StrEnum):
    """Where the millimetres came from; it travels with every length that is computed from them."""

    FLAG = "flag"  # the user typed it
    TABLE = "table"  # a column of the annotation file
    KNOWN_DISTANCE = "known-distance"  # two points of this very film whose distance is known
    KNOWN_HEAD = "known-head"  # the prosthetic head on this very film, whose diameter is known
    KNOWN_BALL = "known-ball"  # a marker ball on this very film
    MAGNIFICATION = "magnification"  # a spacing on the detector and a magnification the user told
    FILE = "file"  # a separate spacing file the user named
    DICOM_FIDUCIAL = "dicom-fiducial"  # a header, calibrated by an object of known size
    DICOM_GEOMETRY = "dicom-geometry"  # a header, by an assumed depth in the patient
    DICOM_DETECTOR = "dicom-detector"  # a header: millimetres on the detector, not in the patient
    DICOM_UNKNOWN = "dicom-unknown"  # a header that does not say which of these

    @property
    def on_film(self) -> bool:
        """Whether somebody found it on the film itself, by something whose size is known."""
        return self.startswith("known-")


SPACING_WORDS = {
    SpacingSource.FLAG: "given by the user",
    SpacingSource.TABLE: "from the annotation table",
    SpacingSource.KNOWN_DISTANCE: "from two points of known distance",
    SpacingSource.KNOWN_HEAD: "from the prosthetic head's known diameter",
    SpacingSource.KNOWN_BALL: "from a marker ball's known diameter",
    SpacingSource.MAGNIFICATION: "on the detector, divided by a stated magnification",
    SpacingSource.FILE: "from a spacing file",
    SpacingSource.DICOM_FIDUCIAL: "DICOM, calibrated by an object of known size",
    SpacingSource.DICOM_GEOMETRY: "DICOM, by an assumed depth in the patient",
    SpacingSource.DICOM_DETECTOR: "DICOM, on the detector; smaller in the patient",
    SpacingSource.DICOM_UNKNOWN: "DICOM, which does not say in which plane these millimetres hold",
}
"""Where millimetres come from, in words of at most 64 characters."""


@dataclass(frozen=True, slots=True)
class Spacing:
    """Millimetres from one pixel centre to the next, apart in x (between columns) and y (between rows).

    Raises:
        InputError: a value is not a positive, finite number.
    """

    x_mm: float
    y_mm: float
    source: SpacingSource

    def __post_init__(self) -> None:
        for axis, value in (("x", self.x_mm), ("y", self.y_mm)):
            if not (math.isfinite(value) and value > 0):
                raise InputError(
                    f"the {axis} spacing is not a positive number of millimetres",
                    value=value,
                    remedy="Give the millimetres one pixel covers, such as 0.143, or leave it out where it is unknown",
                )

    @classmethod
    def parse(cls, text: str, source: SpacingSource) -> "Spacing":
        """ "0.143" or "0.143,0.144" (x, y) in millimetres.

        Raises:
            InputError: neither one nor two positive numbers.
        """
        try:
            values = [float(part) for part in text.split(",")]
        except ValueError:
            values = []
        if len(values) not in (1, 2):
            raise InputError(
                "the spacing is neither one number of millimetres nor two",
                value=text,
                remedy="Give V or X,Y with a decimal point, such as 0.143 or 0.143,0.144",
            )
        return cls(values[0], values[-1], source)


@dataclass(frozen=True, slots=True)
class Frame:
    """A grid of `width` x `height` pixels; `spacing` is None where the millimetres are unknown.

    Raises:
        InputError: a side is smaller than one pixel.
    """

    width: int
    height: int
    spacing: Spacing | None = None

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise InputError(
                "a frame needs at least one pixel on each side",
                value=f"{self.width} x {self.height}",
                remedy="Check the image size",
            )

    def holds(self, points: FloatArray) -> NDArray[np.bool_]:
        """Which of the (..., 2) points lie on the grid, its half-pixel border included; NaN does not."""
        x, y = points[..., 0], points[..., 1]
        return (x >= -0.5) & (x <= self.width - 0.5) & (y >= -0.5) & (y <= self.height - 0.5)

    def to_mm(self, offsets_px: FloatArray) -> FloatArray:
        """Turn (..., 2) differences between points from pixels to millimetres.

        Raises:
            InputError: the frame has no spacing.
        """
        if self.spacing is None:
            raise InputError(
                "millimetres were asked for, but the pixel spacing is unknown",
                remedy="Give spacing_x_mm and spacing_y_mm columns or --spacing-mm",
            )
        return offsets_px * np.array([self.spacing.x_mm, self.spacing.y_mm])


@dataclass(frozen=True, slots=True)
class Inset:
    """A source frame, padded to a square and scaled, inside a square target frame: the letterbox.

    The padding is a whole number of source pixels and the scale is one number for both axes, so pixels and points go
    through the very same map and angles survive. The target has no spacing: a millimetre cannot be computed there by
    accident.
    """

    source: Frame
    target: Frame
    pad_x: int
    pad_y: int
    scale: float

    @classmethod
    def letterbox(cls, source: Frame, size: int) -> "Inset":
        """Centre `source` in a square and bring that square to `size` x `size` pixels."""
        side = max(source.width, source.height)
        return cls(
            source=source,
            target=Frame(size, size),
            pad_x=(side - source.width) // 2,
            pad_y=(side - source.height) // 2,
            scale=size / side,
        )

    def to_target(self, points: FloatArray) -> FloatArray:
        """(..., 2) points of the source frame, seen in the target frame."""
        # Scaling keeps the corner of the corner pixel (-0.5, -0.5) in place, not its centre: hence the half pixels.
        return (points + np.array([self.pad_x, self.pad_y]) + 0.5) * self.scale - 0.5

    def to_source(self, points: FloatArray) -> FloatArray:
        """(..., 2) points of the target frame, seen in the source frame."""
        return (points + 0.5) / self.scale - 0.5 - np.array([self.pad_x, self.pad_y])
