"""Training: what it leaves behind, and that stopping costs nothing."""

import csv
import dataclasses
import hashlib
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from radmark import checkpoint as store
from radmark.card import CARD_FILES
from radmark.config import Config
from radmark.core import Film, InputError, Marked, Study
from radmark.infer import Predictor
from radmark.model import LandmarkNet, build
from radmark.targets.objectives import objective
from radmark.training.loop import learning_rate, split_for_training, train
from watching import Silent


def changed(config: Config, **sections: dict[str, object]) -> Config:
    """`config` with some settings of some sections changed."""
    return dataclasses.replace(
        config, **{name: dataclasses.replace(getattr(config, name), **values) for name, values in sections.items()}
    )


def test_an_interrupted_run_resumes_bit_for_bit(squares: Study, small: Config, tmp_path: Path) -> None:
    whole = train(squares, small, tmp_path / "whole", Silent())

    with pytest.raises(KeyboardInterrupt):
        train(squares, small, tmp_path / "parts", Silent(stop_after=0))
    torch.rand(7)  # whatever else happened in between must not matter
    resumed = train(squares, small, tmp_path / "parts", Silent(), resume=True)

    assert whole.weights.keys() == resumed.weights.keys()
    for name, tensor in whole.weights.items():
        assert torch.equal(tensor, resumed.weights[name]), name
    without_time = [{k: v for k, v in row.items() if k != "seconds"} for row in whole.facts["history"]]
    assert without_time == [{k: v for k, v in row.items() if k != "seconds"} for row in resumed.facts["history"]]


def test_ctrl_c_leaves_a_usable_model_of_the_last_whole_epoch(squares: Study, small: Config, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(squares, small, tmp_path / "run", Silent(stop_after=1))
    predictor = Predictor.load(tmp_path / "run")
    assert predictor.checkpoint.epoch == 1
    prediction = predictor(squares.films[0])
    assert prediction.frame.holds(prediction.points).all()


def test_a_run_holds_model_config_split_log_and_curves(squares: Study, small: Config, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(squares, small, run, Silent())
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
def test_the_loss_falls_and_the_points_are_found(squares: Study, small: Config, tmp_path: Path) -> None:
    longer = changed(small, train={"epochs": 30, "learning_rate": 3e-3}, augment={"rotate_deg": 0.0})
    watch = Silent()
    kept = train(squares, longer, tmp_path / "run", watch)
    first, last = kept.facts["history"][0], kept.facts["history"][-1]
    assert last["train_loss"] < first["train_loss"] / 2
    predictor = Predictor.load(tmp_path / "run")
    errors: list[float] = []
    for film, marks in squares.rows:
        errors += np.hypot(*(predictor(film).points - marks.points).T).tolist()
    assert np.median(errors) < 3  # films are 60 x 48; blind guessing is off by more than 10


@pytest.mark.slow
@pytest.mark.parametrize(
    ("loss", "model"),
    [("cross-entropy", {}), ("softmax", {}), ("softmax", {"levels": 4, "stride": 2}), ("mse", {"stride": 2})],
)
def test_each_loss_trains_a_film_by_heart(
    loss: str, model: dict[str, object], squares: Study, small: Config, tmp_path: Path
) -> None:
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
    two = squares.subset(squares.names[:2])
    train(two, config, tmp_path / "run", Silent())
    predictor = Predictor.load(tmp_path / "run")
    predictor.net.train()  # two films are too few for the running averages of batch normalisation
    for film, marks in two.rows:
        assert np.abs(predictor(film).points - marks.points).max() < 2


def test_a_stage_computed_twice_gives_the_same_gradients_and_is_counted_once(small: Config) -> None:
    config = changed(small, model={"levels": 3, "stride": 2})
    gray = torch.rand(4, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    found = []
    for twice in (False, True):
        torch.manual_seed(3)
        net = build(config.model, 2).train()
        net.recompute = twice
        sum((maps.square().mean() for maps in net(gray)), torch.zeros(())).backward()
        found.append((dict(net.named_buffers()), {name: p.grad for name, p in net.named_parameters()}))
    (buffers, gradients), (others, again) = found
    assert all(torch.equal(tensor, others[name]) for name, tensor in buffers.items())
    for name, gradient in gradients.items():
        assert (gradient is None) == (again[name] is None)
        assert gradient is None or torch.allclose(gradient, again[name], atol=1e-6), name


def test_an_accumulated_batch_goes_through_the_network_in_pieces(
    squares: Study, small: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    whole = LandmarkNet.forward

    def counted(net: LandmarkNet, gray: torch.Tensor) -> tuple[torch.Tensor, ...]:
        if net.training:
            seen.append(len(gray))
        return whole(net, gray)

    monkeypatch.setattr(LandmarkNet, "forward", counted)
    train(squares, changed(small, train={"epochs": 1, "accumulate": 2}), tmp_path / "run", Silent())
    assert seen == [2, 2, 2, 2]  # eight films in batches of four, each in two pieces


def test_of_blank_maps_the_loss_is_the_logarithm_of_how_many_places_each_level_and_their_product_have(
    small: Config,
) -> None:
    config = changed(small, model={"levels": 2, "stride": 2})
    maps = [torch.zeros(1, 2, 32, 32), torch.zeros(1, 2, 16, 16)]  # a uniform belief: log of the number of pixels
    points, states = torch.full((1, 2, 2), 30.0), torch.zeros(1, 2, dtype=torch.int8)
    apart = (math.log(32 * 32) + math.log(16 * 16)) / 2
    loss = objective(config.labels).levels_loss(maps, points, states, 3, 64)
    assert loss.item() == pytest.approx((apart + math.log(32 * 32)) / 2, rel=1e-6)


def test_the_levels_learn_of_each_other_through_their_product(small: Config) -> None:
    config = changed(small, model={"levels": 2, "stride": 2})
    finest, coarse = torch.zeros(1, 2, 32, 32, requires_grad=True), torch.zeros(1, 2, 16, 16)
    coarse[..., 8:, 8:] = 5.0  # the coarser level already knows the quarter that (40, 40) of 64 lies in
    points, states = torch.full((1, 2, 2), 40.0), torch.zeros(1, 2, dtype=torch.int8)
    objective(config.labels).levels_loss([finest, coarse], points, states, 0, 64).backward()
    assert finest.grad is not None
    # So there is less to push down in the quarters that are ruled out than in the one that is not.
    assert finest.grad[0, 0, :12, :12].sum() < finest.grad[0, 0, 24:, 24:].sum()


def test_a_folder_that_holds_something_is_refused(squares: Study, small: Config, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("do not lose me")
    with pytest.raises(InputError, match="not empty"):
        train(squares, small, tmp_path, Silent())
    assert (tmp_path / "thesis.txt").read_text() == "do not lose me"


def test_resuming_with_other_settings_is_refused(squares: Study, small: Config, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        train(squares, small, run, Silent(stop_after=0))
    with pytest.raises(InputError, match="other settings"):
        train(squares, changed(small, train={"epochs": 9}), run, Silent(), resume=True)
    fewer = squares.subset(squares.names[:6])
    with pytest.raises(InputError, match=r"not in the study|other training images"):
        train(fewer, small, run, Silent(), resume=True)


def test_resuming_where_nothing_began_says_so(squares: Study, small: Config, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing to resume.*without --resume"):
        train(squares, small, tmp_path / "run", Silent(), resume=True)


def test_a_loss_that_is_no_number_stops_with_the_way_out(squares: Study, small: Config, tmp_path: Path) -> None:
    # A label that outweighs what 32 bits can hold.
    endless = changed(small, labels={"label_weight": 1e38, "loss": "cross-entropy"})
    with pytest.raises(InputError, match=r"loss became (nan|inf).*--learning-rate"):
        train(squares, endless, tmp_path / "run", Silent())


def test_running_out_of_memory_stops_with_the_way_out(squares: Study, small: Config, tmp_path: Path) -> None:

    class Full(Silent):
        def step(self, epoch: int, epochs: int, done: int, total: int) -> None:
            torch.empty(2**60, dtype=torch.uint8)  # torch's own complaint, not an imitation

    with pytest.raises(InputError, match=r"memory ran out with 4 images.*--batch-size 2"):
        train(squares, small, tmp_path / "run", Full())


def test_the_same_picture_in_training_and_validation_is_refused(squares: Study, small: Config, tmp_path: Path) -> None:
    parts = split_for_training(squares, small).parts
    twin, original = parts["val"][0], parts["train"][0]
    by_name = {film.name: film for film in squares.films}
    copied = Film.from_array(by_name[original].pixels, twin, patient=str(by_name[twin].patient))
    rows = tuple(Marked(copied if film.name == twin else film, marks) for film, marks in squares.rows)

    with pytest.raises(InputError, match="same picture") as caught:
        train(Study(squares.scheme, rows), small, tmp_path / "run", Silent())
    assert twin in str(caught.value)
    assert original in str(caught.value)


def test_the_split_column_is_obeyed_and_test_rows_are_left_alone(squares: Study, small: Config) -> None:
    words = ["train"] * 5 + ["val"] * 2 + ["test"] * 3
    parts = split_for_training(parted(squares, words), small).parts
    assert parts["train"] == squares.names[:5]
    assert parts["val"] == squares.names[5:7]
    drawn = split_for_training(parted(squares, ["train"] * 7 + ["test"] * 3), small).parts
    assert {*drawn["train"], *drawn["val"]} == set(squares.names[:7])


def parted(study: Study, words: list[str]) -> Study:
    """The study with these words in its films' split column."""
    rows = (
        Marked(dataclasses.replace(film, part=w), marks) for (film, marks), w in zip(study.rows, words, strict=True)
    )
    return Study(study.scheme, tuple(rows))


def test_select_best_keeps_the_epoch_of_the_least_validation_error(
    squares: Study, small: Config, tmp_path: Path
) -> None:
    kept = train(squares, changed(small, train={"select": "best", "epochs": 5}), tmp_path / "run", Silent())
    rows = list(csv.DictReader((tmp_path / "run" / "log.csv").read_text().splitlines()))
    errors = [float(row["val_mean_radial_error_px"]) for row in rows]
    assert errors[kept.epoch] == min(errors)


def test_only_every_second_epoch_and_the_last_are_validated_and_best_is_one_of_them(
    squares: Study, small: Config, tmp_path: Path
) -> None:
    seldom = changed(small, train={"select": "best", "epochs": 5, "validate_every": 2})
    kept = train(squares, seldom, tmp_path / "run", Silent())
    rows = list(csv.DictReader((tmp_path / "run" / "log.csv").read_text().splitlines()))
    errors = {int(row["epoch"]): float(e) for row in rows if (e := row["val_mean_radial_error_px"])}
    assert list(errors) == [1, 3, 4]  # counted from 0: the second, the fourth, the last
    assert errors[kept.epoch] == min(errors.values())


def test_how_often_it_is_validated_changes_nothing_that_is_learnt(
    squares: Study, small: Config, tmp_path: Path
) -> None:
    often = train(squares, small, tmp_path / "often", Silent())
    seldom = train(squares, changed(small, train={"validate_every": 3}), tmp_path / "seldom", Silent())
    assert all(torch.equal(tensor, seldom.weights[name]) for name, tensor in often.weights.items())


def test_with_best_a_run_stopped_before_it_was_first_validated_leaves_its_last_epoch(
    squares: Study, small: Config, tmp_path: Path
) -> None:
    config = changed(small, train={"select": "best", "epochs": 9, "validate_every": 9})
    with pytest.raises(KeyboardInterrupt):
        train(squares, config, tmp_path / "run", Silent(stop_after=1))
    assert store.load_run(tmp_path / "run").epoch == 1


def test_the_bias_starts_at_the_share_of_pixels_of_the_first_label(
    squares: Study, small: Config, tmp_path: Path
) -> None:
    labels = {"loss": "cross-entropy", "dilate_px": 40, "start_at_rate": True}
    still = changed(small, labels=labels, train={"epochs": 1, "learning_rate": 1e-9})
    bias = train(squares, still, tmp_path / "run", Silent()).weights["unet.segmentation_head.0.bias"]
    # 40 of 512 are 5 of 64: 1 + 2 * 5 * 6 = 61 of the map's 4096 pixels.
    assert bias.tolist() == pytest.approx([math.log(61 / 4035)] * 2, abs=1e-6)


def test_a_first_label_as_large_as_the_map_has_no_rate_to_start_at(
    squares: Study, small: Config, tmp_path: Path
) -> None:
    labels = {"loss": "cross-entropy", "dilate_px": 512, "start_at_rate": True}
    with pytest.raises(InputError, match="no smaller than the map"):
        train(squares, changed(small, labels=labels), tmp_path / "run", Silent())
    assert not (tmp_path / "run").exists()


def test_the_images_can_wait_in_a_file_instead_of_in_memory(squares: Study, small: Config, tmp_path: Path) -> None:
    one = changed(small, train={"epochs": 1})
    in_memory = train(squares, one, tmp_path / "memory", Silent())
    in_file = train(squares, changed(one, data={"cache": "file"}), tmp_path / "file", Silent())
    assert all(torch.equal(t, in_file.weights[k]) for k, t in in_memory.weights.items())
    assert not list((tmp_path / "file").glob("*.npy"))


def test_the_learning_rate_follows_half_a_cosine(small: Config) -> None:
    cosine = changed(small, train={"decay": "cosine", "epochs": 10, "learning_rate": 0.5})
    assert [learning_rate(cosine, e) for e in (0, 5, 10)] == pytest.approx([0.5, 0.25, 0.0])
    assert learning_rate(small, 2.7) == small.train.learning_rate


def test_a_finished_run_cannot_be_resumed(squares: Study, small: Config, tmp_path: Path) -> None:
    one = changed(small, train={"epochs": 1})
    train(squares, one, tmp_path / "run", Silent())
    assert not (tmp_path / "run" / store.TRAINING_FILE).exists()
    with pytest.raises(InputError, match="finished"):
        train(squares, one, tmp_path / "run", Silent(), resume=True)
