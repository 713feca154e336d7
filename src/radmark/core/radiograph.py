"""A radiograph: gray pixels at their full depth, on a frame."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radmark.core.errors import InputError
from radmark.core.frame import Frame


@dataclass(frozen=True, eq=False)
class Radiograph:
    """One gray picture.

    Args:
        pixels: (H, W), uint8, uint16 or float32, brighter is denser (bone is bright), as stored: not windowed, not
            rescaled. Seen through a read-only view.
        frame: its grid; W x H.
        view: projection, such as "AP", where known.
        side: the patient's side, "left" or "right", where the film shows one.
        flags: what whoever uses it should know, one word each, such as "orientation_unknown".

    Raises:
        InputError: pixels are not a (H, W) array of such numbers, not finite, or not the frame's size.
    """

    pixels: NDArray[Any]
    frame: Frame
    view: str | None = None
    side: str | None = None
    flags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not any(self.pixels.dtype == depth for depth in (np.uint8, np.uint16, np.float32)):
            raise InputError(
                "pixels are not 8-bit, 16-bit or 32-bit float gray values",
                value=str(self.pixels.dtype),
                remedy="Convert them to uint8, uint16 or float32",
            )
        if self.pixels.shape != (self.frame.height, self.frame.width):
            raise InputError(
                f"pixels do not fill a frame {self.frame.width} wide and {self.frame.height} high",
                value=f"array of shape {self.pixels.shape}",
                remedy="Give an array of shape (height, width)",
            )
        if self.pixels.dtype == np.float32 and not np.isfinite(self.pixels).all():
            raise InputError("pixels hold NaN or infinity", remedy="Replace them before reading the radiograph")
        # A view, so that the caller's own array stays as it was.
        pixels = self.pixels.view()
        pixels.flags.writeable = False
        object.__setattr__(self, "pixels", pixels)

    @cached_property
    def pixel_hash(self) -> str:
        """sha256 over size, depth and gray values: the same picture under two names has the same hash."""
        head = f"{self.pixels.shape} {self.pixels.dtype} ".encode()
        return hashlib.sha256(head + np.ascontiguousarray(self.pixels).tobytes()).hexdigest()

    def normalised(self) -> NDArray[np.float32]:
        """(H, W) float32 in [0, 1], stretched from the image's own darkest to brightest value at full bit depth.

        A constant image becomes all zeros.
        """
        low, high = float(self.pixels.min()), float(self.pixels.max())
        if high == low:
            return np.zeros(self.pixels.shape, np.float32)
        return ((self.pixels.astype(np.float32) - np.float32(low)) / np.float32(high - low)).astype(np.float32)
