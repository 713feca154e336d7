"""Whole pictures, judged from outside: by their pixels, their grid and the anatomy anybody can look up."""

import numpy as np
import pytest

from radmark.core.errors import InputError
from radmark.io.schemes import read_scheme
from radmark.phantom import KINDS, Phantom, render

ROUND = [kind for kind in KINDS if "fluoroscopy" in kind]
PELVES = [kind for kind in KINDS if kind in ("pelvis-radiograph", "pelvis-fluoroscopy", "pelvis-radiograph-implant")]


def at(phantom: Phantom, name: str) -> np.ndarray:
    return phantom.points[phantom.names.index(name)]


def brightness(phantom: Phantom, xy: np.ndarray, radius: int = 2) -> float:
    """Mean of a small square, so that noise does not matter."""
    x, y = np.round(xy).astype(int)
    return float(phantom.pixels[y - radius : y + radius + 1, x - radius : x + radius + 1].mean())


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_draws_the_same_picture_and_another_seed_another(kind: str):
    first, again, other = render(kind, 3, 128), render(kind, 3, 128), render(kind, 4, 128)
    assert np.array_equal(first.pixels, again.pixels)
    assert np.array_equal(first.points, again.points)
    assert not np.array_equal(first.points, other.points)


@pytest.mark.parametrize("kind", KINDS)
def test_every_point_of_the_scheme_lies_in_the_picture(kind: str):
    for seed in range(12):
        phantom = render(kind, seed, 96)
        height, width = phantom.pixels.shape
        assert max(height, width) == 96
        assert phantom.pixels.dtype == np.uint16
        assert phantom.names == read_scheme(kind).names
        assert phantom.points.shape == (len(phantom.names), 2)
        assert (phantom.points >= 0).all()
        assert (phantom.points <= [width - 1, height - 1]).all()


@pytest.mark.parametrize("kind", ROUND)
def test_fluoroscopy_is_black_outside_a_round_field_that_holds_every_point(kind: str):
    for seed in range(4):
        phantom = render(kind, seed, 128)
        height, width = phantom.pixels.shape
        assert phantom.pixels[[0, 0, -1, -1], [0, -1, 0, -1]].max() == 0
        exposed = phantom.pixels > 0
        assert np.pi / 4 * 0.85 < exposed.sum() / min(height, width) ** 2 < np.pi / 4
        for point in phantom.points:
            assert brightness(phantom, point, 1) > 0


@pytest.mark.parametrize("kind", PELVES)
def test_the_patients_right_is_image_left(kind: str):
    phantom = render(kind, 5, 96)
    for right, left in read_scheme(kind).pairs:
        assert at(phantom, right)[0] < at(phantom, left)[0]


def test_bone_is_brighter_than_what_lies_beyond_its_landmarks():
    towards_bone = {"ischium": (0, -1), "greater_trochanter": (0, 1)}
    for seed in range(3):
        phantom = render("pelvis-radiograph", seed, 512)
        for name, inwards in towards_bone.items():
            for side in ("right", "left"):
                point, step = at(phantom, f"{name}_{side}"), 5 * np.array(inwards)
                assert brightness(phantom, point + step) > 1.1 * brightness(phantom, point - step)
        for side, lateral in (("right", -1), ("left", 1)):
            point, step = at(phantom, f"lesser_trochanter_{side}"), np.array([5 * lateral, 0])
            assert brightness(phantom, point + step) > 1.1 * brightness(phantom, point - step)


@pytest.mark.parametrize("kind", ["pelvis-radiograph-implant", "pelvis-fluoroscopy-implant"])
def test_nothing_is_brighter_than_metal(kind: str):
    phantom = render(kind, 2, 256)
    ends = at(phantom, "cup_rim_superolateral"), at(phantom, "cup_rim_inferomedial")
    assert brightness(phantom, (ends[0] + ends[1]) / 2) > np.percentile(phantom.pixels, 97)


def test_its_millimetres_give_a_pelvis_the_size_of_a_pelvis():
    for seed in range(6):
        phantom = render("pelvis-radiograph", seed, 128)
        apart_px = np.linalg.norm(at(phantom, "teardrop_right") - at(phantom, "teardrop_left"))
        assert 95 < apart_px * phantom.spacing_mm < 135


def test_a_picture_twice_the_size_has_its_points_at_two_x_plus_a_half_and_half_the_spacing():
    small, large = render("pelvis-radiograph", 7, 200), render("pelvis-radiograph", 7, 400)
    assert large.spacing_mm == pytest.approx(small.spacing_mm / 2)
    assert large.points[:, 0] == pytest.approx(2 * small.points[:, 0] + 0.5, abs=1e-6)


def test_knees_of_both_sides_are_drawn():
    knees = [render("knee-radiograph", seed, 64) for seed in range(10)]
    left = [at(knee, "femoral_condyle_lateral")[0] > at(knee, "femoral_condyle_medial")[0] for knee in knees]
    assert 0 < sum(left) < len(left)


def test_an_unknown_kind_is_refused_with_the_kinds_there_are():
    with pytest.raises(InputError, match="pelvis-radiograph"):
        render("skull", 0)


@pytest.mark.parametrize(("seed", "size_px"), [(-1, 128), (0, 63)])
def test_a_negative_seed_and_a_tiny_picture_are_refused(seed: int, size_px: int):
    with pytest.raises(InputError, match=r"seed|small"):
        render("knee-radiograph", seed, size_px)
