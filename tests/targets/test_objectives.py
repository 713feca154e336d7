"""Losses against numbers worked out by hand and against literal re-implementations."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import binary_dilation

from radmark.config import Config, LabelConfig
from radmark.core.errors import InputError
from radmark.core.marks import State
from radmark.targets.objectives import objective
from radmark.targets.objectives.cross_entropy import label_weights, pixel_cross_entropy
from radmark.targets.objectives.softmax import softmax_cross_entropy
from radmark.targets.regions import label_regions

ALL = torch.ones(2, 3, dtype=torch.bool)


def label_loss(
    logits: torch.Tensor, points: torch.Tensor, states: torch.Tensor, radius: int, labels: LabelConfig
) -> torch.Tensor:
    return objective(labels).loss(logits, points, states, radius)


def test_eq_1_gives_a_label_of_a_tenth_of_the_picture_nine_times_its_weight() -> None:
    assert label_weights(torch.tensor([10]), 100, 1.0).item() == 9
    assert label_weights(torch.tensor([10]), 100, 0.5).item() == 4.5


def test_eq_1_keeps_the_labels_share_of_the_loss_whatever_its_size() -> None:
    # At logit 0 every pixel costs log 2; the n region pixels weigh (N - n) / n, so both sides cost (N - n) log 2.
    for radius in (0, 3, 10):
        centres = torch.tensor([[[20, 12]]])
        regions = label_regions(centres, radius, height=32, width=32)
        weights = label_weights(regions.sizes, 32 * 32, 1.0)
        loss = pixel_cross_entropy(torch.zeros(1, 1, 32, 32), regions, weights, ALL[:1, :1], ALL[:1, :1])
        background = math.log(2) * (1024 - regions.sizes.item()) / 1024
        assert loss.item() == pytest.approx(2 * background, rel=1e-5)


def test_a_clipped_region_is_weighted_by_the_pixels_really_drawn() -> None:
    # Radius 1 in a corner: 3 pixels of 16, not the nominal 5.
    points = torch.tensor([[[0.0, 0.0]]])
    present = torch.tensor([[int(State.PRESENT)]])
    loss = label_loss(torch.zeros(1, 1, 4, 4), points, present, 1, LabelConfig())
    assert loss.item() == pytest.approx(math.log(2) * (3 * (13 / 3) + 13) / 16, rel=1e-5)


def test_pixel_cross_entropy_is_torchs_own_with_pos_weight_on_the_whole_map() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 9, 8, dtype=torch.float64) * 3
    centres = torch.tensor([[[0, 0], [7, 8], [2, 3]], [[1, 1], [4, 0], [3, 5]]])  # some of them clipped
    weights = torch.rand(2, 3, dtype=torch.float64) * 9
    maps = torch.zeros_like(logits)
    for image in range(2):
        for k in range(3):
            x, y = centres[image, k].tolist()
            point = np.zeros((9, 8), bool)
            point[y, x] = True
            maps[image, k] = torch.from_numpy(binary_dilation(point, iterations=3).astype(float))
    theirs = torch.nn.functional.binary_cross_entropy_with_logits(logits, maps, pos_weight=weights[:, :, None, None])
    ours = pixel_cross_entropy(logits, label_regions(centres, 3, height=9, width=8), weights, ALL, ALL)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-12)


def test_pixel_cross_entropy_stays_finite_for_logits_that_overflow_an_exponential() -> None:
    logits = torch.tensor([[[[500.0, -500.0], [500.0, -500.0]]]])
    regions = label_regions(torch.tensor([[[0, 0]]]), 0, height=2, width=2)
    loss = pixel_cross_entropy(logits, regions, torch.ones(1, 1), ALL[:1, :1], ALL[:1, :1])
    assert loss.item() == pytest.approx(500 / 4)  # only the wrongly certain pixel below the point costs


def test_softmax_cross_entropy_is_torchs_own_for_a_single_pixel() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 5, 6)
    centres = torch.tensor([[[0, 0], [5, 4], [2, 3]], [[1, 1], [4, 0], [3, 2]]])
    regions = label_regions(centres, 0, height=5, width=6)
    ours = softmax_cross_entropy(logits, regions, ALL)
    index = centres[..., 1] * 6 + centres[..., 0]
    theirs = torch.nn.functional.cross_entropy(logits.flatten(2).flatten(0, 1), index.flatten())
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-6)


@pytest.mark.parametrize("loss", ["cross-entropy", "softmax"])
def test_a_landmark_that_is_not_annotated_trains_nothing(loss: str) -> None:
    labels = LabelConfig(loss=loss)  # pyright: ignore[reportArgumentType]
    logits = torch.randn(1, 2, 8, 8, requires_grad=True)
    points = torch.tensor([[[3.0, 3.0], [float("nan"), float("nan")]]])
    states = torch.tensor([[int(State.PRESENT), int(State.NOT_ANNOTATED)]])
    label_loss(logits, points, states, 2, labels).backward()
    assert logits.grad is not None
    assert logits.grad[0, 0].abs().sum() > 0
    assert (logits.grad[0, 1] == 0).all()


def test_an_absent_landmark_trains_an_empty_map() -> None:
    logits = torch.zeros(1, 1, 4, 4, requires_grad=True)
    nan = float("nan")
    loss = label_loss(logits, torch.tensor([[[nan, nan]]]), torch.tensor([[int(State.ABSENT)]]), 2, LabelConfig())
    loss.backward()
    assert loss.item() == pytest.approx(math.log(2))
    assert logits.grad is not None
    assert (logits.grad > 0).all()  # every pixel is pushed down


def test_a_point_that_an_augmentation_moved_off_the_grid_trains_nothing() -> None:
    logits = torch.randn(1, 1, 8, 8, requires_grad=True)
    loss = label_loss(logits, torch.tensor([[[-3.0, 4.0]]]), torch.tensor([[0]]), 2, LabelConfig())
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert (logits.grad == 0).all()


def test_a_batch_without_a_single_trained_landmark_has_loss_zero() -> None:
    nan = float("nan")
    states = torch.tensor([[int(State.NOT_ANNOTATED)]])
    assert label_loss(torch.randn(1, 1, 4, 4), torch.tensor([[[nan, nan]]]), states, 1, LabelConfig()).item() == 0


def bumps(points: torch.Tensor, sigma_px: float, *, height: int, width: int) -> torch.Tensor:
    """Whole maps of Gaussians, written out: (B, K, height, width) float64."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    squared = (x - points[..., 0, None, None]) ** 2 + (y - points[..., 1, None, None]) ** 2
    return torch.exp(squared / (-2 * sigma_px**2))


GAUSSIAN_POINTS = torch.tensor([[[1.2, 0.4], [10.0, 9.75]], [[19.4, 17.1], [6.5, 3.3]]], dtype=torch.float64)


def test_heatmap_regression_is_torchs_own_square_to_a_gaussian_summed_over_each_map() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 2, 18, 20, dtype=torch.float64)
    labels = LabelConfig(loss="mse", shape="gaussian", sigma_px=2.0 * 512 / 20)  # 2 px on a grid 20 wide
    ours = label_loss(logits, GAUSSIAN_POINTS, torch.zeros(2, 2, dtype=torch.int8), 2, labels)
    theirs = torch.nn.functional.mse_loss(logits, 10 * bumps(GAUSSIAN_POINTS, 2.0, height=18, width=20)) * 360
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-3)  # ours cuts the bump off at four sigma


def test_the_softmax_loss_of_a_gaussian_label_is_torchs_own_with_probabilities_as_target() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 2, 18, 20, dtype=torch.float64)
    labels = LabelConfig(loss="softmax", shape="gaussian", sigma_px=2.0 * 512 / 20)
    ours = label_loss(logits, GAUSSIAN_POINTS, torch.zeros(2, 2, dtype=torch.int8), 2, labels)
    target = bumps(GAUSSIAN_POINTS, 2.0, height=18, width=20).flatten(2).flatten(0, 1)
    target = target / target.sum(dim=1, keepdim=True)
    theirs = torch.nn.functional.cross_entropy(logits.flatten(2).flatten(0, 1), target)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-3)


def test_an_absent_landmark_trains_an_empty_heatmap() -> None:
    logits = torch.full((1, 1, 4, 4), 3.0)
    nan = float("nan")
    labels = LabelConfig(loss="mse", shape="gaussian")
    loss = label_loss(logits, torch.tensor([[[nan, nan]]]), torch.tensor([[int(State.ABSENT)]]), 2, labels)
    assert loss.item() == 9.0 * 16


def test_everywhere_is_what_scipy_makes_of_a_dilation_by_nothing_with_the_weight_of_one_pixel() -> None:
    torch.manual_seed(0)
    point = np.zeros((6, 7), bool)
    point[3, 2] = True
    filled = torch.from_numpy(binary_dilation(point, iterations=0).astype(np.float32))
    logits = torch.randn(1, 1, 6, 7)
    theirs = torch.nn.functional.binary_cross_entropy_with_logits(
        logits, filled[None, None], pos_weight=torch.tensor(41.0)
    )
    present = torch.tensor([[int(State.PRESENT)]])
    ours = label_loss(logits, torch.tensor([[[2.0, 3.0]]]), present, 0, LabelConfig(shape="everywhere"))
    assert filled.all()
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-6)


@pytest.mark.parametrize(
    ("loss", "shape"), [("mse", "diamond"), ("cross-entropy", "gaussian"), ("softmax", "everywhere")]
)
def test_a_shape_that_a_loss_cannot_be_asked_for_is_refused(loss: str, shape: str) -> None:
    with pytest.raises(InputError, match=f"shape .with loss {loss}"):
        Config(labels=LabelConfig(loss=loss, shape=shape))  # pyright: ignore[reportArgumentType]
