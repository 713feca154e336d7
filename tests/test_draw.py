"""Where markers land, by the light of single pixels."""

from typing import Literal

import numpy as np
import pytest
from PIL import ImageDraw

from radmark import RESEARCH_USE, __version__
from radmark.core import Film, Marks, Scheme, Spacing, SpacingSource
from radmark.core.marks import Model
from radmark.draw import LINES, PREDICTION, TRUTH, Region, annotated, display_pixels, overlay
from radmark.io.dicom import FINDINGS
from radmark.io.dicom_result import Reported

SCHEME = Scheme.from_names(("a",))


def film(width, height, lit=None, dtype=np.uint8):
    pixels = np.zeros((height, width), dtype)
    if lit is not None:
        pixels[lit[1], lit[0]] = np.iinfo(dtype).max
    return Film.from_array(pixels)


def marked(film, x, y):
    return Marks.of(SCHEME, film.frame, {"a": (x, y)})


def centre_of(picture, colour):
    """The (x, y) centre of what is more `colour` than gray, weighted by how much."""
    pixels = np.asarray(picture).astype(float)
    direction = np.array(colour, float) - np.mean(colour)
    amount = np.clip((pixels - pixels.mean(axis=2, keepdims=True)) @ direction, 0, None)
    rows, columns = np.indices(amount.shape)
    return (columns * amount).sum() / amount.sum(), (rows * amount).sum() / amount.sum()


def rgb(picture, x, y) -> tuple[int, int, int]:
    return picture.getpixel((x, y))


def brightest(picture):
    gray = np.asarray(picture.convert("L")).astype(float)
    rows, columns = np.indices(gray.shape)
    return (columns * gray).sum() / gray.sum(), (rows * gray).sum() / gray.sum()


@pytest.mark.parametrize(
    ("width", "height", "long_side"), [(64, 48, 64), (64, 48, 512), (90, 160, 511), (640, 480, 200)]
)
def test_a_marker_stands_on_the_pixel_it_names(width, height, long_side):
    """The lit pixel shows where the picture puts a pixel; the marker has to come out on the same spot."""
    lit = (width // 3, height // 4)
    dark, bright = film(width, height), film(width, height, lit)
    spot = brightest(overlay(bright, None, None, long_side=long_side))
    prediction = overlay(dark, None, marked(dark, *lit), long_side=long_side)
    truth = overlay(dark, marked(dark, *lit), None, long_side=long_side)
    assert max(prediction.size) == long_side
    assert centre_of(prediction, PREDICTION) == pytest.approx(spot, abs=0.25)
    assert centre_of(truth, TRUTH) == pytest.approx(spot, abs=0.25)


def test_a_regions_marker_stands_on_its_pixel_too():
    dark, bright = film(64, 48), film(64, 48, (30, 20))
    region = Region(21, 7, 42, 28)
    spot = brightest(overlay(bright, None, None, region=region, long_side=210))
    assert spot == pytest.approx((9.5 * 10 - 0.5, 13.5 * 10 - 0.5), abs=0.01)
    assert centre_of(
        overlay(dark, None, marked(dark, 30, 20), region=region, long_side=210), PREDICTION
    ) == pytest.approx(spot, abs=0.25)


def test_prediction_is_red_truth_blue_and_a_line_joins_them():
    dark = film(200, 100)
    picture = overlay(dark, marked(dark, 150, 50), marked(dark, 50, 50), long_side=400)
    red, green, blue = rgb(picture, 101, 101)
    assert red > 2 * max(green, blue), "the cross is red"
    ring = [picture.getpixel((301, y)) for y in range(92, 110)]
    assert TRUTH in ring
    assert TRUTH not in ring[6:12], "the ring is open: it hides no anatomy"
    red, green, blue = rgb(picture, 200, 101)
    assert min(red, green) > 100 > blue, "the line is yellow"


def test_landmarks_without_a_position_leave_no_mark():
    dark = film(40, 40)
    nothing = Marks.of(SCHEME, dark.frame, {})
    assert not np.asarray(overlay(dark, nothing, nothing, long_side=80, names=True)).any()


def test_names_are_written_when_asked_for():
    dark = film(40, 40)
    bare, named = (overlay(dark, marked(dark, 10, 20), None, long_side=400, names=names) for names in (False, True))
    assert (np.asarray(named) != np.asarray(bare)).any()


def test_the_display_window_clips_the_tails():
    ramp = np.linspace(1000, 2000, 10_000).reshape(100, 100).astype(np.uint16)
    ramp[0, 0], ramp[99, 99] = 0, 65535
    shown = display_pixels(Film.from_array(ramp))
    assert shown.dtype == np.uint8
    assert int(shown[50, 0]) == pytest.approx(127, abs=2)
    assert (shown.min(), shown.max()) == (0, 255)


@pytest.mark.parametrize("value", [0, 7, 65535])
def test_a_constant_picture_is_black(value):
    flat = Film.from_array(np.full((8, 8), value, np.uint16))
    assert not display_pixels(flat).any()


def test_a_region_beyond_the_picture_is_black_there():
    bright = film(20, 20, (0, 0))
    shown = display_pixels(bright, Region(-10, -10, 11, 11))
    assert shown.shape == (21, 21)
    assert np.argwhere(shown).tolist() == [[10, 10]]
    assert not display_pixels(bright, Region(-30, -30, -9, -9)).any()


# ------------------------------------------------------------------------------------------------ a picture that stands alone


def measured(points, unit="mm", shape: Literal["POLYLINE", "ELLIPSE"] = "POLYLINE", lines=()):
    return Reported("a length", 4.2, unit, shape, np.array(points, float), lines=lines)


def where(picture, colour):
    """(N, 2) x, y of the pixels that have just this colour."""
    return np.argwhere((np.asarray(picture) == colour).all(axis=2))[:, ::-1]


@pytest.mark.parametrize(("width", "height", "larger"), [(1200, 900, 1), (300, 500, 2)])
def test_the_film_keeps_its_size_and_its_place_at_the_pictures_top_left(width, height, larger):
    lit = film(width, height, (40, 30))
    picture = np.asarray(annotated(lit, Marks.of(SCHEME, lit.frame, {}), []))
    assert picture.shape[1] > width * larger  # the list stands beside it, not over it
    shown = picture[: height * larger, : width * larger].sum(axis=2).astype(float)
    shown[shown < shown.max() / 4] = 0
    rows, columns = np.indices(shown.shape)
    spot = ((columns * shown).sum() / shown.sum(), (rows * shown).sum() / shown.sum())
    assert spot == pytest.approx((40 * larger + (larger - 1) / 2, 30 * larger + (larger - 1) / 2), abs=0.5)


def test_a_landmarks_cross_and_a_measurements_line_and_ellipse_lie_where_they_should():
    dark = film(1200, 900)
    line = measured([[700, 200], [700, 500]])
    rim = np.array([[300.0, 600], [500, 600], [400, 560], [400, 640]])
    cup = measured(rim, "deg", "ELLIPSE", lines=(rim[:2],))
    picture = annotated(dark, marked(dark, 200, 300), [line, cup]).crop((0, 0, 1200, 900))
    cross = where(picture, PREDICTION)
    assert (cross.min(axis=0) + cross.max(axis=0)) / 2 == pytest.approx([200, 300], abs=1)
    straight = where(picture, LINES[0])
    straight = straight[np.abs(straight[:, 0] - 700) < 4]  # its number stands beside it in the same colour
    assert (straight[:, 1].min(), straight[:, 1].max()) == pytest.approx((200, 500), abs=2)
    curve = {tuple(p) for p in where(picture, LINES[1])}
    for x, y in [*rim, (400 + 100 * np.sqrt(0.5), 600 + 40 * np.sqrt(0.5))]:
        assert any((round(x) + dx, round(y) + dy) in curve for dx in (-1, 0, 1) for dy in (-1, 0, 1))


def test_the_bar_is_as_long_as_its_millimetres_and_missing_where_nobody_knows_them():
    """0.5 mm a pixel: 100 mm are 200 px, the longest that fits a quarter of 1200."""

    def bar(spacing):
        flat = Film.from_array(np.zeros((900, 1200), np.uint8), spacing_mm=spacing)
        corner = annotated(flat, marked(flat, 600, 100), []).crop((0, 800, 600, 900))
        found = where(corner, (255, 255, 255))
        rows, counts = np.unique(found[:, 1], return_counts=True)
        return counts.max() if rows.size else 0

    assert bar(Spacing(0.5, 0.4, SpacingSource.FLAG)) == 200
    assert bar(None) == 0


def test_the_list_says_research_use_model_version_and_where_the_millimetres_come_from(monkeypatch):
    said = []
    plain = ImageDraw.ImageDraw.text
    monkeypatch.setattr(
        ImageDraw.ImageDraw, "text", lambda self, at, words, **k: (said.append(words), plain(self, at, words, **k))
    )
    flat = Film.from_array(
        np.zeros((900, 1200), np.uint8), spacing_mm=Spacing(0.5, 0.5, SpacingSource.DICOM_DETECTOR),
        notes=(FINDINGS["lossy_compression"], FINDINGS["spacing_at_detector"]),
    )  # fmt: skip
    remark = "not computable: leg-length discrepancy: right and left look swapped"
    annotated(flat, marked(flat, 600, 100).by(Model("", "run-7")), [measured([[1, 1], [9, 9]])], remarks=[remark])
    text = " ".join(" ".join(said).split())
    assert RESEARCH_USE in text
    assert f"radmark {__version__}, run-7" in text
    assert "mm: DICOM, on the detector; smaller in the patient" in text
    assert "1 a length: 4.2 mm" in text
    assert FINDINGS["lossy_compression"].words in text
    assert remark in text


def test_many_names_at_one_place_do_not_hide_each_other():
    scheme = Scheme.from_names(tuple("abcdefgh"))
    dark = film(1200, 900)
    crowded = Marks.present(scheme, dark.frame, np.array([[600.0 + 4 * k, 450] for k in range(8)]))
    names = where(annotated(dark, crowded, []).crop((0, 0, 1200, 900)), (255, 255, 255))
    single = Marks.present(Scheme.from_names(("a",)), dark.frame, np.array([[600.0, 450]]))
    one = where(annotated(dark, single, []).crop((0, 0, 1200, 900)), (255, 255, 255))
    assert len(names) > 6 * len(one)
