"""Where markers land, by the light of single pixels."""

import numpy as np
import pytest

from radmark.core import Frame, Landmarks, Radiograph, Scheme
from radmark.draw import PREDICTION, TRUTH, Region, display_pixels, overlay

SCHEME = Scheme.from_names(("a",))


def film(width, height, lit=None, dtype=np.uint8):
    pixels = np.zeros((height, width), dtype)
    if lit is not None:
        pixels[lit[1], lit[0]] = np.iinfo(dtype).max
    return Radiograph(pixels, Frame(width, height))


def marked(radiograph, x, y):
    return Landmarks.of(SCHEME, radiograph.frame, {"a": (x, y)})


def centre_of(picture, colour):
    """The (x, y) centre of what is more `colour` than gray, weighted by how much."""
    pixels = np.asarray(picture).astype(float)
    direction = np.array(colour, float) - np.mean(colour)
    amount = np.clip((pixels - pixels.mean(axis=2, keepdims=True)) @ direction, 0, None)
    rows, columns = np.indices(amount.shape)
    return (columns * amount).sum() / amount.sum(), (rows * amount).sum() / amount.sum()


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
    red, green, blue = picture.getpixel((101, 101))
    assert red > 2 * max(green, blue), "the cross is red"
    ring = [picture.getpixel((301, y)) for y in range(92, 110)]
    assert TRUTH in ring
    assert TRUTH not in ring[6:12], "the ring is open: it hides no anatomy"
    red, green, blue = picture.getpixel((200, 101))
    assert min(red, green) > 100 > blue, "the line is yellow"


def test_landmarks_without_a_position_leave_no_mark():
    dark = film(40, 40)
    nothing = Landmarks.of(SCHEME, dark.frame, {})
    assert not np.asarray(overlay(dark, nothing, nothing, long_side=80, names=True)).any()


def test_names_are_written_when_asked_for():
    dark = film(40, 40)
    bare, named = (overlay(dark, marked(dark, 10, 20), None, long_side=400, names=names) for names in (False, True))
    assert (np.asarray(named) != np.asarray(bare)).any()


def test_the_display_window_clips_the_tails():
    ramp = np.linspace(1000, 2000, 10_000).reshape(100, 100).astype(np.uint16)
    ramp[0, 0], ramp[99, 99] = 0, 65535
    shown = display_pixels(Radiograph(ramp, Frame(100, 100)))
    assert shown.dtype == np.uint8
    assert int(shown[50, 0]) == pytest.approx(127, abs=2)
    assert (shown.min(), shown.max()) == (0, 255)


@pytest.mark.parametrize("value", [0, 7, 65535])
def test_a_constant_picture_is_black(value):
    flat = Radiograph(np.full((8, 8), value, np.uint16), Frame(8, 8))
    assert not display_pixels(flat).any()


def test_a_region_beyond_the_picture_is_black_there():
    bright = film(20, 20, (0, 0))
    shown = display_pixels(bright, Region(-10, -10, 11, 11))
    assert shown.shape == (21, 21)
    assert np.argwhere(shown).tolist() == [[10, 10]]
    assert not display_pixels(bright, Region(-30, -30, -9, -9)).any()
