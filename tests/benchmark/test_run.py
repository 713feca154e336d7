"""Running cells: whole, honest, resumable, and one failure does not stop the rest."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from radmark.benchmark.cell import config_of, films_of
from radmark.benchmark.films import read_folds
from radmark.benchmark.grid import Grid, read_grid
from radmark.benchmark.plan import Cell
from radmark.benchmark.results import read_results
from radmark.benchmark.run import RayOptions, prepare, run_here, run_on_ray
from radmark.core.errors import InputError
from radmark.training.loop import Row, split_for_training

TINY = """
arms = ["proposed+ta", "as-released-ta", "heatmap-mse"]
seeds = [0, 1]
repeat = ["heatmap-mse"]
[settings.data]
size = 64
validation_fraction = 0.25
[settings.model]
encoder_weights = "none"
decoder_channels = [8, 8, 8, 8, 8]
[settings.train]
epochs = 2
precision = "32-true"
[[data]]
name = "knee"
phantom = "knee-radiograph"
train_images = 5
test_images = 3
size = 64
"""


class Watch:
    def __init__(self, stop_in: str = "") -> None:
        self.begun: list[str] = []
        self.ended: dict[str, str | None] = {}
        self.epochs = 0
        self._stop_in = stop_in

    def begins(self, cell: Cell) -> None:
        self.begun.append(cell.key)

    def ends(self, cell: Cell, reason: str | None, left_s: float) -> None:
        assert left_s >= 0
        self.ended[cell.key] = reason

    def epoch(self, cell: Cell, row: Row) -> None:
        self.epochs += 1
        if self._stop_in and self._stop_in in cell.key:
            raise KeyboardInterrupt


def tiny(folder: Path, text: str = TINY) -> Grid:
    (folder / "grid.toml").write_text(text, encoding="utf-8")
    return read_grid(str(folder / "grid.toml"))


def run(grid: Grid, out: Path, watch: Watch) -> None:
    folds, cells = prepare(grid, out)
    run_here(grid, folds, cells, out, watch)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Grid, Path]:
    """A tiny benchmark that was interrupted in its second cell and then went on."""
    folder = tmp_path_factory.mktemp("finished")
    grid = tiny(folder)
    with pytest.raises(KeyboardInterrupt):
        run(grid, folder / "out", Watch(stop_in="heatmap-mse"))
    watch = Watch()
    run(grid, folder / "out", watch)
    assert [key.split("/")[1] for key in watch.begun] == ["heatmap-mse", "heatmap-mse"]  # proposed+ta was done
    assert watch.epochs == 3 * 2 - 1 + 2  # three candidates but for the epoch that was done, then the other seed
    return grid, folder / "out"


def test_a_benchmark_that_was_interrupted_goes_on_where_it_stopped(finished: tuple[Grid, Path]) -> None:
    grid, out = finished
    folds, cells = prepare(grid, out)
    assert all(cell.result(out).is_file() for cell in cells)
    watch = Watch()
    run_here(grid, folds, cells, out, watch)
    assert watch.begun == []


def test_a_second_seed_takes_the_setting_the_first_one_chose_on_the_inner_part(finished: tuple[Grid, Path]) -> None:
    grid, out = finished
    _, cells = prepare(grid, out)
    chosen, follower = (json.loads(cell.result(out).read_text(encoding="utf-8")) for cell in cells if cell.arms[0].tune)
    (tuned,) = chosen["tuned"]
    errors = tuned["errors_px"]
    assert set(errors) == {"8.0", "16.0", "32.0"}
    assert tuned["value"] == float(min(errors, key=errors.get))
    assert follower["settings"]["labels"]["sigma_px"] == tuned["value"]
    assert (chosen["n_training_images"], chosen["n_validation_images"]) == (4, 1)


def test_as_released_ta_is_scored_on_turned_films_by_the_model_of_proposed_ta(finished: tuple[Grid, Path]) -> None:
    grid, out = finished
    folds, cells = prepare(grid, out)
    results = read_results(grid, folds, cells, out)
    upright = results.find("knee", "proposed+ta")
    turned = results.find("knee", "as-released-ta")
    assert upright is not None
    assert turned is not None
    moved = np.abs(upright.errors.offset_px - turned.errors.offset_px).max(axis=(1, 2)) > 0
    # The draw of seed 0, made again here: which of the three films are turned.
    draws = [np.random.default_rng([0, image]).random(2) for image in range(3)]
    assert moved.tolist() == [v < 0.5 for _, v in draws]
    assert len(list((out / "cells" / "knee").glob("as-released-ta/*"))) == 0


def test_every_arm_is_read_with_argmax_too_whose_points_are_whole_pixels_of_the_network(
    finished: tuple[Grid, Path],
) -> None:
    grid, out = finished
    folds, cells = prepare(grid, out)
    results = read_results(grid, folds, cells, out)
    fractions: list[float] = []
    for decoder in ("argmax", "own"):
        scores = results.find("knee", "heatmap-mse", decoder=decoder)
        assert scores is not None
        assert scores.seeds == (0, 1)
        points = np.array([p.points for p in scores.errors.predictions])
        # The network's pixels are the film's, but the film is padded by half pixels and its edge is at -0.5.
        fractions.append(np.abs(2 * points - np.rint(2 * points)).max())
    assert fractions[0] < 1e-3 < 0.1 < fractions[1]


def test_a_finished_cell_of_other_settings_is_refused(finished: tuple[Grid, Path], tmp_path: Path) -> None:
    _, out = finished
    other = tiny(tmp_path, TINY.replace("epochs = 2", "epochs = 3"))
    with pytest.raises(InputError, match="other settings"):
        prepare(other, out)


def test_a_cell_from_before_a_setting_existed_still_counts(finished: tuple[Grid, Path], tmp_path: Path) -> None:
    grid, out = finished
    older = tmp_path / "older"
    shutil.copytree(out, older)
    _, cells = prepare(grid, older)
    file = cells[0].result(older)
    record = json.loads(file.read_text(encoding="utf-8"))
    assert record["settings"]["model"].pop("levels") == 1
    file.write_text(json.dumps(record), encoding="utf-8")
    prepare(grid, older)


def test_a_folder_that_is_no_benchmark_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(InputError, match="no benchmark"):
        prepare(tiny(tmp_path), tmp_path / "out")


def test_a_cell_that_fails_says_why_and_the_others_go_on(tmp_path: Path) -> None:
    text = TINY.replace('["proposed+ta", "as-released-ta", "heatmap-mse"]', '["broken", "proposed"]')
    text = text.replace('repeat = ["heatmap-mse"]', "repeat = []")
    grid = tiny(tmp_path, text + '[[arm]]\nname = "broken"\nasks = "?"\nsettings.model.encoder_weights = "gone.pth"\n')
    watch = Watch()
    run(grid, tmp_path / "out", watch)
    reasons = {key.split("/")[1]: reason for key, reason in watch.ended.items()}
    assert reasons["proposed"] is None
    assert "gone.pth" in (reasons["broken"] or "")
    folds, cells = prepare(grid, tmp_path / "out")
    assert len(read_results(grid, folds, cells, tmp_path / "out").failed) == 1


def test_an_image_that_is_trained_and_scored_under_two_names_fails_its_cell(tmp_path: Path) -> None:
    films = tmp_path / "films"
    films.mkdir()
    rng = np.random.default_rng(0)
    rows = ["image_name,image_width,image_height,n_landmarks,tip_x,tip_y,split"]
    for i in range(6):
        pixels = np.random.default_rng(0 if i in (0, 5) else i + 1).integers(0, 255, (64, 64), dtype=np.uint8)
        Image.fromarray(pixels).save(films / f"{i}.png")
        rows.append(f"{i}.png,64,64,1,{rng.integers(5, 60)},{rng.integers(5, 60)},{'test' if i > 3 else 'train'}")
    (tmp_path / "points.csv").write_text("\n".join(rows), encoding="utf-8")
    source = 'annotations = "points.csv"\nimages = "films"\n'
    text = TINY[: TINY.index("phantom =")] + source
    text = text.replace('["proposed+ta", "as-released-ta", "heatmap-mse"]', '["proposed"]').replace('"heatmap-mse"', "")
    watch = Watch()
    run(tiny(tmp_path, text), tmp_path / "out", watch)
    assert "5.png is scored, and was trained on as 0.png" in (watch.ended["knee/proposed/fold0-images-all-seed0"] or "")


def test_folds_never_part_a_patient_and_score_every_film_once(tmp_path: Path) -> None:
    films = tmp_path / "films"
    films.mkdir()
    rows = ["image_name,image_width,image_height,n_landmarks,patient_id,tip_x,tip_y"]
    for i in range(12):
        Image.fromarray(np.full((64, 64), i, np.uint8)).save(films / f"{i}.png")
        rows.append(f"{i}.png,64,64,1,p{i // 2},5,5")
    (tmp_path / "points.csv").write_text("\n".join(rows), encoding="utf-8")
    text = TINY[: TINY.index("phantom =")] + 'annotations = "points.csv"\nimages = "films"\nfolds = 3\n'
    grid = tiny(tmp_path, text)
    folds = read_folds(grid, grid.data[0], tmp_path)
    scored = [name for fold in folds for name in fold.test.names]
    assert sorted(scored) == sorted(f"{i}.png" for i in range(12))
    for fold in folds:
        assert not {f.patient for f in fold.train.films} & {f.patient for f in fold.test.films}
        few = set(fold.few(2, 0).names)
        assert few <= set(fold.few(4, 0).names)  # a smaller draw is part of a larger one
        assert len(few) == 2


STEPS = """
arms = ["heatmap-mse"]
seeds = [0, 1]
steps = 7
tune_steps = 3
watch_images = 2
tune = { "train.learning_rate" = [1e-4, 1e-3] }
[settings.data]
size = 64
[settings.model]
encoder_weights = "none"
decoder_channels = [8, 8, 8, 8, 8]
[settings.train]
batch_size = 2
precision = "32-true"
[[stage]]
arms = ["heatmap-mse"]
images = [5, 3]
[[data]]
name = "knee"
phantom = "knee-radiograph"
train_images = 8
test_images = 2
size = 64
"""


@pytest.fixture(scope="module")
def stepped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Grid, Path, list[str]]:
    """A tiny benchmark that holds steps, stopped in the first short training; the cells that were begun after that."""
    folder = tmp_path_factory.mktemp("stepped")
    grid = tiny(folder, STEPS)
    with pytest.raises(KeyboardInterrupt):
        run(grid, folder / "out", Watch(stop_in="heatmap-mse"))
    watch = Watch()
    run(grid, folder / "out", watch)
    return grid, folder / "out", watch.begun


def records(grid: Grid, out: Path) -> dict[tuple[int | None, int], dict[str, Any]]:
    """(number of images, seed) -> `cell.json`."""
    _, cells = prepare(grid, out)
    return {(c.n_training, c.seed): json.loads(c.result(out).read_text(encoding="utf-8")) for c in cells}


def test_every_training_has_the_steps_of_the_grid_to_within_an_epoch(stepped: tuple[Grid, Path, list[str]]) -> None:
    grid, out, _ = stepped
    found = records(grid, out)
    # Batches of 2: 5 films are 3 steps an epoch, 7 steps need 3 of them; 3 films are 2, and need 4.
    assert {key: len(record["history"]) for key, record in found.items()} == {
        (5, 0): 3,
        (5, 1): 3,
        (3, 0): 4,
        (3, 1): 4,
    }
    assert {(r["n_training_images"], r["n_validation_images"]) for r in found.values()} == {(5, 2), (3, 2)}


def test_all_of_few_films_teach_and_others_are_watched_the_same_for_each_size(
    stepped: tuple[Grid, Path, list[str]],
) -> None:
    grid, out, _ = stepped
    splits = {
        (n, seed): json.loads((out / f"cells/knee/heatmap-mse/fold0-images-{n}-seed{seed}/run/split.json").read_text())
        for n in (5, 3)
        for seed in (0, 1)
    }
    for seed in (0, 1):
        assert splits[5, seed]["val"] == splits[3, seed]["val"]
        assert set(splits[3, seed]["train"]) < set(splits[5, seed]["train"])
        assert set(splits[5, seed]["train"]).isdisjoint(splits[5, seed]["val"])
    # The draw of seed 0 made again: of eight patients the first five teach, the last two are watched.
    order = np.random.default_rng([0, 7]).permutation(8)
    (fold,) = prepare(grid, out)[0]["knee"]
    names = [
        next(f.name for f in fold.train.films if f.owner == p) for p in sorted({f.owner for f in fold.train.films})
    ]
    assert set(splits[5, 0]["train"]) == {names[i] for i in order[:5]}
    assert set(splits[5, 0]["val"]) == {names[i] for i in order[-2:]}


def test_settings_are_chosen_one_after_the_other_by_short_trainings_and_then_one_is_trained_whole(
    stepped: tuple[Grid, Path, list[str]],
) -> None:
    grid, out, begun = stepped
    assert len(begun) == 4
    found = records(grid, out)
    rate, sigma = found[5, 0]["tuned"]
    assert (rate["key"], sigma["key"]) == ("train.learning_rate", "labels.sigma_px")
    assert (set(rate["errors_px"]), set(sigma["errors_px"])) == ({"0.0001", "0.001"}, {"8.0", "16.0", "32.0"})
    for tuned in (rate, sigma):
        assert tuned["value"] == float(min(tuned["errors_px"], key=tuned["errors_px"].get))
    # The arm starts with a sigma of 16, so the rate was chosen at that, and this candidate is not trained again.
    assert sigma["errors_px"]["16.0"] == min(rate["errors_px"].values())
    folder = out / "cells/knee/heatmap-mse/fold0-images-5-seed0"
    logs = {log.parent.name: len(log.read_text().splitlines()) - 1 for log in folder.glob("run*/log.csv")}
    short = {f"run-{r}" for r in ("0.0001", "0.001")} | {f"run-{rate['value']}-{s}" for s in ("8.0", "32.0")}
    assert logs == {"run": 3, **dict.fromkeys(short, 1)}  # 3 steps are one epoch of 5 films
    assert [f.parent.name for f in folder.glob("run*/model.safetensors")] == ["run"]


def test_other_sizes_and_seeds_take_over_what_the_largest_size_chose(stepped: tuple[Grid, Path, list[str]]) -> None:
    grid, out, _ = stepped
    found = records(grid, out)
    chosen = [(r["settings"]["train"]["learning_rate"], r["settings"]["labels"]["sigma_px"]) for r in found.values()]
    assert set(chosen) == {tuple(t["value"] for t in found[5, 0]["tuned"])}
    assert all(record["tuned"] == found[5, 0]["tuned"] for record in found.values())


def test_a_cell_that_was_tuned_before_several_settings_could_be_still_counts(
    finished: tuple[Grid, Path], tmp_path: Path
) -> None:
    grid, out = finished
    older = tmp_path / "older"
    shutil.copytree(out, older)
    _, cells = prepare(grid, older)
    for cell in cells:
        record = json.loads(cell.result(older).read_text(encoding="utf-8"))
        record["tuned"] = record["tuned"][0] if record["tuned"] else None  # as it was written then
        cell.result(older).write_text(json.dumps(record), encoding="utf-8")
    prepare(grid, older)


def test_a_long_run_is_validated_about_thirty_times(tmp_path: Path) -> None:
    grid = tiny(tmp_path, STEPS.replace("steps = 7", "steps = 200", 1))
    folds, cells = prepare(grid, tmp_path / "out")
    (fold,) = folds["knee"]
    cell = next(c for c in cells if c.n_training == 3)
    train = config_of(grid, cell, films_of(grid, cell, fold), fold, {}).train
    # 2 steps an epoch: 100 epochs, every fourth of them looked at.
    assert (train.epochs, train.validate_every) == (100, 4)


def test_where_all_films_teach_the_inner_part_is_taken_from_them(tmp_path: Path) -> None:
    text = STEPS.replace("images = [5, 3]", "").replace("size = 64", "size = 64\nvalidation_fraction = 0.25", 1)
    grid = tiny(tmp_path, text)
    folds, cells = prepare(grid, tmp_path / "out")
    (fold,) = folds["knee"]
    # A quarter of 8 films is watched: 6 teach, 3 steps an epoch, 3 epochs for 7 steps.
    assert config_of(grid, cells[0], films_of(grid, cells[0], fold), fold, {}).train.epochs == 3


def test_too_few_films_to_teach_and_to_watch_are_refused(tmp_path: Path) -> None:
    watch = Watch()
    run(tiny(tmp_path, STEPS.replace("images = [5, 3]", "images = [7]")), tmp_path / "out", watch)
    assert "8 training images: too few for 7 that teach and 2 others" in (
        watch.ended["knee/heatmap-mse/fold0-images-7-seed0"] or ""
    )


def test_whole_patients_are_watched(tmp_path: Path) -> None:
    films = tmp_path / "films"
    films.mkdir()
    rows = ["image_name,image_width,image_height,n_landmarks,patient_id,tip_x,tip_y,split"]
    for i in range(14):
        Image.fromarray(np.full((64, 64), i, np.uint8)).save(films / f"{i}.png")
        rows.append(f"{i}.png,64,64,1,p{i // 2},5,5,{'test' if i > 11 else 'train'}")
    (tmp_path / "points.csv").write_text("\n".join(rows), encoding="utf-8")
    grid = tiny(tmp_path, TINY[: TINY.index("phantom =")] + 'annotations = "points.csv"\nimages = "films"\n')
    (fold,) = read_folds(grid, grid.data[0], tmp_path)
    parts = split_for_training(fold.watched(4, 0, 3), grid.config).parts
    assert (len(parts["train"]), len(parts["val"])) == (4, 4)  # three films are two patients
    patient = {film.name: film.patient for film in fold.train.films}
    assert len({patient[name] for name in (*parts["train"], *parts["val"])}) == 4


@pytest.mark.slow
def test_ray_does_the_same_cells_and_their_points_are_the_same(finished: tuple[Grid, Path], tmp_path: Path) -> None:
    grid, out = finished
    folds, cells = prepare(grid, tmp_path / "ray")
    watch = Watch()
    run_on_ray(grid, folds, cells, tmp_path / "ray", watch, RayOptions())
    assert set(watch.ended.values()) == {None}
    for cell in cells:
        for arm in cell.arms:
            there, here = (cell.predictions(o, arm, "own") for o in (tmp_path / "ray", out))
            assert there.read_text(encoding="utf-8") == here.read_text(encoding="utf-8")
