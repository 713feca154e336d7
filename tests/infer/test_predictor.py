"""Marks in the source image's own pixels, tested with a network that knows where the bright spot is."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor, nn

from radmark import checkpoint as store
from radmark.checkpoint import Checkpoint
from radmark.config import Config, DataConfig, DecodeConfig, LabelConfig, ModelConfig
from radmark.core import Film, Frame, Scheme, Spacing, SpacingSource, State
from radmark.core.marks import Model, Origin
from radmark.infer import Predictor
from radmark.model import build


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


def film(frame: Frame, x: float, y: float) -> Film:
    rows, columns = np.mgrid[: frame.height, : frame.width]
    # exp(20 x blob), which softmax makes of it, then has a width of 1.3 pixels: enough of them to tell its centre.
    blob = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 6.0**2))
    return Film.from_array((blob * 60000).astype(np.uint16), "film", spacing_mm=frame.spacing)


@given(st.integers(50, 200), st.integers(50, 200), st.floats(0.2, 0.8), st.floats(0.2, 0.8))
def test_a_bright_spot_is_found_where_it_is_in_the_source_image(w: int, h: int, u: float, v: float) -> None:
    x, y = u * w, v * h
    frame = Frame(w, h, Spacing(0.2, 0.3, SpacingSource.FLAG))
    found = predictor(128)(film(frame, x, y))
    assert found["spot"].tolist() == pytest.approx([x, y], abs=0.15)
    assert found.frame == frame  # the millimetres travel with the points


@pytest.mark.parametrize("views", [2, 3, 4, 5])
def test_every_look_at_a_film_is_brought_back_to_it(views: int) -> None:
    found = predictor(128, views=views)(film(Frame(200, 160), 150.0, 40.0))["spot"]
    assert found.tolist() == pytest.approx([150.0, 40.0], abs=0.15)  # a look left turned would pull it by 2 px and more


def test_argmax_is_off_by_up_to_half_a_pixel_of_the_grid_and_centroid_is_not() -> None:
    seen = film(Frame(256, 256), 101.0, 77.0)
    coarse = predictor(128, decoder="argmax")(seen)["spot"]
    fine = predictor(128)(seen)["spot"]
    assert np.abs(coarse - [101, 77]).max() == pytest.approx(0.5)  # pixels of this grid lie at 100.5 and 102.5
    assert np.abs(fine - [101, 77]).max() < 0.05


def test_a_landmark_the_model_does_not_believe_in_is_stated_absent_when_asked() -> None:
    marks = predictor(64, absent_below=1.0)(film(Frame(64, 64), 30, 30))
    assert marks.states.tolist() == [State.ABSENT]
    assert np.isnan(marks.points).all()
    assert marks.confidence is not None
    assert marks.confidence[0] < 1


def test_a_point_found_in_the_padding_is_moved_to_the_edge_of_the_image() -> None:
    class Astray(nn.Module):
        def forward(self, gray: Tensor) -> tuple[Tensor, ...]:
            maps = torch.zeros_like(gray)
            maps[..., 30, 0] = 50  # the far left of the grid, which a tall film does not reach
            return (maps,)

    astray = Predictor(predictor(64).checkpoint, Astray(), torch.device("cpu"))  # pyright: ignore[reportArgumentType]
    found = astray(film(Frame(32, 64), 16, 30))
    assert found["spot"].tolist() == pytest.approx([-0.5, 30], abs=1e-3)


def test_a_film_its_file_and_its_gray_values_have_the_same_marks_and_the_author_is_the_runs_file(
    tmp_path: Path,
) -> None:
    config = Config(
        data=DataConfig(size=64),
        model=ModelConfig("mobilenet_v2", "none", (16, 8, 8, 8, 8)),
        labels=LabelConfig("softmax"),
    )
    net = build(config.model, 1)
    store.save(
        tmp_path / "hips/model.safetensors",
        Checkpoint(config, Scheme.from_names(("spot",)), net.state_dict(), 0, 3, {}),
    )
    own = Predictor.load(tmp_path / "hips")
    seen = film(Frame(90, 60), 30, 30)
    Image.fromarray(seen.pixels).save(tmp_path / "f.png")
    for same in (seen.pixels, tmp_path / "f.png", str(tmp_path / "f.png")):
        assert (own(same).points == own(seen).points).all()
    sha256 = hashlib.sha256((tmp_path / "hips/model.safetensors").read_bytes()).hexdigest()
    assert own(tmp_path / "f.png").author == Model(sha256, "hips")
    assert (own(tmp_path / "f.png").film, own(seen).film) == ("f.png", "film")
    assert set(own(seen).origins) == {Origin.PREDICTED}


def test_what_a_predictor_prints_is_a_line() -> None:
    assert len(repr(predictor(64)).splitlines()) == 1
    assert "64 x 64 px" in repr(predictor(64))
