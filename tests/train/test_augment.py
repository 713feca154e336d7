"""Rotation against a lit spot: the point must stay on it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from radmark.config import AugmentConfig
from radmark.train.augment import augment, rotate


def lit(x: int, y: int, size: int = 65) -> torch.Tensor:
    """A black picture with a bright 3 x 3 square around pixel (x, y)."""
    picture = torch.zeros(1, 1, size, size)
    picture[0, 0, y - 1 : y + 2, x - 1 : x + 2] = 1
    return picture


def centroid(picture: torch.Tensor) -> list[float]:
    seen = picture[0, 0].numpy().astype(float)
    rows, columns = np.indices(seen.shape)
    return [(seen * columns).sum() / seen.sum(), (seen * rows).sum() / seen.sum()]


@given(st.integers(20, 44), st.integers(20, 44), st.floats(-180, 180))
def test_the_point_stays_on_the_lit_spot_it_marks(x: int, y: int, angle: float) -> None:
    turned, points = rotate(lit(x, y), torch.tensor([[[float(x), float(y)]]]), torch.tensor([angle]))
    assert points[0, 0].tolist() == pytest.approx(centroid(turned), abs=0.1)


def test_a_quarter_turn_clockwise_brings_the_right_of_the_picture_to_its_bottom() -> None:
    turned, points = rotate(lit(60, 32), torch.tensor([[[60.0, 32.0]]]), torch.tensor([90.0]))
    assert points[0, 0].tolist() == pytest.approx([32, 60], abs=1e-4)
    assert turned[0, 0, 60, 32] == pytest.approx(1, abs=1e-3)


def test_augmentation_that_is_off_changes_not_one_bit() -> None:
    gray, points = torch.rand(2, 1, 32, 32), torch.rand(2, 3, 2)
    same_gray, same_points = augment(gray, points, AugmentConfig(), torch.Generator())
    assert same_gray is gray
    assert same_points is points


def test_about_half_the_images_are_rotated_by_no_more_than_asked() -> None:
    points = torch.tensor([[[40.0, 31.5]]]).repeat(400, 1, 1)  # 8.5 px right of the centre of a 64-pixel grid
    config = AugmentConfig(rotate_deg=20, rotate_probability=0.5)
    _, moved = augment(torch.zeros(400, 1, 64, 64), points, config, torch.Generator().manual_seed(1))
    from_centre = moved[:, 0].numpy() - 31.5
    angles = np.degrees(np.arctan2(from_centre[:, 1], from_centre[:, 0]))
    assert np.abs(angles).max() <= 20.001
    assert np.abs(angles).max() > 18
    assert 150 < (np.abs(angles) > 1e-3).sum() < 250


def test_a_point_that_is_not_there_stays_not_there() -> None:
    _, points = rotate(lit(30, 30), torch.tensor([[[float("nan"), float("nan")]]]), torch.tensor([10.0]))
    assert points.isnan().all()
