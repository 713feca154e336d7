"""The decoder against lit pixels and blobs whose centre is known."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from radmark.config import LabelConfig
from radmark.targets.decode import argmax_points
from radmark.targets.objectives import objective

SOFTMAX = objective(LabelConfig("softmax"))
MSE = objective(LabelConfig("mse", "gaussian"))
CROSS_ENTROPY = objective(LabelConfig("cross-entropy", reweight=False))


def gaussian(x: float, y: float, sigma: float, *, height: int = 48, width: int = 64) -> NDArray[np.float64]:
    """Log of a Gaussian blob centred exactly at (x, y)."""
    rows, columns = np.mgrid[:height, :width]
    return -((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2)


def test_argmax_finds_the_lit_pixel() -> None:
    maps = torch.zeros(1, 2, 7, 9)
    maps[0, 0, 2, 8] = 1  # row 2, column 8
    maps[0, 1, 6, 0] = 1
    assert argmax_points(maps)[0].tolist() == [[8, 2], [0, 6]]


def test_argmax_averages_ties_as_the_released_programs_do() -> None:
    maps = torch.zeros(1, 1, 7, 9)
    maps[0, 0, 2, 3] = maps[0, 0, 4, 7] = 5
    assert argmax_points(maps)[0, 0].tolist() == [5, 3]


@given(st.floats(8, 55), st.floats(8, 39))
def test_centroid_finds_the_centre_of_a_blob_between_the_pixels(x: float, y: float) -> None:
    logits = torch.from_numpy(gaussian(x, y, 1.2))[None, None]
    points, confidence = SOFTMAX.read(logits, decoder="centroid", radius=2)
    assert points[0, 0].tolist() == pytest.approx([x, y], abs=0.02)
    assert confidence.item() > 0.99


@given(st.floats(8, 55), st.floats(8, 39))
def test_centroid_finds_the_centre_of_a_regressed_heatmap_and_its_height_is_the_confidence(x: float, y: float) -> None:
    heatmap = 5.0 * torch.from_numpy(np.exp(gaussian(x, y, 1.2)))[None, None]  # half as high as the trained one
    points, confidence = MSE.read(heatmap, decoder="centroid", radius=1)
    assert points[0, 0].tolist() == pytest.approx([x, y], abs=0.05)
    assert 0.35 < confidence.item() <= 0.5


@given(st.integers(9, 54), st.integers(9, 38), st.integers(0, 4))
def test_centroid_of_a_learnt_region_is_its_centre_not_its_noisiest_pixel(x: int, y: int, radius: int) -> None:
    rows, columns = torch.meshgrid(torch.arange(48), torch.arange(64), indexing="ij")
    region = (columns - x).abs() + (rows - y).abs() <= radius
    noise = torch.rand(1, 1, 48, 64, generator=torch.Generator().manual_seed(x * 64 + y))
    logits = torch.where(region, 9.0, -9.0) + noise
    points, confidence = CROSS_ENTROPY.read(logits, decoder="centroid", radius=radius)
    assert points[0, 0].tolist() == pytest.approx([x, y], abs=0.1)
    assert confidence.item() > 0.99


def test_a_blob_in_the_corner_is_not_pulled_inwards_by_the_border() -> None:
    maps = torch.full((1, 1, 20, 20), -20.0)
    maps[0, 0, 0, 19] = 20.0
    points, _ = SOFTMAX.read(maps, decoder="centroid", radius=3)
    assert points[0, 0].tolist() == pytest.approx([19, 0], abs=1e-4)


def test_taking_the_weight_out_again_narrows_a_plateau_to_its_peak() -> None:
    # Training with w~ = e^6 adds 6 to every logit: the belief's own blob of odds is 6 lower.
    weighted = torch.from_numpy(gaussian(20.3, 11.6, 1.5) + 6)[None, None]
    task = objective(LabelConfig("cross-entropy", label_weight=math.exp(6), reweight=False))
    points, confidence = task.read(weighted, decoder="centroid", radius=1)
    assert points[0, 0].tolist() == pytest.approx([20.3, 11.6], abs=0.1)
    assert confidence.item() == pytest.approx(0.5, abs=0.05)  # odds 1 at the peak


def test_confidence_falls_when_the_model_cannot_choose_between_two_places() -> None:
    one = gaussian(12, 20, 1.0)
    two = np.logaddexp(one, gaussian(50, 20, 1.0) - 0.01)
    _, sure = SOFTMAX.read(torch.from_numpy(one)[None, None], decoder="centroid", radius=2)
    _, torn = SOFTMAX.read(torch.from_numpy(two)[None, None], decoder="centroid", radius=2)
    assert sure.item() > 0.99
    assert torn.item() == pytest.approx(0.5, abs=0.02)


def test_every_landmark_of_every_image_is_decoded_on_its_own() -> None:
    centres = [(10.25, 12.5), (40.75, 30.0), (20.0, 20.5), (50.5, 9.25)]
    logits = torch.from_numpy(np.stack([gaussian(x, y, 1.0) for x, y in centres])).view(2, 2, 48, 64)
    points, _ = SOFTMAX.read(logits, decoder="centroid", radius=1)
    assert points.view(4, 2).numpy() == pytest.approx(np.array(centres), abs=0.02)


def test_eq_1_of_an_unclipped_region_is_what_is_taken_out_again() -> None:
    # Radius 1 is 5 pixels of 48 x 64 = 3072: w~ is 3067 / 5, so of logit log w~ the odds are 1.
    logits = torch.full((1, 1, 48, 64), -9.0)
    logits[0, 0, 7, 8] = math.log(3067 / 5)
    _, confidence = objective(LabelConfig("cross-entropy")).read(logits, decoder="argmax", radius=1)
    assert confidence.item() == pytest.approx(0.5, abs=1e-6)
