"""Grids: what is read is what was written, and what cannot be run is refused before it is."""

import dataclasses
from pathlib import Path

import pytest

from radmark.benchmark.grid import read_grid, shipped_arms, shipped_grids
from radmark.benchmark.plan import plan, tuned_by
from radmark.config import read_recipe
from radmark.core.errors import InputError

SMALL = """
arms = ["proposed", "mine"]
[[data]]
name = "knee"
phantom = "knee-radiograph"
[[arm]]
name = "mine"
asks = "Is 30 px enough?"
settings.labels.dilate_px = 30
"""


def grid_file(folder: Path, text: str) -> str:
    file = folder / "grid.toml"
    file.write_text(text, encoding="utf-8")
    return str(file)


@pytest.mark.parametrize("name", ["smoke", "phantom-six", "ceph", "chest", "paper", "full-length"])
def test_every_shipped_grid_is_read_and_its_arms_are_settings(name: str) -> None:
    grid = read_grid(name)
    assert {"proposed", "baseline-weighted", "heatmap-mse"} <= {arm.name for arm in grid.arms}
    assert name in shipped_grids()


def test_the_fourteen_arms_are_there_and_each_says_what_it_asks() -> None:
    arms = shipped_arms()
    assert len({arm.name for arm in arms}) == 14
    assert all(arm.asks for arm in arms)


def test_radmark_s_own_arm_has_maps_of_half_the_size_on_four_levels_and_every_other_one_of_the_whole_size() -> None:
    grid = read_grid("full-length")
    models = {arm.name: grid.config_of(arm).model for arm in grid.arms}
    assert {name for name, model in models.items() if (model.stride, model.levels) == (2, 4)} == {"levels", "levels+ta"}
    assert {(m.stride, m.levels) for name, m in models.items() if "levels" not in name} == {(1, 1)}
    assert all({"stride", "levels"} <= arm.settings["model"].keys() for arm in shipped_arms())


def test_levels_with_augmentation_is_taught_as_the_recipe_best_augments() -> None:
    grid = read_grid("full-length")
    assert grid.config_of(grid.arm("levels+ta")).augment == read_recipe("best").augment
    assert grid.config_of(grid.arm("levels")).augment.rotate_deg == 0
    biased, baseline = (grid.config_of(grid.arm(name)).labels for name in ("baseline-biased", "baseline"))
    assert dataclasses.replace(biased, start_at_rate=False) == baseline


def test_the_paper_s_arm_is_the_papers_schedule_whatever_recipe_the_grid_begins_with(tmp_path: Path) -> None:
    grid = read_grid(grid_file(tmp_path, 'recipe = "cpu"\n' + SMALL))
    labels = grid.config_of(grid.arm("proposed")).labels
    assert (labels.loss, labels.dilate_px, labels.erode_px, labels.erode_every) == ("cross-entropy", 65, 10, 50)
    assert grid.config_of(grid.arm("proposed")).augment.rotate_deg == 0


def test_an_arm_of_ones_own_is_laid_over_the_grids_settings(tmp_path: Path) -> None:
    grid = read_grid(grid_file(tmp_path, SMALL), changes={"model": {"encoder_weights": "none"}})
    config = grid.config_of(grid.arm("mine"))
    assert config.labels.dilate_px == 30
    assert config.model.encoder_weights == "none"


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ('["proposed", "mine"]', '["propose"]', "arm there is not.*propose"),
        ('["proposed", "mine"]', '["mine", "mine"]', "appears twice"),
        ("settings.labels.dilate_px = 30", "settings.labels.dilate = 30", "dilate.*no such key"),
        ("settings.labels.dilate_px = 30", "settings.labels.dilate_px = -3", "dilate_px is out of range"),
        ("settings.labels.dilate_px = 30", 'tune = { "labels.sigma_px" = [-1.0] }', "sigma_px is out of range"),
        ('phantom = "knee-radiograph"', 'annotations = "a.csv"', "does not say clearly where it comes from"),
        ('phantom = "knee-radiograph"', 'phantom = "knee-radiograph"\nfolds = 3', "cannot be cross-validated"),
        ('name = "knee"', 'name = "../knee"', "more than letters"),
        ("arms =", 'seeds = "three"\narms =', "seeds is not a list"),
        ("arms =", "sedes = [1]\narms =", "no such key.*sedes"),
        ("arms =", 'reference = "theirs"\narms =', "arm there is not.*theirs"),
        ("arms =", "arms", "not valid TOML"),
        ("arms =", "steps = 0\narms =", "steps is not a whole number"),
        ("arms =", "steps = 9\nsettings.train.epochs = 3\narms =", "gives steps, and epochs"),
        ("settings.labels.dilate_px = 30", "settings.train.learning_rat = 1.0", "learning_rat.*no such key"),
        ("arms =", "tune_steps = 9\narms =", "tune_steps and watch_images are for grids that give steps"),
        ("arms =", "tune.labels = 3\narms =", "does not give each setting a list"),
        ("arms =", 'tune = { "labels.sigma" = [1.0] }\narms =', "sigma.*no such key"),
        ("settings.labels.dilate_px = 30", 'tune = { "labels.sigma_px" = 3.0 }', "arm mine: tune does not give"),
        ("arms =", "all_images = false\narms =", "trains on no number of images"),
        ("[[data]]", '[[stage]]\narms = ["theirs"]\n[[data]]', "stage.arms names an arm there is not.*theirs"),
        ("[[data]]", '[[stage]]\narms = ["mine"]\ndata = ["hip"]\n[[data]]', "data set there is not.*hip"),
        ("[[data]]", '[few_images]\nsizes = [5]\n[[stage]]\narms = ["mine"]\n[[data]]', "gives stages, and repeat"),
    ],
)
def test_what_a_grid_cannot_mean_is_refused_by_name(tmp_path: Path, old: str, new: str, match: str) -> None:
    with pytest.raises(InputError, match=match):
        read_grid(grid_file(tmp_path, SMALL.replace(old, new)))


def test_an_arm_s_own_epochs_are_refused_too_where_steps_are_held(tmp_path: Path) -> None:
    text = "steps = 9\n" + SMALL.replace("settings.labels.dilate_px = 30", "settings.train.epochs = 3")
    with pytest.raises(InputError, match="gives steps, and epochs"):
        read_grid(grid_file(tmp_path, text))


def test_without_all_images_only_the_sizes_are_trained_the_largest_first(tmp_path: Path) -> None:
    text = "all_images = false\n" + SMALL + '[few_images]\nsizes = [5, 10]\narms = ["mine"]\n'
    cells = plan(read_grid(grid_file(tmp_path, text)), {"knee": 2})
    assert [(cell.n_training, cell.fold) for cell in cells] == [(10, 0), (10, 1), (5, 0), (5, 1)]


def test_stages_are_run_in_their_order_and_a_cell_of_two_stages_once(tmp_path: Path) -> None:
    stages = """
[[stage]]
arms = ["mine", "proposed"]
images = [10]
seeds = [4]
[[stage]]
arms = ["mine"]
images = [5, 10]
"""
    grid = read_grid(grid_file(tmp_path, "seeds = [4, 0]\n" + SMALL + stages))
    cells = plan(grid, {"knee": 1})
    assert [(cell.arms[0].name, cell.n_training, cell.seed) for cell in cells] == [
        ("mine", 10, 4), ("proposed", 10, 4), ("mine", 10, 0), ("mine", 5, 4), ("mine", 5, 0),
    ]  # fmt: skip


def test_the_full_length_grid_asks_seven_arms_first_then_draws_sizes_the_pelvis_and_the_rest() -> None:
    cells = plan(read_grid("full-length"), {"ceph": 1, "pelvis": 1})
    three = ["proposed", "heatmap-mse", "levels"]
    assert [cell.arms[0].name for cell in cells] == [
        "baseline-biased", "baseline-weighted", "proposed", "proposed+ta", "heatmap-mse", "heatmap-ce", "levels",
        *three * 2, *three * 3, *three, "dilated-fixed", "no-reweight", "baseline", "levels+ta",
    ]  # fmt: skip
    assert [(c.data, c.n_training, c.seed) for c in cells[7:25:3]] == [
        ("ceph", 50, 1), ("ceph", 50, 2), ("ceph", 10, 0), ("ceph", 10, 1), ("ceph", 10, 2), ("pelvis", 50, 0),
    ]  # fmt: skip


def test_what_is_tuned_is_tuned_on_the_largest_number_of_images_there_is(tmp_path: Path) -> None:
    text = """
seeds = [4, 5]
all_images = false
tune = { "train.learning_rate" = [1e-4, 1e-3] }
""" + SMALL + "[few_images]\nsizes = [5, 10]\n"  # fmt: skip
    grid = read_grid(grid_file(tmp_path, text))
    cells = plan(grid, {"knee": 1})
    tuners = {cell.key: tuned_by(cell, cells, grid) for cell in cells}
    assert [key for key, tuner in tuners.items() if tuner is None] == [
        f"knee/{arm}/fold0-images-10-seed4" for arm in ("proposed", "mine")
    ]
    assert {(t.n_training, t.seed) for t in tuners.values() if t is not None} == {(10, 4)}


def test_a_setting_of_the_grid_is_tuned_before_the_arm_s_own_whose_candidates_win(tmp_path: Path) -> None:
    text = 'tune = { "train.learning_rate" = [1e-4], "labels.sigma_px" = [1.0, 2.0] }\n' + SMALL
    text = text.replace(
        "settings.labels.dilate_px = 30", 'tune = { "labels.sigma_px" = [3.0], "labels.erode_px" = [5] }'
    )
    grid = read_grid(grid_file(tmp_path, text))
    tuned = grid.tuned(grid.arm("mine"))
    assert list(tuned) == ["train.learning_rate", "labels.sigma_px", "labels.erode_px"]
    assert list(tuned["labels.sigma_px"]) == [3.0]


def test_a_grid_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(InputError, match="phantom-six"):
        read_grid("no-such-grid")


def test_arms_that_differ_only_in_how_they_are_scored_share_a_training(tmp_path: Path) -> None:
    text = SMALL.replace('"mine"]', '"proposed+ta", "as-released-ta"]')
    cells = plan(read_grid(grid_file(tmp_path, text)), {"knee": 1})
    assert [[arm.name for arm in cell.arms] for cell in cells] == [["proposed"], ["proposed+ta", "as-released-ta"]]


def test_the_plan_counts_arms_folds_seeds_and_sizes(tmp_path: Path) -> None:
    text = 'seeds = [0, 1, 2]\nrepeat = ["mine"]\n' + SMALL + '[few_images]\nsizes = [5, 10]\narms = ["proposed"]\n'
    cells = plan(read_grid(grid_file(tmp_path, text)), {"knee": 4})
    # 2 arms x 4 folds, then 2 more seeds of one arm, then 2 sizes x 3 seeds of one arm
    assert len(cells) == 8 + 8 + 24
    assert len({cell.key for cell in cells}) == 40


def test_a_setting_is_tuned_once_by_the_first_seed_on_all_images(tmp_path: Path) -> None:
    text = "seeds = [4, 5]\n" + SMALL.replace('"mine"]', '"heatmap-mse"]') + "[few_images]\nsizes = [5]\n"
    grid = read_grid(grid_file(tmp_path, text))
    cells = plan(grid, {"knee": 2})
    heatmaps = [cell for cell in cells if cell.arms[0].name == "heatmap-mse"]
    first = [cell for cell in heatmaps if tuned_by(cell, cells, grid) is None]
    assert [(cell.fold, cell.seed, cell.n_training) for cell in first] == [(0, 4, None), (1, 4, None)]
    for cell in [c for c in heatmaps if c not in first]:
        tuner = tuned_by(cell, cells, grid)
        assert tuner is not None
        assert (tuner.fold, tuner.seed, tuner.n_training) == (cell.fold, 4, None)
