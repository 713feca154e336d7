"""Grids: what is read is what was written, and what cannot be run is refused before it is."""

from pathlib import Path

import pytest

from radmark.benchmark.grid import read_grid, shipped_arms, shipped_grids
from radmark.benchmark.plan import plan, tuned_by
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


@pytest.mark.parametrize("name", ["smoke", "phantom-six", "ceph", "chest", "paper"])
def test_every_shipped_grid_is_read_and_its_arms_are_settings(name: str) -> None:
    grid = read_grid(name)
    assert {"proposed", "baseline-weighted", "heatmap-mse"} <= {arm.name for arm in grid.arms}
    assert name in shipped_grids()


def test_the_eleven_arms_are_there_and_each_says_what_it_asks() -> None:
    arms = shipped_arms()
    assert len({arm.name for arm in arms}) == 11
    assert all(arm.asks for arm in arms)


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
        ('["proposed", "mine"]', '["mine", "mine"]', "stands twice"),
        ("settings.labels.dilate_px = 30", "settings.labels.dilate = 30", "no such setting.*dilate"),
        ("settings.labels.dilate_px = 30", "settings.labels.dilate_px = -3", "dilate_px is out of range"),
        ("settings.labels.dilate_px = 30", 'tune = { "labels.sigma_px" = [-1.0] }', "sigma_px is out of range"),
        ('phantom = "knee-radiograph"', 'annotations = "a.csv"', "does not say clearly where it comes from"),
        ('phantom = "knee-radiograph"', 'phantom = "knee-radiograph"\nfolds = 3', "cannot be cross-validated"),
        ('name = "knee"', 'name = "../knee"', "more than letters"),
        ("arms =", 'seeds = "three"\narms =', "seeds is not a list"),
        ("arms =", "sedes = [1]\narms =", "no such key.*sedes"),
        ("arms =", 'reference = "theirs"\narms =', "arm there is not.*theirs"),
        ("arms =", "arms", "not valid TOML"),
    ],
)
def test_what_a_grid_cannot_mean_is_refused_by_name(tmp_path: Path, old: str, new: str, match: str) -> None:
    with pytest.raises(InputError, match=match):
        read_grid(grid_file(tmp_path, SMALL.replace(old, new)))


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
