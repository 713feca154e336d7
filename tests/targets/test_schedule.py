"""The erosion schedule against the one the paper and its released programs state."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radmark.config import LabelConfig
from radmark.targets.schedule import radius_px

PAPER = LabelConfig()


def test_the_papers_run_has_the_papers_radii_at_the_papers_epochs() -> None:
    radii = [radius_px(PAPER, epoch=e, epochs=350, size=512) for e in range(350)]
    expected = [r for r in (65, 55, 45, 35, 25, 15, 5) for _ in range(50)]
    assert radii == expected


def test_a_run_of_a_tenth_of_the_epochs_takes_the_same_steps_ten_times_sooner() -> None:
    radii = [radius_px(PAPER, epoch=e, epochs=35, size=512) for e in range(35)]
    assert radii == [r for r in (65, 55, 45, 35, 25, 15, 5) for _ in range(5)]


def test_on_half_the_grid_the_radii_are_half_rounded_up() -> None:
    radii = [radius_px(PAPER, epoch=e, epochs=7, size=256) for e in range(7)]
    assert radii == [33, 28, 23, 18, 13, 8, 3]  # 32.5, 27.5, ... 2.5


def test_radius_zero_stays_the_single_pixel_at_every_size() -> None:
    baseline = LabelConfig(dilate_px=0, erode_px=0)
    assert {radius_px(baseline, epoch=e, epochs=9, size=s) for e in range(9) for s in (64, 512, 1024)} == {0}


def test_without_erosion_the_radius_stays() -> None:
    fixed = LabelConfig(dilate_px=20, erode_px=0)
    assert {radius_px(fixed, epoch=e, epochs=9, size=512) for e in range(9)} == {20}


@given(st.integers(1, 400), st.sampled_from([64, 256, 512, 768]), st.integers(0, 90), st.integers(0, 20))
def test_the_radius_never_grows_and_never_falls_below_zero(epochs: int, size: int, dilate: int, erode: int) -> None:
    labels = LabelConfig(dilate_px=dilate, erode_px=erode)
    radii = [radius_px(labels, epoch=e, epochs=epochs, size=size) for e in range(epochs)]
    assert radii == sorted(radii, reverse=True)
    assert radii[-1] >= 0


@pytest.mark.parametrize("size", [32, 128, 512, 2048])
def test_a_region_keeps_its_share_of_the_picture(size: int) -> None:
    assert radius_px(PAPER, epoch=0, epochs=350, size=size) / size == pytest.approx(65 / 512, abs=0.5 / size)
