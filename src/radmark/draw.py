"""Marks over a film: a red cross where the model put them, a blue ring where the reader did (Figure 1)."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from radmark import RESEARCH_USE, __version__
from radmark.core import Film, Frame, Marks
from radmark.core.frame import SPACING_WORDS, FloatArray
from radmark.io.dicom_result import Reported, author_words

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


def display_pixels(film: Film, region: Region | None = None) -> NDArray[np.uint8]:
    """(H, W) uint8 for the eye: the 0.5th to the 99.5th percentile of the gray values, stretched to 0 … 255.

    Clipping the tails keeps a lead letter or a burnt-out corner from making the rest dark. A region is stretched by its
    own gray values, so a detail inside bright bone shows. A constant picture becomes black.
    """
    left, top, right, bottom = region or Region.whole(film.frame)
    shown = np.zeros((bottom - top, right - left), np.uint8)
    pixels = film.pixels[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)].astype(np.float32)
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
    film: Film,
    truth: Marks | None,
    prediction: Marks | None,
    *,
    region: Region | None = None,
    long_side: int = 1024,
    names: bool = False,
) -> Image.Image:
    """The film as an RGB picture with its landmarks: prediction red, truth blue, a thin line between the two.

    Markers have the size of the picture, not of the film: they are as legible on a thumbnail as on a full film.

    Args:
        film: the picture.
        truth: what the reader marked, in the film's frame.
        prediction: what the model placed, in the film's frame.
        region: the part to show; all of it where not given.
        long_side: of the result, in pixels; small pictures are enlarged to it.
        names: write each landmark's name beside its marker.
    """
    shown = region or Region.whole(film.frame)
    width, height = shown.right - shown.left, shown.bottom - shown.top
    scale = long_side / max(width, height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    picture = Image.fromarray(display_pixels(film, shown))
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


# --------------------------------------------------------------------------------------------------- a picture that stands alone

LINES = (
    (255, 214, 10),
    (100, 210, 255),
    (255, 159, 10),
    (48, 209, 88),
    (255, 105, 180),
    (191, 160, 255),
    (180, 230, 110),
)
"""Colours of measurements, one after the other."""

_SMALLEST = 1000  # pixels of the long side that words need; a smaller film is enlarged by a whole number
_BARS_MM = (1, 2, 5, 10, 20, 50, 100, 200)
_PANEL = (18, 18, 18)
_SAID = ("spacing_at_detector", "spacing_assumed_geometry", "spacing_of_unknown_calibration")  # with the millimetres


def annotated(
    film: Film, marks: Marks, measurements: Sequence[Reported], *, remarks: Sequence[str] = ()
) -> Image.Image:
    """A film of its own size with everything that was found on it, and beside it the numbers and where they come from.

    The film's top left pixel is the picture's. A measurement's line has its colour and its number in the list. A bar shows
    millimetres where the film has any.

    Args:
        film: the film.
        marks: on its frame, with the millimetres that were used.
        measurements: on its frame.
        remarks: what else has to be known of all of it, in words.
    """
    frame = marks.frame
    larger = -(-_SMALLEST // max(frame.width, frame.height))
    to_picture = _Map(np.zeros(2, np.int64), np.full(2, float(larger)))
    picture = Image.fromarray(display_pixels(film))
    if larger > 1:
        picture = picture.resize((frame.width * larger, frame.height * larger), Image.Resampling.BICUBIC)
    picture = picture.convert("RGB")
    text_px = max(12, round(max(picture.size) / 72))
    font = _font(text_px)
    pen = ImageDraw.Draw(picture)
    thin = max(2, text_px // 8)
    placed = {name: tuple(to_picture(point).tolist()) for name, point in _placed(marks).items()}
    arm = text_px * 0.55
    taken = [(x - arm, y - arm, x + arm, y + arm) for x, y in placed.values()]

    for k, m in enumerate(measurements):
        colour = LINES[k % len(LINES)]
        for line in _drawn(m):
            ends = [tuple(point) for point in to_picture(line)]
            pen.line(ends, fill="black", width=thin + 2, joint="curve")
            pen.line(ends, fill=colour, width=thin, joint="curve")
    for x, y in placed.values():
        for edge, colour in ((1, "black"), (0, PREDICTION)):
            a, half = arm + edge, thin / 2 + edge
            pen.rectangle((x - a, y - half, x + a, y + half), fill=colour)
            pen.rectangle((x - half, y - a, x + half, y + a), fill=colour)
    for name, (x, y) in placed.items():
        _write(pen, name.replace("_", " "), (x, y), font, text_px, "white", taken, picture.size)
    for k, m in enumerate(measurements):
        middle = _drawn(m)[-1].mean(axis=0)
        _write(pen, str(k + 1), tuple(to_picture(middle)), font, text_px, LINES[k % len(LINES)], taken, picture.size)
    _draw_bar(pen, picture.size, frame, larger, font, text_px)

    mm = "lengths in pixels" if frame.spacing is None else f"mm: {SPACING_WORDS[frame.spacing.source]}"
    foot = [
        *remarks,
        RESEARCH_USE,
        f"radmark {__version__}, {author_words(marks)}",
        mm,
        *(f.words for f in film.findings if f.code not in _SAID and f.words not in remarks),
    ]
    panel = _panel(measurements, foot, picture.height, font, text_px)
    whole = Image.new("RGB", (picture.width + panel.width, max(picture.height, panel.height)), _PANEL)
    whole.paste(picture, (0, 0))
    whole.paste(panel, (picture.width, 0))
    return whole


def _font(text_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """matplotlib's, which knows degrees and the names of other countries; Pillow's own does not."""
    import matplotlib as mpl  # here: it is slow to import, and most outputs are no pictures

    return ImageFont.truetype(str(Path(mpl.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"), text_px)


def _drawn(m: Reported) -> list[FloatArray]:
    """(N, 2) lines of a measurement in pixels of the film."""
    lines = list(m.lines)
    if m.shape == "ELLIPSE":
        middle = m.points[:2].mean(axis=0)
        turn = np.linspace(0, 2 * np.pi, 97)[:, None]
        lines.append(middle + (m.points[1] - middle) * np.cos(turn) + (m.points[3] - middle) * np.sin(turn))
    return lines or [m.points]


def _write(
    pen: ImageDraw.ImageDraw,
    words: str,
    spot: tuple[float, float],
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    text_px: int,
    colour: str | tuple[int, int, int],
    taken: list[tuple[float, float, float, float]],
    size: tuple[int, int],
) -> None:
    """Words beside a spot: where they hide no others, of the places near it, else right of it."""
    width, height, gap = pen.textlength(words, font=font), text_px * 1.15, text_px * 0.8
    x, y = spot
    places = [
        (x + gap, y - height / 2), (x - gap - width, y - height / 2), (x - width / 2, y - gap - height), (x - width / 2, y + gap),
        *((x + gap, y - height / 2 + step * height) for step in (1, -1, 2, -2)),
        *((x - gap - width, y - height / 2 + step * height) for step in (1, -1, 2, -2)),
    ]  # fmt: skip

    def clash(place: tuple[float, float]) -> float:
        left, top, right, bottom = place[0], place[1], place[0] + width, place[1] + height
        outside = max(0, -left) + max(0, -top) + max(0, right - size[0]) + max(0, bottom - size[1])
        return 10 * outside * text_px + sum(
            max(0, min(right, r) - max(left, a)) * max(0, min(bottom, b) - max(top, t)) for a, t, r, b in taken
        )

    left, top = min(places, key=clash)
    taken.append((left, top, left + width, top + height))
    pen.text((left, top), words, font=font, fill=colour, stroke_width=max(2, text_px // 9), stroke_fill="black")


def _draw_bar(
    pen: ImageDraw.ImageDraw,
    size: tuple[int, int],
    frame: Frame,
    larger: int,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    text_px: int,
) -> None:
    """A bar of round millimetres, along x, at the bottom left; none where nobody knows millimetres."""
    if frame.spacing is None:
        return
    px_of_mm = larger / frame.spacing.x_mm
    fitting = [mm for mm in _BARS_MM if mm * px_of_mm <= size[0] / 4]
    if not fitting:
        return
    length = round(fitting[-1] * px_of_mm)
    x, y, thick = text_px, size[1] - 2 * text_px, max(4, text_px // 3)
    pen.rectangle((x - 2, y - 2, x + length + 1, y + thick + 1), fill="black")
    pen.rectangle((x, y, x + length - 1, y + thick - 1), fill="white")
    pen.text(
        (x, y - text_px * 0.4),
        f"{fitting[-1]} mm",
        font=font,
        fill="white",
        anchor="ls",
        stroke_width=2,
        stroke_fill="black",
    )


def _panel(
    measurements: Sequence[Reported],
    foot: Sequence[str],
    height: int,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    text_px: int,
) -> Image.Image:
    """The numbers, each in the colour of its line, and at the bottom what they rest on."""
    line, margin = round(text_px * 1.5), text_px
    rows = [(f"{k + 1}  {m.words}", LINES[k % len(LINES)]) for k, m in enumerate(measurements)]
    rows = rows or [("no measurement is known for these landmarks", (200, 200, 200))]
    width = round(min(max(font.getlength(words) for words, _ in rows), 40 * text_px))
    width = max(width, 22 * text_px)
    top = [(part, colour) for words, colour in rows for part in _wrapped(words, font, width)]
    bottom = [(part, "white") for words in foot for part in _wrapped(words, font, width)]
    panel = Image.new(
        "RGB", (width + 2 * margin, max(height, (len(top) + len(bottom) + 1) * line + 2 * margin)), _PANEL
    )
    pen = ImageDraw.Draw(panel)
    for k, (words, colour) in enumerate(top):
        pen.text((margin, margin + k * line), words, font=font, fill=colour)
    for k, (words, colour) in enumerate(bottom):
        pen.text((margin, panel.height - margin - (len(bottom) - k) * line), words, font=font, fill=colour)
    return panel


def _wrapped(words: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> list[str]:
    lines = [""]
    for word in words.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1] and font.getlength(longer) > width:
            lines.append(f"    {word}")
        else:
            lines[-1] = longer
    return lines


# ------------------------------------------------------------------------------------------------------------------------- parts


class _Map(NamedTuple):
    """From pixels of the film to pixels of the picture. Corners of corner pixels coincide, hence the halves."""

    corner: NDArray[np.int64]
    scale: FloatArray

    def __call__(self, points: FloatArray, finer: int = 1) -> FloatArray:
        return (points - self.corner + 0.5) * self.scale * finer - 0.5


def _placed(landmarks: Marks | None) -> dict[str, FloatArray]:
    if landmarks is None:
        return {}
    return {
        name: point
        for name, point, placed in zip(landmarks.scheme.names, landmarks.points, landmarks.placed, strict=True)
        if placed
    }


def _draw_markers(
    image: Image.Image, to_picture: _Map, truth: Marks | None, prediction: Marks | None, *, radius: float
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
    picture: Image.Image, to_picture: _Map, truth: Marks | None, prediction: Marks | None, *, text_px: int
) -> None:
    pen = ImageDraw.Draw(picture)
    font = ImageFont.load_default(text_px)
    for name, point in (_placed(truth) | _placed(prediction)).items():
        x, y = to_picture(point)
        pen.text(
            (x + text_px * 0.8, y), name, font=font, fill="white", anchor="lm", stroke_width=2, stroke_fill="black"
        )
