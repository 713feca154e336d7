"""Radiographs: gray values at their full depth."""

import numpy as np
import pytest

from radmark.core import Frame, InputError, Radiograph, same_pixels


@pytest.mark.parametrize(
    ("dtype", "values"),
    [(np.uint8, [0, 51, 255]), (np.uint16, [1000, 13814, 65070]), (np.float32, [-1.0, -0.6, 1.0])],
)
def test_the_darkest_value_becomes_0_and_the_brightest_1(dtype: type, values: list[float]) -> None:
    seen = Radiograph(np.array([values], dtype), Frame(3, 1)).normalised()
    assert seen.dtype == np.float32
    np.testing.assert_allclose(seen, [[0, 0.2, 1]], atol=1e-6)


def test_sixteen_bits_are_not_squeezed_through_eight() -> None:
    ramp = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    assert len(np.unique(Radiograph(ramp, Frame(64, 64)).normalised())) == 4096


def test_a_blank_film_is_black() -> None:
    assert not Radiograph(np.full((2, 3), 77, np.uint8), Frame(3, 2)).normalised().any()


def test_an_array_is_height_by_width() -> None:
    with pytest.raises(InputError, match=r"3 wide and 2 high.*\(3, 2\).*\(height, width\)"):
        Radiograph(np.zeros((3, 2), np.uint8), Frame(width=3, height=2))


def test_a_colour_picture_is_refused() -> None:
    with pytest.raises(InputError, match=r"\(2, 3, 3\)"):
        Radiograph(np.zeros((2, 3, 3), np.uint8), Frame(3, 2))


@pytest.mark.parametrize("dtype", [np.int16, np.float64, np.bool_])
def test_any_other_depth_is_refused_by_name(dtype: type) -> None:
    with pytest.raises(InputError, match=np.dtype(dtype).name):
        Radiograph(np.zeros((2, 3), dtype), Frame(3, 2))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_gray_values_are_finite(value: float) -> None:
    with pytest.raises(InputError, match="NaN or infinity"):
        Radiograph(np.full((2, 3), value, np.float32), Frame(3, 2))


def test_the_picture_is_read_only_and_the_callers_array_is_not() -> None:
    array = np.zeros((2, 3), np.uint8)
    radiograph = Radiograph(array, Frame(3, 2))
    with pytest.raises(ValueError, match="read-only"):
        radiograph.pixels[0, 0] = 1
    array[0, 0] = 1


def test_the_hash_sees_pixels_shape_and_depth_and_nothing_else() -> None:
    pixels = np.arange(6, dtype=np.uint8)

    def hashed(array: np.ndarray) -> str:
        return Radiograph(array, Frame(array.shape[1], array.shape[0])).pixel_hash

    wide, high = pixels.reshape(2, 3), pixels.reshape(3, 2)
    assert hashed(wide) == hashed(np.asfortranarray(wide))
    assert len({hashed(wide), hashed(high), hashed(wide.astype(np.uint16)), hashed(wide + np.uint8(1))}) == 4


def test_one_picture_under_two_names_is_noticed() -> None:
    assert same_pixels({"a": "1", "b": "2", "c": "1", "d": "3"}) == (("a", "c"),)
