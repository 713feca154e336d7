"""Training: what it leaves behind, and that stopping costs nothing."""

import csv
import dataclasses
import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from radmark import checkpoint as store
from radmark.card import CARD_FILES
from radmark.config import Config
from radmark.core import Case, Dataset, InputError, Radiograph
from radmark.infer import Predictor
from radmark.model import LandmarkNet, build
from radmark.train.loop import learning_rate, levels_loss, split_for_training, train
from watching import Silent

Squares = tuple[Dataset, Callable[[Case], Radiograph]]


def changed(config: Config, **sections: dict[str, object]) -> Config:
    """`config` with some settings of some sections changed."""
    return dataclasses.replace(
        config, **{name: dataclasses.replace(getattr(config, name), **values) for name, values in sections.items()}
    )


def test_an_interrupted_run_resumes_bit_for_bit(squares: Squares, small: Config, tmp_path: Path) -> None:
    dataset, read = squares
    whole = train(dataset, small, tmp_path / "whole", read, Silent())

    with pytest.raises(KeyboardInterrupt):
        train(dataset, small, tmp_path / "parts", read, Silent(stop_after=0))
    torch.rand(7)  # whatever else happened in between must not matter
    resumed = train(dataset, small, tmp_path / "parts", read, Silent(), resume=True)

    assert whole.weights.keys() == resumed.weights.keys()
    for name, tensor in whole.weights.items():
        assert torch.equal(tensor, resumed.weights[name]), name
    without_time = [{k: v for k, v in row.items() if k != "seconds"} for row in whole.facts["history"]]
    assert without_time == [{k: v for k, v in row.items() if k != "seconds"} for row in resumed.facts["history"]]


def test_ctrl_c_leaves_a_usable_model_of_the_last_whole_epoch(squares: Squares, small: Config, tmp_path: Path) -> None:
    dataset, read = squares
    with pytest.raises(KeyboardInterrupt):
        train(dataset, small, tmp_path / "run", read, Silent(stop_after=1))
    predictor = Predictor.load(tmp_path / "run")
    assert predictor.checkpoint.epoch == 1
    prediction = predictor("film", read(dataset.cases[0]))
    assert prediction.landmarks.frame.holds(prediction.landmarks.points).all()


def test_a_run_holds_model_config_split_log_and_curves(squares: Squares, small: Config, tmp_path: Path) -> None:
    dataset, read = squares
    run = tmp_path / "run"
    train(dataset, small, run, read, Silent())
    held = {path.name for path in run.iterdir()}
    assert held == {
        "model.safetensors",
        "config.toml",
        "split.json",
        "log.csv",
        "curves.png",
        "tensorboard",
        *CARD_FILES,
    }
    rows = list(csv.DictReader((run / "log.csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    assert [row["radius_px"] for row in rows] == ["5", "4", "3"]  # 40, 30, 20 of 512, on a grid of 64: 5, 3.75, 2.5
    assert all(float(row["val_mean_radial_error_px"]) > 0 for row in rows)
    assert all(row["val_mean_radial_error_mm"] == "" for row in rows)  # no spacing, no millimetres
    split = json.loads((run / "split.json").read_text())
    assert (len(split["train"]), len(split["val"])) == (8, 2)
    card = json.loads((run / "card.json").read_text())
    assert card["model"]["sha256"] == hashlib.sha256((run / "model.safetensors").read_bytes()).hexdigest()
    assert card["data"]["split"]["val"] == {"images": 2, "patients": 2}
    assert card["data"]["spacing_sources"] == {"not stated": 10}
    assert card["evaluation"] is None
    assert "square" not in (run / "card.md").read_text().replace("squares", "")  # no film by its name


@pytest.mark.slow
def test_the_loss_falls_and_the_points_are_found(squares: Squares, small: Config, tmp_path: Path) -> None:
    dataset, read = squares
    longer = changed(small, train={"epochs": 30, "learning_rate": 3e-3}, augment={"rotate_deg": 0.0})
    watch = Silent()
    kept = train(dataset, longer, tmp_path / "run", read, watch)
    first, last = kept.facts["history"][0], kept.facts["history"][-1]
    assert last["train_loss"] < first["train_loss"] / 2
    predictor = Predictor.load(tmp_path / "run")
    errors: list[float] = []
    for case in dataset.cases:
        found = predictor(case.name, read(case)).landmarks
        errors += np.hypot(*(found.points - case.landmarks.points).T).tolist()
    assert np.median(errors) < 3  # films are 60 x 48; blind guessing is off by more than 10


@pytest.mark.slow
@pytest.mark.parametrize(
    ("loss", "model"),
    [("cross-entropy", {}), ("softmax", {}), ("softmax", {"levels": 4, "stride": 2}), ("mse", {"stride": 2})],
)
def test_each_loss_trains_a_film_by_heart(
    loss: str, model: dict[str, object], squares: Squares, small: Config, tmp_path: Path
) -> None:
    dataset, read = squares
    config = changed(
        small,
        model=model,
        labels={
            "loss": loss,
            "dilate_px": 24,
            "erode_px": 4,
            "shape": "gaussian" if loss == "mse" else "diamond",
            "sigma_px": 16.0,
        },
        train={"epochs": 40, "learning_rate": 5e-3, "batch_size": 1},
        augment={"rotate_deg": 0.0},
        data={"validation_fraction": 0.0},
    )
    two = dataset.subset([dataset.cases[0].name, dataset.cases[1].name])
    train(two, config, tmp_path / "run", read, Silent())
    predictor = Predictor.load(tmp_path / "run")
    predictor.net.train()  # two films are too few for the running averages of batch normalisation
    for case in two.cases:
        found = predictor(case.name, read(case)).landmarks
        assert np.abs(found.points - case.landmarks.points).max() < 2


def test_a_stage_computed_twice_gives_the_same_gradients_and_is_counted_once(small: Config) -> None:
    config = changed(small, model={"levels": 3, "stride": 2})
    gray = torch.rand(4, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    found = []
    for twice in (False, True):
        torch.manual_seed(3)
        net = build(config.model, 2).train()
        net.recompute = twice
        sum(maps.square().mean() for maps in net(gray)).backward()
        found.append((dict(net.named_buffers()), {name: p.grad for name, p in net.named_parameters()}))
    (buffers, gradients), (others, again) = found
    assert all(torch.equal(tensor, others[name]) for name, tensor in buffers.items())
    for name, gradient in gradients.items():
        assert (gradient is None) == (again[name] is None)
        assert gradient is None or torch.allclose(gradient, again[name], atol=1e-6), name


def test_an_accumulated_batch_goes_through_the_network_in_pieces(
    squares: Squares, small: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    whole = LandmarkNet.forward

    def counted(net: LandmarkNet, gray: torch.Tensor) -> tuple[torch.Tensor, ...]:
        if net.training:
            seen.append(len(gray))
        return whole(net, gray)

    monkeypatch.setattr(LandmarkNet, "forward", counted)
    dataset, read = squares
    train(dataset, changed(small, train={"epochs": 1, "accumulate": 2}), tmp_path / "run", read, Silent())
    assert seen == [2, 2, 2, 2]  # eight films in batches of four, each in two pieces


def test_of_blank_maps_the_loss_is_the_logarithm_of_how_many_places_each_level_and_their_product_have(
    small: Config,
) -> None:
    config = changed(small, model={"levels": 2, "stride": 2})
    maps = [torch.zeros(1, 2, 32, 32), torch.zeros(1, 2, 16, 16)]  # a uniform belief: log of the number of pixels
    points, states = torch.full((1, 2, 2), 30.0), torch.zeros(1, 2, dtype=torch.int8)
    apart = (math.log(32 * 32) + math.log(16 * 16)) / 2
    loss = levels_loss(maps, points, states, 3, config)
    assert loss.item() == pytest.approx((apart + math.log(32 * 32)) / 2, rel=1e-6)


def test_the_levels_learn_of_each_other_through_their_product(small: Config) -> None:
    config = changed(small, model={"levels": 2, "stride": 2})
    finest, coarse = torch.zeros(1, 2, 32, 32, requires_grad=True), torch.zeros(1, 2, 16, 16)
    coarse[..., 8:, 8:] = 5.0  # the coarser level already knows the quarter that (40, 40) of 64 lies in
    points, states = torch.full((1, 2, 2), 40.0), torch.zeros(1, 2, dtype=torch.int8)
    levels_loss([finest, coarse], points, states, 0, config).backward()
    assert finest.grad is not None
    # So there is less to push down in the quarters that are ruled out than in the one that is not.
    assert finest.grad[0, 0, :12, :12].sum() < finest.grad[0, 0, 24:, 24:].sum()


def test_a_folder_that_holds_something_is_refused(squares: Squares, small: Config, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("do not lose me")
    dataset, read = squares
    with pytest.raises(InputError, match="not empty"):
        train(dataset, small, tmp_path, read, Silent())
    assert (tmp_path / "thesis.txt").read_text() == "do not lose me"


def test_resuming_with_other_settings_is_refused(squares: Squares, small: Config, tmp_path: Path) -> None:
    dataset, read = squares
    run = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        train(dataset, small, run, read, Silent(stop_after=0))
    with pytest.raises(InputError, match="other settings"):
        train(dataset, changed(small, train={"epochs": 9}), run, read, Silent(), resume=True)
    fewer = dataset.subset([case.name for case in dataset.cases[:6]])
    with pytest.raises(InputError, match=r"not in the data set|other training images"):
        train(fewer, small, run, read, Silent(), resume=True)


def test_resuming_where_nothing_began_says_so(squares: Squares, small: Config, tmp_path: Path) -> None:
    dataset, read = squares
    with pytest.raises(InputError, match=r"nothing to resume.*without --resume"):
        train(dataset, small, tmp_path / "run", read, Silent(), resume=True)


def test_a_loss_that_is_no_number_stops_with_the_way_out(squares: Squares, small: Config, tmp_path: Path) -> None:
    dataset, read = squares
    # A label that outweighs what 32 bits can hold.
    endless = changed(small, labels={"label_weight": 1e38, "loss": "cross-entropy"})
    with pytest.raises(InputError, match=r"loss became (nan|inf).*--learning-rate"):
        train(dataset, endless, tmp_path / "run", read, Silent())


def test_running_out_of_memory_stops_with_the_way_out(squares: Squares, small: Config, tmp_path: Path) -> None:
    dataset, read = squares

    class Full(Silent):
        def step(self, epoch: int, epochs: int, done: int, total: int) -> None:
            torch.empty(2**60, dtype=torch.uint8)  # torch's own complaint, not an imitation

    with pytest.raises(InputError, match=r"memory ran out with 4 images.*--batch-size 2"):
        train(dataset, small, tmp_path / "run", read, Full())


def test_the_same_picture_in_training_and_validation_is_refused(
    squares: Squares, small: Config, tmp_path: Path
) -> None:
    dataset, read = squares
    parts = split_for_training(dataset, small).parts
    twin, original = parts["val"][0], parts["train"][0]
    by_name = {case.name: case for case in dataset.cases}

    def read_twin(case: Case) -> Radiograph:
        return read(by_name[original]) if case.name == twin else read(case)

    with pytest.raises(InputError, match="same picture") as caught:
        train(dataset, small, tmp_path / "run", read_twin, Silent())
    assert twin in str(caught.value)
    assert original in str(caught.value)


def test_the_split_column_is_obeyed_and_test_rows_are_left_alone(squares: Squares, small: Config) -> None:
    dataset, _ = squares
    words = ["train"] * 5 + ["val"] * 2 + ["test"] * 3
    marked = Dataset(
        dataset.scheme, tuple(dataclasses.replace(c, part=w) for c, w in zip(dataset.cases, words, strict=True))
    )
    parts = split_for_training(marked, small).parts
    assert parts["train"] == tuple(c.name for c in dataset.cases[:5])
    assert parts["val"] == tuple(c.name for c in dataset.cases[5:7])
    no_val = Dataset(
        dataset.scheme,
        tuple(dataclasses.replace(c, part="test" if i > 6 else "train") for i, c in enumerate(dataset.cases)),
    )
    drawn = split_for_training(no_val, small).parts
    assert {*drawn["train"], *drawn["val"]} == {c.name for c in dataset.cases[:7]}


def test_select_best_keeps_the_epoch_of_the_least_validation_error(
    squares: Squares, small: Config, tmp_path: Path
) -> None:
    dataset, read = squares
    kept = train(dataset, changed(small, train={"select": "best", "epochs": 5}), tmp_path / "run", read, Silent())
    rows = list(csv.DictReader((tmp_path / "run" / "log.csv").read_text().splitlines()))
    errors = [float(row["val_mean_radial_error_px"]) for row in rows]
    assert errors[kept.epoch] == min(errors)


def test_the_images_can_wait_in_a_file_instead_of_in_memory(squares: Squares, small: Config, tmp_path: Path) -> None:
    dataset, read = squares
    one = changed(small, train={"epochs": 1})
    in_memory = train(dataset, one, tmp_path / "memory", read, Silent())
    in_file = train(dataset, changed(one, data={"cache": "file"}), tmp_path / "file", read, Silent())
    assert all(torch.equal(t, in_file.weights[k]) for k, t in in_memory.weights.items())
    assert not list((tmp_path / "file").glob("*.npy"))


def test_the_learning_rate_follows_half_a_cosine(small: Config) -> None:
    cosine = changed(small, train={"decay": "cosine", "epochs": 10, "learning_rate": 0.5})
    assert [learning_rate(cosine, e) for e in (0, 5, 10)] == pytest.approx([0.5, 0.25, 0.0])
    assert learning_rate(small, 2.7) == small.train.learning_rate


def test_a_finished_run_cannot_be_resumed(squares: Squares, small: Config, tmp_path: Path) -> None:
    dataset, read = squares
    one = changed(small, train={"epochs": 1})
    train(dataset, one, tmp_path / "run", read, Silent())
    assert not (tmp_path / "run" / store.TRAINING_FILE).exists()
    with pytest.raises(InputError, match="finished"):
        train(dataset, one, tmp_path / "run", read, Silent(), resume=True)
