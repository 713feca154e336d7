"""Landmarks over a radiograph: a red cross where the model put them, a blue ring where the reader did (Figure 1)."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from radmark.core import Frame, Landmarks, Radiograph
from radmark.core.frame import FloatArray

PREDICTION = (255, 69, 58)
TRUTH = (64, 156, 255)
_JOIN = (255, 214, 10)
_EDGE = (0, 0, 0, 180)
_FINER = 4  # shapes are drawn this much larger and averaged down, which smooths them


class Region(NamedTuple):
    """A rectangle of whole pixels of a frame, `right` and `bottom` just outside; beyond the picture it is black."""

    left: int
    top: int
    right: int
    bottom: int

    @classmethod
    def whole(cls, frame: Frame) -> "Region":
        """All of a frame."""
        return cls(0, 0, frame.width, frame.height)

    @classmethod
    def square(cls, centre: FloatArray, half_side: float) -> "Region":
        """A square of whole pixels about the (2,) point `centre`, its sides at least `half_side` pixels away."""
        half = int(np.ceil(half_side))
        x, y = (int(v) for v in np.rint(centre))
        return cls(x - half, y - half, x + half + 1, y + half + 1)


def display_pixels(radiograph: Radiograph, region: Region | None = None) -> NDArray[np.uint8]:
    """(H, W) uint8 for the eye: the 0.5th to the 99.5th percentile of the gray values, stretched to 0 … 255.

    Clipping the tails keeps a lead letter or a burnt-out corner from making the rest dark. A region is stretched by its
    own gray values, so a detail inside bright bone shows. A constant picture becomes black.
    """
    left, top, right, bottom = region or Region.whole(radiograph.frame)
    shown = np.zeros((bottom - top, right - left), np.uint8)
    pixels = radiograph.pixels[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)].astype(np.float32)
    if not pixels.size:
        return shown
    low, high = np.percentile(pixels, (0.5, 99.5))
    if high == low:
        # Almost all one gray value, as a test pattern is: the tails are the picture.
        low, high = pixels.min(), pixels.max()
    if high == low:
        return shown
    y, x = max(-top, 0), max(-left, 0)
    stretched = np.clip((pixels - low) / (high - low), 0, 1) * 255
    shown[y : y + pixels.shape[0], x : x + pixels.shape[1]] = np.rint(stretched).astype(np.uint8)
    return shown


def overlay(
    radiograph: Radiograph,
    truth: Landmarks | None,
    prediction: Landmarks | None,
    *,
    region: Region | None = None,
    long_side: int = 1024,
    names: bool = False,
) -> Image.Image:
    """The radiograph as an RGB picture with its landmarks: prediction red, truth blue, a thin line between the two.

    Markers have the size of the picture, not of the film: they are as legible on a thumbnail as on a full radiograph.

    Args:
        radiograph: the picture.
        truth: what the reader marked, in the radiograph's frame.
        prediction: what the model placed, in the radiograph's frame.
        region: the part to show; all of it where not given.
        long_side: of the result, in pixels; small pictures are enlarged to it.
        names: write each landmark's name beside its marker.
    """
    shown = region or Region.whole(radiograph.frame)
    width, height = shown.right - shown.left, shown.bottom - shown.top
    scale = long_side / max(width, height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    picture = Image.fromarray(display_pixels(radiograph, shown))
    shrinking = size[0] < width
    picture = picture.resize(size, Image.Resampling.LANCZOS if shrinking else Image.Resampling.BICUBIC).convert("RGBA")
    # Each axis by the scale it really got: the sides were rounded to whole pixels.
    to_picture = _Map(np.array([shown.left, shown.top]), np.array(size) / np.array([width, height]))
    markers = Image.new("RGBA", (size[0] * _FINER, size[1] * _FINER))
    _draw_markers(markers, to_picture, truth, prediction, radius=max(6.0, long_side / 110))
    picture.alpha_composite(markers.reduce(_FINER))
    if names:
        _draw_names(picture, to_picture, truth, prediction, text_px=max(11, round(long_side / 64)))
    return picture.convert("RGB")


class _Map(NamedTuple):
    """From pixels of the film to pixels of the picture. Corners of corner pixels coincide, hence the halves."""

    corner: NDArray[np.int64]
    scale: FloatArray

    def __call__(self, points: FloatArray, finer: int = 1) -> FloatArray:
        return (points - self.corner + 0.5) * self.scale * finer - 0.5


def _placed(landmarks: Landmarks | None) -> dict[str, FloatArray]:
    if landmarks is None:
        return {}
    return {
        name: point
        for name, point, placed in zip(landmarks.scheme.names, landmarks.points, landmarks.placed, strict=True)
        if placed
    }


def _draw_markers(
    image: Image.Image, to_picture: _Map, truth: Landmarks | None, prediction: Landmarks | None, *, radius: float
) -> None:
    """Lines first, then rings, then crosses; each with a dark edge, because bone is as bright as the markers."""
    pen = ImageDraw.Draw(image)
    blue, red = _placed(truth), _placed(prediction)
    thin = round(max(1.5, radius / 6) * _FINER)
    for name in blue.keys() & red.keys():
        ends = [*_spot(to_picture, blue[name]), *_spot(to_picture, red[name])]
        for width, colour in ((2 * thin, _EDGE), (thin, _JOIN)):
            pen.line(ends, fill=colour, width=width)
    r, line = round(radius * _FINER), round(max(1.4, radius / 4) * _FINER)
    edge = max(1, line // 3)
    for point in blue.values():
        x, y = _spot(to_picture, point)
        box = (x - r - edge, y - r - edge, x + r + edge, y + r + edge)
        pen.ellipse(box, outline=_EDGE, width=line + 2 * edge)
        pen.ellipse((x - r, y - r, x + r, y + r), outline=TRUTH, width=line)
    half = line // 2
    for point in red.values():
        x, y = _spot(to_picture, point)
        for grow, colour in ((edge, _EDGE), (0, PREDICTION)):
            a, b = r + grow, half + grow
            pen.rectangle((x - a, y - b, x + a, y + b), fill=colour)
            pen.rectangle((x - b, y - a, x + b, y + a), fill=colour)


def _spot(to_picture: _Map, point: FloatArray) -> tuple[int, int]:
    x, y = np.rint(to_picture(point, _FINER))
    return int(x), int(y)


def _draw_names(
    picture: Image.Image, to_picture: _Map, truth: Landmarks | None, prediction: Landmarks | None, *, text_px: int
) -> None:
    pen = ImageDraw.Draw(picture)
    font = ImageFont.load_default(text_px)
    for name, point in (_placed(truth) | _placed(prediction)).items():
        x, y = to_picture(point)
        pen.text(
            (x + text_px * 0.8, y), name, font=font, fill="white", anchor="lm", stroke_width=2, stroke_fill="black"
        )
