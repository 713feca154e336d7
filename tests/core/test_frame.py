"""The one convention, held against lit pixels resized by Pillow and against numbers worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from radmark.core import Frame, InputError, Inset, Spacing, SpacingSource

SIDES = st.integers(1, 4000)


def centroid(picture: np.ndarray) -> np.ndarray:
    """(x, y) centre of mass, in pixel-centre coordinates. The oracle: it knows nothing of frames."""
    rows, columns = np.indices(picture.shape)
    return np.array([(columns * picture).sum(), (rows * picture).sum()]) / picture.sum()


def letterboxed_by_pillow(picture: np.ndarray, size: int, how: Image.Resampling) -> np.ndarray:
    """The picture in the middle of a black square, the square resized. An odd remainder goes right or below."""
    height, width = picture.shape
    side = max(height, width)
    square = np.zeros((side, side), np.float32)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = picture
    return np.asarray(Image.fromarray(square).resize((size, size), how), np.float64)


@pytest.mark.parametrize(
    ("width", "height", "size"),
    [
        pytest.param(90, 60, 45, id="landscape, halved"),
        pytest.param(60, 90, 45, id="portrait, halved"),
        pytest.param(90, 61, 30, id="odd padding above and below, a third"),
        pytest.param(61, 90, 30, id="odd padding left and right, a third"),
        pytest.param(48, 31, 96, id="landscape, doubled"),
        pytest.param(31, 48, 144, id="portrait, tripled"),
        pytest.param(64, 64, 64, id="as it is"),
    ],
)
@pytest.mark.parametrize("how", [Image.Resampling.BOX, Image.Resampling.BILINEAR])
def test_a_lit_block_lands_where_pillow_puts_it(width: int, height: int, size: int, how: Image.Resampling) -> None:
    # A block of 6 x 6 is whole under every scale above, so its centre of mass survives the resampling exactly.
    left, top = width // 2 + 5, height // 2 - 11
    side = max(width, height)
    # Begin on a multiple of 6 of the padded square: a third and a half then cut no pixel.
    left -= (left + (side - width) // 2) % 6
    top -= (top + (side - height) // 2) % 6
    picture = np.zeros((height, width), np.float32)
    picture[top : top + 6, left : left + 6] = 1

    seen = centroid(letterboxed_by_pillow(picture, size, how))

    told = Inset.letterbox(Frame(width, height), size).to_target(centroid(picture))
    np.testing.assert_allclose(told, seen, atol=1e-3)


@pytest.mark.parametrize(("width", "height"), [(50, 35), (35, 50), (51, 36), (36, 51)])
def test_a_lit_pixel_of_the_target_is_found_again_in_the_source(width: int, height: int) -> None:
    # The other way round: enlarge one lit pixel tenfold, take where it is seen, ask where it came from.
    picture = np.zeros((height, width), np.float32)
    picture[7, 21] = 1
    seen = centroid(letterboxed_by_pillow(picture, 10 * max(width, height), Image.Resampling.BOX))

    source = Inset.letterbox(Frame(width, height), 10 * max(width, height)).to_source(seen)

    np.testing.assert_allclose(source, [21, 7], atol=1e-6)


def test_doubling_sends_x_to_2x_plus_a_half() -> None:
    doubled = Inset.letterbox(Frame(8, 8), 16).to_target(np.array([[0.0, 0.0], [3.0, 5.0]]))
    assert doubled.tolist() == [[0.5, 0.5], [6.5, 10.5]]


def test_the_letterbox_of_a_knee_film_as_worked_out_by_hand() -> None:
    # 1000 wide, 2001 high, to 512: 500 columns go left of it, 501 right of it, and one source pixel is 512/2001.
    inset = Inset.letterbox(Frame(1000, 2001), 512)
    assert (inset.pad_x, inset.pad_y) == (500, 0)
    scale = 512 / 2001
    x, y = inset.to_target(np.array([0.0, 2000.0]))
    assert x == pytest.approx(500.5 * scale - 0.5)
    assert y == pytest.approx(2000.5 * scale - 0.5)


@given(width=SIDES, height=SIDES, size=st.integers(1, 1024))
def test_the_corners_of_the_source_lie_within_the_target(width: int, height: int, size: int) -> None:
    inset = Inset.letterbox(Frame(width, height), size)
    corners = np.array([[-0.5, -0.5], [width - 0.5, height - 0.5]])
    seen = inset.to_target(corners)
    assert (seen >= -0.5 - 1e-9).all()
    assert (seen <= size - 0.5 + 1e-9).all()
    # The longer side reaches from edge to edge.
    axis = 0 if width >= height else 1
    np.testing.assert_allclose(seen[:, axis], [-0.5, size - 0.5], atol=1e-9)


@given(width=SIDES, height=SIDES, size=st.integers(1, 1024), x=st.floats(-50, 4050), y=st.floats(-50, 4050))
def test_there_and_back_is_where_it_was(width: int, height: int, size: int, x: float, y: float) -> None:
    inset = Inset.letterbox(Frame(width, height), size)
    np.testing.assert_allclose(inset.to_source(inset.to_target(np.array([x, y]))), [x, y], atol=1e-6)


@given(width=st.integers(20, 3000), height=st.integers(20, 3000), size=st.integers(32, 1024))
def test_the_angle_of_a_3_4_5_triangle_survives_the_letterbox(width: int, height: int, size: int) -> None:
    triangle = np.array([[3.0, 4.0], [3.0 + 4.0, 4.0], [3.0, 4.0 + 3.0]])
    corner, along, down = Inset.letterbox(Frame(width, height), size).to_target(triangle)
    right_angle = float(np.dot(along - corner, down - corner))
    assert right_angle == pytest.approx(0, abs=1e-9)
    slope = corner + (down - corner) - along
    assert math.degrees(math.atan2(slope[1], -slope[0])) == pytest.approx(36.86989764584402, abs=1e-6)


def test_the_letterbox_leaves_the_millimetres_behind() -> None:
    inset = Inset.letterbox(Frame(20, 10, Spacing(0.1, 0.1, SpacingSource.DICOM_FIDUCIAL)), 8)
    assert inset.target.spacing is None
    with pytest.raises(InputError, match=r"spacing is unknown.*spacing_x_mm"):
        inset.target.to_mm(np.array([1.0, 1.0]))


def test_x_takes_the_spacing_of_columns_and_y_that_of_rows() -> None:
    # 10 px across at 0.2 mm, 10 px down at 0.5 mm.
    frame = Frame(100, 100, Spacing(x_mm=0.2, y_mm=0.5, source=SpacingSource.TABLE))
    assert frame.to_mm(np.array([[10.0, 0.0], [0.0, 10.0], [3.0, 4.0]])).tolist() == [
        [2.0, 0.0],
        [0.0, 5.0],
        [0.6000000000000001, 2.0],
    ]


def test_a_frame_holds_its_half_pixel_border_and_nothing_beyond() -> None:
    frame = Frame(width=4, height=2)
    points = [(-0.5, -0.5), (3.5, 1.5), (3.6, 0.0), (0.0, 1.6), (-0.6, 0.0), (0.0, -0.6), (1.6, 1.4), (math.nan, 0.0)]
    assert frame.holds(np.array(points)).tolist() == [True, True, False, False, False, False, True, False]


@pytest.mark.parametrize("value", [0.0, -0.1, math.nan, math.inf])
@pytest.mark.parametrize("axis", ["x", "y"])
def test_a_spacing_that_is_no_length_names_its_axis(axis: str, value: float) -> None:
    sizes = {"x_mm": 0.1, "y_mm": 0.1, f"{axis}_mm": value}
    with pytest.raises(InputError, match=f"the {axis} spacing is not a positive number of millimetres"):
        Spacing(**sizes, source=SpacingSource.FLAG)


@pytest.mark.parametrize(("width", "height"), [(0, 5), (5, 0), (-1, 5)])
def test_a_frame_has_at_least_one_pixel(width: int, height: int) -> None:
    with pytest.raises(InputError, match=f"{width} x {height}"):
        Frame(width, height)
