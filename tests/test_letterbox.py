"""Pixels and points go through the same map: tested with a lit spot, since a round trip proves nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radmark.core import Film, Frame, Inset
from radmark.letterbox import letterbox_pixels


def blob(frame: Frame, x: float, y: float) -> Film:
    """A film, black but for a round blob about 20 pixels wide, centred at (x, y): smooth, so that its centroid is exact."""
    rows, columns = np.indices((frame.height, frame.width))
    light = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 4.0**2))
    return Film.from_array(np.rint(60000 * light).astype(np.uint16))


@given(st.integers(60, 160), st.integers(60, 160), st.sampled_from([32, 64, 96, 160, 256]), st.data())
def test_a_lit_spot_arrives_where_the_inset_says(width: int, height: int, size: int, data: st.DataObject) -> None:
    frame = Frame(width, height)
    x, y = data.draw(st.floats(25, width - 26)), data.draw(st.floats(25, height - 26))
    inset = Inset.letterbox(frame, size)
    seen = letterbox_pixels(blob(frame, x, y), inset).astype(float)
    rows, columns = np.indices(seen.shape)
    centroid = np.array([(seen * columns).sum(), (seen * rows).sum()]) / seen.sum()
    assert centroid == pytest.approx(inset.to_target(np.array([x, y])), abs=0.02)


def test_the_whole_picture_is_kept_and_the_padding_is_black() -> None:
    frame = Frame(40, 80)
    pixels = np.full((80, 40), 7, np.uint8)
    pixels[0, 0] = 0  # so that 7 is bright
    seen = letterbox_pixels(Film.from_array(pixels), Inset.letterbox(frame, 160))
    assert (seen[:, :38] == 0).all()
    assert (seen[:, -38:] == 0).all()
    assert (seen[10:, 42:118] == 1).all()


def test_sixteen_bit_steps_survive() -> None:
    frame = Frame(64, 64)
    pixels = np.zeros((64, 64), np.uint16)
    pixels[0, 1], pixels[0, 0] = 1, 65535
    seen = letterbox_pixels(Film.from_array(pixels), Inset.letterbox(frame, 64))
    assert seen[0, 1] == pytest.approx(1 / 65535, rel=1e-5)
    assert seen[0, 0] == 1
