"""A data set small enough to train on in seconds: a bright square on noise, its corners the landmarks."""

import numpy as np
import pytest

from radmark.config import AugmentConfig, Config, DataConfig, LabelConfig, ModelConfig, TrainConfig
from radmark.core import Film, Frame, Marked, Marks, Scheme, Study

SCHEME = Scheme.from_names(("corner_right", "corner_left"), "squares")


@pytest.fixture(scope="session")
def squares() -> Study:
    """Ten films of ten patients."""
    rng = np.random.default_rng(5)
    rows: list[Marked] = []
    for i in range(10):
        frame = Frame(60, 48)
        x, y, side = int(rng.integers(6, 34)), int(rng.integers(6, 24)), int(rng.integers(10, 18))
        pixels = rng.integers(0, 60, (48, 60)).astype(np.uint8)
        pixels[y : y + side, x : x + side] += 150
        points = np.array([[x, y], [x + side - 1.0, y + side - 1.0]])
        film = Film.from_array(pixels, f"square{i}.png", patient=f"p{i}")
        rows.append(Marked(film, Marks.present(SCHEME, frame, points, film=film.name)))
    return Study(SCHEME, tuple(rows))


@pytest.fixture
def small() -> Config:
    """Three short epochs of a small network at 64 pixels, rotation on so that its draws are tested too."""
    return Config(
        data=DataConfig(size=64, validation_fraction=0.2),
        model=ModelConfig("mobilenet_v2", "none", (16, 8, 8, 8, 8)),
        labels=LabelConfig(loss="softmax", dilate_px=40, erode_px=10, erode_every=100),
        augment=AugmentConfig(rotate_deg=20.0),
        train=TrainConfig(epochs=3, batch_size=4, learning_rate=1e-3, accelerator="cpu", precision="32-true"),
    )
