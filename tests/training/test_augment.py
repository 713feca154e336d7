"""Augmentation against a lit spot, which the point must stay on, and against torchvision's and numpy's changes of gray."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from radmark.config import AugmentConfig, Config
from radmark.core import Film, InputError, Marked, Marks, Scheme, State, Study
from radmark.targets.motion import move, rotate
from radmark.training.augment import augment, mirror
from watching import Silent

# What takes seconds to load is imported by the tests that need it: every mutant of augment.py would pay for it.
HIPS = Scheme.from_names(("hip_right", "hip_left", "sacrum"))


def lit(x: int, y: int, size: int = 65) -> torch.Tensor:
    """A black picture with a bright 3 x 3 square around pixel (x, y)."""
    picture = torch.zeros(1, 1, size, size)
    picture[0, 0, y - 1 : y + 2, x - 1 : x + 2] = 1
    return picture


def centroid(picture: torch.Tensor) -> list[float]:
    seen = picture[0, 0].numpy().astype(float)
    rows, columns = np.indices(seen.shape)
    return [(seen * columns).sum() / seen.sum(), (seen * rows).sum() / seen.sum()]


def augmented(
    gray: torch.Tensor, points: torch.Tensor, config: AugmentConfig, seed: int = 1
) -> tuple[torch.Tensor, torch.Tensor]:
    """`augment` where no states and no mirror matter."""
    states = torch.zeros(points.shape[:2], dtype=torch.int8)
    draws = torch.Generator().manual_seed(seed)
    return augment(gray, points, states, config, draws, mirrored=range(points.shape[1]))[:2]


# ---- where the pixels go ----------------------------------------------------------------------------------------------


@given(st.integers(20, 44), st.integers(20, 44), st.floats(-180, 180))
def test_the_point_stays_on_the_lit_spot_it_marks(x: int, y: int, angle: float) -> None:
    turned, points = rotate(lit(x, y), torch.tensor([[[float(x), float(y)]]]), torch.tensor([angle]))
    assert points[0, 0].tolist() == pytest.approx(centroid(turned), abs=0.1)


@given(
    st.integers(24, 40),
    st.integers(24, 40),
    st.floats(-180, 180),
    st.floats(0.8, 1.25),
    st.floats(-15, 15),
    st.floats(-15, 15),
)
def test_the_point_stays_on_the_spot_that_is_turned_scaled_and_shifted(
    x: int, y: int, angle: float, scale: float, right: float, down: float
) -> None:
    moved, points = move(
        lit(x, y),
        torch.tensor([[[float(x), float(y)]]]),
        torch.tensor([angle]),
        torch.tensor([scale]),
        torch.tensor([[right, down]]),
    )
    assert points[0, 0].tolist() == pytest.approx(centroid(moved), abs=0.15)


def test_a_quarter_turn_clockwise_brings_the_right_of_the_picture_to_its_bottom() -> None:
    turned, points = rotate(lit(60, 32), torch.tensor([[[60.0, 32.0]]]), torch.tensor([90.0]))
    assert points[0, 0].tolist() == pytest.approx([32, 60], abs=1e-4)
    assert turned[0, 0, 60, 32] == pytest.approx(1, abs=1e-3)


def test_twice_the_size_sends_the_centre_of_a_pixel_twice_as_far_from_the_centre_of_the_grid() -> None:
    still = torch.zeros(1, 2)
    # The centre of an even grid lies between pixels: 9 is 1.5 right of 7.5, so 3 right of it is 10.5.
    larger, points = move(lit(9, 6, 16), torch.tensor([[[9.0, 6.0]]]), torch.zeros(1), torch.full((1,), 2.0), still)
    assert points[0, 0].tolist() == pytest.approx([10.5, 4.5], abs=1e-5)
    assert centroid(larger) == pytest.approx([10.5, 4.5], abs=1e-4)
    assert larger.sum() == pytest.approx(4 * 9, rel=1e-4)  # four times the area


def test_a_shift_by_whole_pixels_lands_on_whole_pixels() -> None:
    picture = torch.rand(1, 1, 16, 16)
    moved, points = move(
        picture, torch.tensor([[[4.0, 9.0]]]), torch.zeros(1), torch.ones(1), torch.tensor([[3.0, -2.0]])
    )
    assert points[0, 0].tolist() == [7, 7]
    assert torch.allclose(moved[0, 0, :14, 3:], picture[0, 0, 2:, :13], atol=1e-5)
    assert moved[0, 0, 14:].abs().max() < 1e-5
    assert moved[0, 0, :, :3].abs().max() < 1e-5


def test_a_point_that_is_not_there_stays_not_there() -> None:
    _, points = rotate(lit(30, 30), torch.tensor([[[float("nan"), float("nan")]]]), torch.tensor([10.0]))
    assert points.isnan().all()


# ---- the mirror -------------------------------------------------------------------------------------------------------


def test_in_the_mirror_the_lit_left_hip_is_the_right_one() -> None:
    points = torch.tensor([[[10.0, 30.0], [50.0, 30.0], [32.0, 8.0]]]).repeat(2, 1, 1)
    gray = lit(50, 30, 64).repeat(2, 1, 1, 1)  # hip_left is lit
    states, chosen = torch.zeros(2, 3, dtype=torch.int8), torch.tensor([True, False])
    seen, moved, _ = mirror(gray, points, states, chosen, HIPS.mirrored)
    assert moved[0].tolist() == [[13, 30], [53, 30], [31, 8]]
    assert centroid(seen[:1]) == pytest.approx(moved[0, HIPS.index("hip_right")].tolist())
    assert torch.equal(seen[1:], gray[1:])
    assert torch.equal(moved[1], points[1])


def test_in_the_mirror_a_hip_that_is_absent_is_absent_on_the_other_side() -> None:
    nan = float("nan")
    points = torch.tensor([[[nan, nan], [50.0, 30.0], [32.0, 8.0]]])
    states = torch.tensor([[State.ABSENT, State.OCCLUDED, State.PRESENT]], dtype=torch.int8)
    _, moved, seen = mirror(lit(50, 30), points, states, torch.tensor([True]), HIPS.mirrored)
    assert seen.tolist() == [[State.OCCLUDED, State.ABSENT, State.PRESENT]]
    assert moved.isnan().any(dim=2).tolist() == [[False, True, False]]


def test_as_many_images_are_mirrored_as_asked() -> None:
    gray, points = torch.zeros(400, 1, 8, 8), torch.zeros(400, 1, 2)
    _, moved = augmented(gray, points, AugmentConfig(mirror_probability=0.25))
    assert set(moved[..., 0].unique().tolist()) == {0, 7}
    assert 70 < (moved[:, 0, 0] == 7).sum() < 130


def test_in_training_a_mirrored_film_teaches_the_other_side(
    squares: Study,
    small: Config,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from radmark.targets.objectives import Objective
    from radmark.training import loop  # loads slowly, see above

    scheme = squares.scheme
    rows: list[Marked] = []
    for film, marks in squares.rows:  # the right corner of no film is there
        points = marks.points.copy()
        points[scheme.index("corner_right")] = np.nan
        states = np.array([State.ABSENT, State.PRESENT], dtype=marks.states.dtype)
        rows.append(Marked(film, Marks(scheme, marks.frame, points, states, film=film.name)))
    lessons: list[tuple[torch.Tensor, torch.Tensor]] = []
    loss = Objective.loss

    def listening(
        task: Objective, logits: torch.Tensor, points: torch.Tensor, states: torch.Tensor, radius: int
    ) -> object:
        lessons.append((points, states))
        return loss(task, logits, points, states, radius)

    monkeypatch.setattr(Objective, "loss", listening)
    one = dataclasses.replace(
        small,
        augment=AugmentConfig(mirror_probability=1.0),
        train=dataclasses.replace(small.train, epochs=1),
        data=dataclasses.replace(small.data, validation_fraction=0.0),
    )
    loop.train(Study(scheme, tuple(rows)), one, tmp_path / "run", Silent())
    assert sum(len(states) for _, states in lessons) == len(rows)
    for points, states in lessons:
        assert set(map(tuple, states.tolist())) == {(State.PRESENT, State.ABSENT)}
        assert points.isnan().any(dim=2).any(dim=0).tolist() == [False, True]


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("teardrop", "ischium"), r"no left/right pairs.*--mirror-probability 0.*--scheme"),
        (("hip_right", "hip_left", "ankle_right"), r"one side in no pair.*'ankle_right'.*--mirror-probability 0"),
        (("teardrop_right", "teardrop_left", "cupL", "cupR"), r"one side in no pair.*'cupL, cupR'.*--scheme"),
    ],
)
def test_a_scheme_that_has_no_mirror_image_is_refused_before_the_run_begins(
    names: tuple[str, ...], told: str, small: Config, tmp_path: Path, make_dataset: Callable[..., Study]
) -> None:
    from radmark.training import loop  # loads slowly, see above

    scheme = Scheme.from_names(names)

    def unread(film: Film) -> Film:
        raise AssertionError(f"{film.name} is read, and need not be to know")

    rows = [
        Marked(
            dataclasses.replace(film, load=unread),
            Marks.present(scheme, marks.frame, np.full((len(names), 2), 5.0), film=film.name),
        )
        for film, marks in make_dataset(["a", "b", "c", "d"]).rows
    ]
    config = dataclasses.replace(small, augment=AugmentConfig(mirror_probability=0.5))
    with pytest.raises(InputError, match=told):
        loop.train(Study(scheme, tuple(rows)), config, tmp_path / "run", Silent())
    assert not (tmp_path / "run").exists()


# ---- changes of gray --------------------------------------------------------------------------------------------------


def test_gamma_is_torchvisions_with_an_exponent_as_far_from_one_as_asked() -> None:
    from torchvision.transforms.v2 import (
        functional as torchvision,
    )  # takes seconds to load, and every mutant of augment.py would pay them

    gray = torch.rand(200, 1, 4, 4)
    gray[:, 0, 0, 0] = 0.5
    seen, _ = augmented(gray, torch.zeros(200, 1, 2), AugmentConfig(gamma=1.5))
    exponents = torch.log(seen[:, 0, 0, 0]) / np.log(0.5)
    assert 1.4 < exponents.log2().max() <= 1.5001
    assert -1.5001 <= exponents.log2().min() < -1.4
    for before, after, exponent in zip(gray, seen, exponents.tolist(), strict=True):
        assert torch.allclose(after, torchvision.adjust_gamma(before, exponent), atol=1e-4)


def test_contrast_is_torchvisions_with_a_factor_as_far_from_one_as_asked() -> None:
    from torchvision.transforms.v2 import (
        functional as torchvision,
    )  # takes seconds to load, and every mutant of augment.py would pay them

    gray = torch.rand(200, 1, 4, 4)
    gray[:, 0, :2, 0] = torch.tensor([0.4, 0.6])
    seen, _ = augmented(gray, torch.zeros(200, 1, 2), AugmentConfig(contrast=0.3))
    factors = (seen[:, 0, 1, 0] - seen[:, 0, 0, 0]) / 0.2
    assert 1.27 < factors.max() <= 1.3001
    assert 0.6999 <= factors.min() < 0.73
    for before, after, factor in zip(gray, seen, factors.tolist(), strict=True):
        assert torch.allclose(after, torchvision.adjust_contrast(before, factor), atol=1e-4)


def test_brightness_adds_the_same_to_every_pixel_and_stays_between_black_and_white() -> None:
    gray = torch.rand(200, 1, 4, 4)
    gray[:, 0, 0, 0] = 0.5
    seen, _ = augmented(gray, torch.zeros(200, 1, 2), AugmentConfig(brightness=0.4))
    added = seen[:, 0, 0, 0] - 0.5
    assert 0.37 < added.max() <= 0.4001
    assert -0.4001 <= added.min() < -0.37
    assert np.allclose(seen, np.clip(gray.numpy() + added.numpy()[:, None, None, None], 0, 1), atol=1e-6)


def test_noise_is_gaussian_of_a_deviation_up_to_what_is_asked() -> None:
    seen, _ = augmented(torch.full((200, 1, 64, 64), 0.5), torch.zeros(200, 1, 2), AugmentConfig(noise=0.05))
    added = seen.numpy() - 0.5
    deviations = added.std(axis=(1, 2, 3))
    assert 0.047 < deviations.max() < 0.052
    assert deviations.min() < 0.003
    assert np.abs(added.mean(axis=(1, 2, 3))).max() < 0.05 * 4.5 / 64
    strongest = added[deviations.argmax()] / deviations.max()
    assert [(np.abs(strongest) < z).mean() for z in (1, 2, 3)] == pytest.approx([0.683, 0.954, 0.997], abs=0.03)
    assert len(np.unique(added[0])) > 1000  # each pixel its own


def test_changes_of_gray_together_stay_between_black_and_white_and_leave_the_points() -> None:
    points = torch.rand(50, 3, 2)
    config = AugmentConfig(gamma=1, contrast=0.9, brightness=0.5, noise=0.5)
    seen, same_points = augmented(torch.rand(50, 1, 16, 16), points, config)
    assert (seen.min(), seen.max()) == (0, 1)
    assert same_points is points


# ---- what is drawn ----------------------------------------------------------------------------------------------------


def test_augmentation_that_is_off_changes_not_one_bit_and_draws_nothing() -> None:
    gray, points, states = torch.rand(2, 1, 32, 32), torch.rand(2, 3, 2), torch.zeros(2, 3, dtype=torch.int8)
    draws = torch.Generator().manual_seed(7)
    before = draws.get_state()
    same_gray, same_points, same_states = augment(gray, points, states, AugmentConfig(), draws, mirrored=HIPS.mirrored)
    assert same_gray is gray
    assert same_points is points
    assert same_states is states
    assert torch.equal(draws.get_state(), before)


def test_about_half_the_images_are_rotated_by_no_more_than_asked() -> None:
    points = torch.tensor([[[40.0, 31.5]]]).repeat(400, 1, 1)  # 8.5 px right of the centre of a 64-pixel grid
    config = AugmentConfig(rotate_deg=20, rotate_probability=0.5)
    _, moved = augmented(torch.zeros(400, 1, 64, 64), points, config)
    from_centre = moved[:, 0].numpy() - 31.5
    angles = np.degrees(np.arctan2(from_centre[:, 1], from_centre[:, 0]))
    assert np.abs(angles).max() <= 20.001
    assert np.abs(angles).max() > 18
    assert 150 < (np.abs(angles) > 1e-3).sum() < 250


def test_images_are_scaled_by_no_more_than_asked() -> None:
    points = torch.tensor([[[41.5, 31.5]]]).repeat(400, 1, 1)  # 10 px right of the centre of a 64-pixel grid
    _, moved = augmented(torch.zeros(400, 1, 64, 64), points, AugmentConfig(scale=0.2))
    scales = (moved[:, 0, 0] - 31.5) / 10
    assert 1.18 < scales.max() <= 1.2001
    assert 0.7999 <= scales.min() < 0.82


def test_images_are_shifted_along_both_axes_by_no_more_than_asked() -> None:
    points = torch.full((400, 1, 2), 20.0)
    _, moved = augmented(torch.zeros(400, 1, 64, 64), points, AugmentConfig(shift=0.125))
    shifts = moved[:, 0].numpy() - 20
    assert np.abs(shifts).max() <= 8.0001
    assert (shifts.max(axis=0) > 7.5).all()
    assert (shifts.min(axis=0) < -7.5).all()
    assert abs(np.corrcoef(shifts.T)[0, 1]) < 0.2


def test_a_run_that_only_rotates_is_the_run_it_was_before_there_was_more() -> None:
    gray, points = torch.rand(6, 1, 48, 48), 48 * torch.rand(6, 4, 2)
    config = AugmentConfig(rotate_deg=20, rotate_probability=0.7)
    seen, moved = augmented(gray, points, config, seed=3)

    # As radmark did it when rotation was all there was.
    draws = torch.rand(2, 6, generator=torch.Generator().manual_seed(3))
    angle = torch.deg2rad((2 * draws[0] - 1) * 20 * (draws[1] < 0.7))
    cos, sin = torch.cos(angle), torch.sin(angle)
    turn = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)
    back = torch.cat([turn.transpose(1, 2), torch.zeros(6, 2, 1)], dim=2)
    grid = torch.nn.functional.affine_grid(back, [6, 1, 48, 48], align_corners=False)
    was = torch.nn.functional.grid_sample(gray, grid, padding_mode="zeros", align_corners=False)
    assert torch.equal(seen, was)
    assert torch.equal(moved, (points - 23.5) @ turn.transpose(1, 2) + 23.5)


def test_what_else_is_on_leaves_the_draws_of_the_rotation_alone() -> None:
    points = torch.tensor([[[40.0, 31.5]]]).repeat(8, 1, 1)
    gray = torch.zeros(8, 1, 64, 64)
    rotation = AugmentConfig(rotate_deg=20)
    _, alone = augmented(gray, points, rotation)
    _, scaled = augmented(gray, points, dataclasses.replace(rotation, scale=0.1, noise=0.1))
    one, other = (torch.atan2(p[:, 0, 1] - 31.5, p[:, 0, 0] - 31.5) for p in (alone, scaled))
    assert torch.allclose(one, other, atol=1e-5)


@pytest.mark.parametrize(
    "setting",
    [
        {"scale": 1.0},
        {"scale": -0.1},
        {"shift": 1.5},
        {"mirror_probability": 1.5},
        {"gamma": float("inf")},
        {"contrast": -0.1},
        {"brightness": float("nan")},
        {"noise": -1.0},
    ],
)
def test_a_setting_out_of_its_range_is_refused_by_name(setting: dict[str, float]) -> None:
    with pytest.raises(InputError, match=rf"{next(iter(setting))} is out of range"):
        Config(augment=AugmentConfig(**setting))
