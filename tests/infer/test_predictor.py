"""Prediction in the source image's own pixels, tested with a network that knows where the bright spot is."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from radmark.checkpoint import Checkpoint
from radmark.config import Config, DataConfig, DecodeConfig, LabelConfig
from radmark.core import Frame, Radiograph, Scheme, Spacing, SpacingSource, State
from radmark.infer import Predictor


class Seer(nn.Module):
    """Answers with the picture itself: the brightest place is the landmark."""

    def forward(self, gray: Tensor) -> tuple[Tensor, ...]:
        return (gray * 20,)


def predictor(size: int, absent_below: float = 0.0, decoder: str = "centroid", views: int = 1) -> Predictor:
    config = Config(
        data=DataConfig(size=size),
        labels=LabelConfig(loss="softmax"),
        decode=DecodeConfig(decoder, views),  # pyright: ignore[reportArgumentType]
    )
    checkpoint = Checkpoint(config, Scheme.from_names(("spot",)), {}, epoch=0, radius_px=3, facts={})
    return Predictor(checkpoint, Seer(), torch.device("cpu"), absent_below)  # pyright: ignore[reportArgumentType]


def film(frame: Frame, x: float, y: float) -> Radiograph:
    rows, columns = np.mgrid[: frame.height, : frame.width]
    # exp(20 x blob), which softmax makes of it, then has a width of 1.3 pixels: enough of them to tell its centre.
    blob = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 6.0**2))
    return Radiograph((blob * 60000).astype(np.uint16), frame)


@given(st.integers(50, 200), st.integers(50, 200), st.floats(0.2, 0.8), st.floats(0.2, 0.8))
def test_a_bright_spot_is_found_where_it_is_in_the_source_image(w: int, h: int, u: float, v: float) -> None:
    x, y = u * w, v * h
    frame = Frame(w, h, Spacing(0.2, 0.3, SpacingSource.FLAG))
    found = predictor(128)("film", film(frame, x, y)).landmarks
    assert found["spot"].tolist() == pytest.approx([x, y], abs=0.15)
    assert found.frame == frame  # the millimetres travel with the points


@pytest.mark.parametrize("views", [2, 3, 4, 5])
def test_every_look_at_a_film_is_brought_back_to_it(views: int) -> None:
    found = predictor(128, views=views)("film", film(Frame(200, 160), 150.0, 40.0)).landmarks["spot"]
    assert found.tolist() == pytest.approx([150.0, 40.0], abs=0.15)  # a look left turned would pull it by 2 px and more


def test_argmax_is_off_by_up_to_half_a_pixel_of_the_grid_and_centroid_is_not() -> None:
    radiograph = film(Frame(256, 256), 101.0, 77.0)
    coarse = predictor(128, decoder="argmax")("film", radiograph).landmarks["spot"]
    fine = predictor(128)("film", radiograph).landmarks["spot"]
    assert np.abs(coarse - [101, 77]).max() == pytest.approx(0.5)  # pixels of this grid lie at 100.5 and 102.5
    assert np.abs(fine - [101, 77]).max() < 0.05


def test_a_landmark_the_model_does_not_believe_in_is_stated_absent_when_asked() -> None:
    prediction = predictor(64, absent_below=1.0)("film", film(Frame(64, 64), 30, 30))
    assert prediction.landmarks.states.tolist() == [State.ABSENT]
    assert np.isnan(prediction.landmarks.points).all()
    assert prediction.confidence[0] < 1


def test_a_point_found_in_the_padding_is_moved_to_the_edge_of_the_image() -> None:
    class Astray(nn.Module):
        def forward(self, gray: Tensor) -> tuple[Tensor, ...]:
            maps = torch.zeros_like(gray)
            maps[..., 30, 0] = 50  # the far left of the grid, which a tall film does not reach
            return (maps,)

    astray = Predictor(predictor(64).checkpoint, Astray(), torch.device("cpu"))  # pyright: ignore[reportArgumentType]
    found = astray("film", film(Frame(32, 64), 16, 30)).landmarks
    assert found["spot"].tolist() == pytest.approx([-0.5, 30], abs=1e-3)
