"""Label regions against scipy's binary dilation, and Eq. 1's pixel count against counting."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import binary_dilation

from radmark.targets.regions import Regions, label_regions, nearest_pixel, rate_logit


def lit(regions: Regions, *, height: int, width: int) -> np.ndarray:
    """The regions as (B, K, height, width) maps: how often each pixel is listed."""
    counts = torch.zeros(*regions.index.shape[:2], height * width, dtype=torch.int64)
    counts.scatter_add_(2, regions.index, regions.inside.long())
    return counts.view(*regions.index.shape[:2], height, width).numpy()


def dilated(x: int, y: int, radius: int, *, height: int, width: int) -> np.ndarray:
    """The released programs' way: one pixel, dilated `radius` times with scipy's default 4-neighbour element."""
    image = np.zeros((height, width), bool)
    image[y, x] = True
    return binary_dilation(image, iterations=radius) if radius else image


@given(st.data(), st.integers(1, 40), st.integers(1, 40), st.integers(0, 50))
def test_regions_are_bit_identical_to_binary_dilation(
    data: st.DataObject, width: int, height: int, radius: int
) -> None:
    x, y = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    centres = torch.tensor([[[x, y]]])
    ours = label_regions(centres, radius, height=height, width=width)
    expected = dilated(x, y, radius, height=height, width=width)
    assert np.array_equal(lit(ours, height=height, width=width)[0, 0], expected)
    assert ours.sizes.item() == expected.sum()


@pytest.mark.parametrize(("x", "y"), [(256, 256), (0, 0), (511, 0), (3, 511), (511, 511)])
@pytest.mark.parametrize("radius", [65, 5, 0])
def test_regions_of_the_papers_size_are_bit_identical_borders_included(x: int, y: int, radius: int) -> None:
    ours = label_regions(torch.tensor([[[x, y]]]), radius, height=512, width=512)
    assert np.array_equal(lit(ours, height=512, width=512)[0, 0], dilated(x, y, radius, height=512, width=512))


@pytest.mark.parametrize(("radius", "side"), [(0, 192), (24, 192), (65, 512)])
def test_the_rate_s_logit_is_that_of_the_share_of_pixels_that_dilation_lights(radius: int, side: int) -> None:
    share = dilated(side // 2, side // 2, radius, height=side, width=side).mean()
    assert 1 / (1 + math.exp(-rate_logit(radius, side * side))) == pytest.approx(share)


def test_a_single_pixel_of_36864_has_a_logit_of_minus_ten_and_a_half() -> None:
    assert rate_logit(0, 192 * 192) == pytest.approx(-math.log(36863))  # -10.515
    assert rate_logit(1, 10) == 0  # five of ten
    with pytest.raises(ValueError, match="a diamond of 5 pixels on a map of 5"):
        rate_logit(1, 5)


def test_sixty_five_dilations_make_8581_pixels() -> None:
    # METHOD.md's count, from the formula 1 + 2r(r + 1).
    assert label_regions(torch.tensor([[[256, 256]]]), 65, height=512, width=512).sizes.item() == 8581


def test_each_landmark_of_each_image_gets_its_own_region() -> None:
    centres = torch.tensor([[[1, 2], [3, 4]], [[5, 6], [7, 0]]])
    maps = lit(label_regions(centres, 0, height=8, width=9), height=8, width=9)
    for image in range(2):
        for k in range(2):
            x, y = centres[image, k].tolist()
            assert np.argwhere(maps[image, k]).tolist() == [[y, x]]


@pytest.mark.parametrize(
    ("point", "pixel"),
    [
        ((0.0, 0.0), (0, 0)),
        ((-0.5, 9.5), (0, 9)),  # the grid's own edges belong to its first and last pixel
        ((4.49, 4.5), (4, 5)),
        ((0.4, 6.6), (0, 7)),
    ],
)
def test_a_point_belongs_to_the_pixel_it_lies_in(point: tuple[float, float], pixel: tuple[int, int]) -> None:
    found = nearest_pixel(torch.tensor([[point]]), height=10, width=10)
    assert found[0, 0].tolist() == list(pixel)
