"""The command line as a user types it: what it does, what it says, and what it leaves alone."""

import contextlib
import csv
import dataclasses
import io
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Any, Literal, cast, get_args, get_origin

import highdicom
import numpy as np
import pytest
import torch

from dicom_files import film
from radmark import __version__, cli
from radmark.config import Config, names_of, read_recipe, to_toml
from radmark.core.errors import InputError
from radmark.io import read_dataset, read_film

COMMANDS = (
    "demo",
    "phantom",
    "annotate",
    "check",
    "train",
    "evaluate",
    "predict",
    "export",
    "measure",
    "report",
    "agree",
    "convert",
    "pacs",
    "deidentify",
    "serve",
    "benchmark",
    "registry",
)
RECIPES = names_of(resources.files("radmark") / "recipes")
HEAVY = ("lightning_fabric", "matplotlib", "numpy", "scipy", "segmentation_models_pytorch", "torch", "torchvision")
RECIPE = """
[data]
size = 64
validation_fraction = 0.25
[model]
encoder = "mobilenet_v2"
encoder_weights = "none"
decoder_channels = [16, 8, 8, 8, 8]
[labels]
loss = "softmax"
dilate_px = 40
[train]
epochs = 2
batch_size = 4
learning_rate = 1e-3
accelerator = "cpu"
precision = "32-true"
"""


@dataclass(frozen=True)
class Said:
    """What a command left on the terminal."""

    code: int
    out: str
    err: str


def radmark(*words: object) -> Said:
    """Run a command in this process; the words are those behind `radmark`."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = cli.main([str(word) for word in words])
        except SystemExit as leave:  # the parser leaves this way after --help and where words make no sense
            code = int(leave.code or 0)
    return Said(code, out.getvalue(), err.getvalue())


def works(*words: object) -> Said:
    said = radmark(*words)
    assert said.code == 0, said.err + said.out
    return said


def refused(*words: object) -> str:
    """What stderr says of a command that cannot work; it must be for a user to read, and stdout must promise nothing."""
    said = radmark(*words)
    assert said.code == 2, said
    assert "Traceback" not in said.err
    assert said.err.startswith("radmark: ")
    return said.err


def files(folder: Path) -> dict[str, bytes]:
    """Everything below a folder, byte for byte."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@contextlib.contextmanager
def untouched(folder: Path) -> Iterator[None]:
    before, folders = files(folder), sorted(folder.rglob("*"))
    yield
    assert sorted(folder.rglob("*")) == folders
    assert files(folder) == before


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def rewritten(source: Path, to: Path, change: Callable[[list[dict[str, str]]], None]) -> Path:
    """The table of `source` at `to`, its rows changed in place."""
    rows = table(source)
    change(rows)
    with to.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return to


def landmark_names(rows: Sequence[dict[str, str]]) -> list[str]:
    return [column.removesuffix("_confidence") for column in rows[0] if column.endswith("_confidence")]


def mean_distance_px(a: Sequence[dict[str, str]], b: Sequence[dict[str, str]], names: Sequence[str]) -> float:
    """By hand, from two tables of coordinates matched by image name."""
    other = {row["image_name"]: row for row in b}
    distances = [
        math.dist(*((float(row[f"{name}_x"]), float(row[f"{name}_y"])) for row in (mine, other[mine["image_name"]])))
        for mine in a
        for name in names
    ]
    return sum(distances) / len(distances)


class Words(HTMLParser):
    """What a person reads on a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text = ""
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.text += data


@dataclass(frozen=True)
class Walk:
    """Where the whole path from phantoms to predictions has left its things."""

    root: Path
    data: Path
    unseen: Path
    recipe: Path
    run: Path
    report: Path
    checked: Said
    trained: Said
    evaluated: Said

    def annotated(self, data: Path) -> tuple[object, ...]:
        return data / "annotations.csv", "--images", data / "images"


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Walk:
    root = tmp_path_factory.mktemp("walk")
    data, unseen, recipe, run, report = (root / name for name in ("data", "unseen", "tiny.toml", "run", "report"))
    recipe.write_text(RECIPE, encoding="utf-8")
    for folder, n, seed in ((data, 8, 0), (unseen, 4, 1)):
        works("phantom", folder, "--kind", "knee-radiograph", "--n", n, "--size", 96, "--seed", seed)
    annotated = (data / "annotations.csv", "--images", data / "images")
    checked = works("check", *annotated)
    trained = works("train", *annotated, "--out", run, "--recipe", recipe)
    evaluated = works(
        "evaluate", run, unseen / "annotations.csv", "--images", unseen / "images", "--out", report
    )  # fmt: skip
    return Walk(root, data, unseen, recipe, run, report, checked, trained, evaluated)


@pytest.fixture(scope="module")
def flattered(walk: Walk) -> tuple[Said, Path]:
    """An evaluation on the very images of the training."""
    out = walk.root / "flattered"
    return works("evaluate", walk.run, *walk.annotated(walk.data), "--out", out), out


# ---- the path ---------------------------------------------------------------------------------------------------------


def test_each_step_says_where_its_result_lies(walk: Walk) -> None:
    assert str(walk.run / "model.safetensors") in walk.trained.out
    assert str(walk.report / "index.html") in walk.evaluated.out
    assert (walk.run / "model.safetensors").is_file()
    assert (walk.run / "curves.png").is_file()
    assert walk.trained.err == walk.evaluated.err == ""


def test_the_run_keeps_the_settings_it_was_given(walk: Walk) -> None:
    assert read_recipe(str(walk.run / "config.toml")) == read_recipe(str(walk.recipe))


def test_metrics_json_has_the_keys_that_other_programs_rely_on(walk: Walk) -> None:
    metrics = json.loads((walk.report / "metrics.json").read_text(encoding="utf-8"))
    contract = {
        "n_images", "n_points", "grid", "reader", "mean_radial_error_px", "mean_radial_error_mm", "median_radial_error_px",
        "p95_radial_error_px", "paper_rmse_px", "sdr_percent_px", "sdr_percent_mm", "per_landmark", "ci95", "warnings",
    }  # fmt: skip
    assert contract <= metrics.keys()
    assert (metrics["n_images"], metrics["n_points"], metrics["grid"]) == (4, 32, "source")
    assert list(metrics["sdr_percent_px"]) == list(metrics["sdr_percent_mm"]) == ["2", "2.5", "3", "4"]
    assert len(metrics["ci95"]["mean_radial_error_px"]) == 2
    for number in (metrics[key] for key in contract if key.endswith(("_px", "_mm")) and "sdr" not in key):
        assert math.isfinite(number)
        assert number > 0
    for landmark in metrics["per_landmark"]:
        assert math.isfinite(landmark["mean_radial_error_px"])


def test_the_mean_radial_error_is_that_of_the_points_in_errors_csv(walk: Walk) -> None:
    metrics = json.loads((walk.report / "metrics.json").read_text(encoding="utf-8"))
    rows = table(walk.report / "errors.csv")
    distances = [
        math.dist(
            (float(row["truth_x"]), float(row["truth_y"])), (float(row["predicted_x"]), float(row["predicted_y"]))
        )
        for row in rows
    ]
    assert metrics["mean_radial_error_px"] == pytest.approx(sum(distances) / len(rows), abs=1e-3)
    assert metrics["sdr_percent_px"]["4"] == pytest.approx(100 * sum(d < 4 for d in distances) / len(rows))
    spacing = {row["image_name"]: float(row["spacing_x_mm"]) for row in table(walk.unseen / "annotations.csv")}
    in_mm = [d * spacing[row["image_name"]] for d, row in zip(distances, rows, strict=True)]
    assert metrics["mean_radial_error_mm"] == pytest.approx(sum(in_mm) / len(rows), abs=1e-3)


def test_the_predicted_table_differs_from_the_annotations_by_just_the_reported_error(
    walk: Walk, tmp_path: Path
) -> None:
    works("predict", walk.run, walk.unseen / "images", "--out", tmp_path / "points.csv")
    predicted, truth = table(tmp_path / "points.csv"), table(walk.unseen / "annotations.csv")
    names = landmark_names(predicted)
    assert len(names) == 8
    metrics = json.loads((walk.report / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["mean_radial_error_px"] == pytest.approx(mean_distance_px(truth, predicted, names), abs=1e-3)
    assert all(0 <= float(row[f"{name}_confidence"]) <= 1 for row in predicted for name in names)


def test_the_predicted_table_is_read_back_as_annotations(walk: Walk, tmp_path: Path) -> None:
    works("predict", walk.run, walk.unseen / "images", "--out", tmp_path / "points.csv", "--spacing-mm", "0.25,0.5")
    again = read_dataset(tmp_path / "points.csv", walk.unseen / "images")
    rows = table(tmp_path / "points.csv")
    assert [case.film.name for case in again.rows] == [row["image_name"] for row in rows]
    for case, row in zip(again.rows, rows, strict=True):
        for name, (x, y) in zip(again.scheme.names, case.marks.points.tolist(), strict=True):
            assert (x, y) == (float(row[f"{name}_x"]), float(row[f"{name}_y"]))
        spacing = case.marks.frame.spacing
        assert spacing is not None
        assert (spacing.x_mm, spacing.y_mm) == (0.25, 0.5)


def test_csv_and_json_say_the_same_and_come_from_any_way_of_naming_the_images(walk: Walk, tmp_path: Path) -> None:
    folder = walk.unseen / "images"
    works("predict", walk.run, folder, "--out", tmp_path / "points.csv")
    works("predict", walk.run, *sorted(folder.iterdir()), "--out", tmp_path / "points.json")
    annotations = walk.unseen / "annotations.csv"
    works("predict", walk.run, annotations, "--images-of", folder, "--out", tmp_path / "points.txt", "--format", "csv")
    rows = table(tmp_path / "points.csv")
    images = json.loads((tmp_path / "points.json").read_text(encoding="utf-8"))["images"]
    named = table(tmp_path / "points.txt")
    for row, image, third in zip(rows, images, named, strict=True):
        assert row["image_name"] == image["image_name"] == third["image_name"]
        for name, landmark in image["landmarks"].items():
            for axis in "xy":
                assert float(row[f"{name}_{axis}"]) == pytest.approx(landmark[axis], abs=1e-3)
                assert row[f"{name}_{axis}"] == third[f"{name}_{axis}"]


def test_a_dicom_study_becomes_structured_reports_with_the_points_of_the_table(walk: Walk, tmp_path: Path) -> None:
    study = tmp_path / "study"
    study.mkdir()
    for i, source in enumerate(sorted((walk.unseen / "images").iterdir())[:2]):
        film(study / f"IM{i:04}", read_film(source).pixels, bits=16, PixelSpacing=[0.2, 0.2])
    works("predict", walk.run, study, "--out", tmp_path / "points.csv")
    works("predict", walk.run, study, "--out", tmp_path / "reports", "--format", "dcm")
    works("predict", walk.run, study / "IM0001", "--out", tmp_path / "one.dcm")
    reports = [tmp_path / "reports" / f"IM{i:04}.sr.dcm" for i in range(2)] + [tmp_path / "one.dcm"]
    rows = table(tmp_path / "points.csv")
    for file, row in zip(reports, [*rows, rows[1]], strict=True):
        groups = cast("Any", highdicom.sr.srread(file).content).get_planar_roi_measurement_groups()
        found = {group.finding_type.meaning.replace(" ", "_"): group.roi.value[0] for group in groups}
        for name in landmark_names(rows):
            assert found[name] - 0.5 == pytest.approx([float(row[f"{name}_x"]), float(row[f"{name}_y"])], abs=2e-3)
    assert "Give a folder" in refused("predict", walk.run, study, "--out", tmp_path / "two.dcm")
    assert "already" in refused("predict", walk.run, study / "IM0001", "--out", tmp_path / "one.dcm")


PELVIS = {  # 0.5 mm a pixel: the right leg is 12 px, 6 mm, longer
    "teardrop_right": (100, 200), "teardrop_left": (340, 200),
    "lesser_trochanter_right": (60, 332), "lesser_trochanter_left": (380, 320),
}  # fmt: skip


def pelvis_table(folder: Path, spacing: str = "0.5") -> Path:
    """Annotations of one DICOM film; its millimetres stand in the table, or nowhere."""
    film(folder / "film.dcm", np.zeros((400, 450), np.uint16))
    cells = [f"{v}" for xy in PELVIS.values() for v in xy]
    columns = ["image_name", "image_width", "image_height", "n_landmarks", "spacing_x_mm", "spacing_y_mm"]
    header = [*columns, *(f"{name}_{axis}" for name in PELVIS for axis in "xy")]
    row = ["film.dcm", "450", "400", "4", spacing, spacing, *cells]
    (folder / "points.csv").write_text(",".join(header) + "\n" + ",".join(row) + "\n", encoding="utf-8")
    return folder / "points.csv"


def test_a_table_of_points_is_measured_with_units_uncertainty_and_source(tmp_path: Path) -> None:
    points = pelvis_table(tmp_path)
    works("measure", points, "--out", tmp_path / "m.csv", "--sd-px", 2, "--display", "standard")
    rows = {row["key"]: row for row in table(tmp_path / "m.csv")}
    length = rows["leg_length_discrepancy"]
    assert (float(length["value"]), length["unit"], length["mm_from"]) == (pytest.approx(6), "mm", "table")
    # Two trochanters of sd 1 mm each; the teardrops, 120 mm apart, tilt the line of 160 mm between them.
    assert float(length["sd"]) == pytest.approx(math.sqrt(2 + 2 * (160 / 120) ** 2), rel=0.01)
    for words, unknown in (((), False), (("--display", "unknown"), True)):  # the film's own header says how it lies
        works("measure", points, "--out", tmp_path / "m.json", "--overwrite", *words)
        (image,) = json.loads((tmp_path / "m.json").read_text(encoding="utf-8"))["images"]
        assert any("orientation unknown" in flag for m in image["measurements"] for flag in m["flags"]) is unknown


def test_two_points_of_known_distance_calibrate_a_film_without_millimetres(tmp_path: Path) -> None:
    points = pelvis_table(tmp_path, spacing="")
    known = "teardrop_right,teardrop_left,120"
    works("measure", points, "--out", tmp_path / "px.csv")
    works("measure", points, "--out", tmp_path / "mm.csv", "--known-mm", known)
    for file, value, unit, source in (("px.csv", 12, "px", ""), ("mm.csv", 6, "mm", "known-distance")):
        row = next(r for r in table(tmp_path / file) if r["key"] == "leg_length_discrepancy")
        assert (float(row["value"]), row["unit"], row["mm_from"]) == (pytest.approx(value), unit, source)
    assert "NAME,NAME,MM" in refused("measure", points, "--out", tmp_path / "x.csv", "--known-mm", "a,b")


def test_a_landmark_below_the_asked_confidence_is_absent_in_the_predicted_table(walk: Walk, tmp_path: Path) -> None:
    works("predict", walk.run, walk.unseen / "images", "--out", tmp_path / "points.csv", "--absent-below", 1.01)
    rows = table(tmp_path / "points.csv")
    for name in landmark_names(rows):
        assert {(row[f"{name}_x"], row[f"{name}_y"], row[f"{name}_state"]) for row in rows} == {("", "", "absent")}


def test_the_page_can_be_opened_and_says_the_headline(walk: Walk) -> None:
    page = Words((walk.report / "index.html").read_text(encoding="utf-8")).text
    metrics = json.loads((walk.report / "metrics.json").read_text(encoding="utf-8"))
    assert f"{metrics['mean_radial_error_mm']:.2f}" in page
    assert "Training" in page  # the curves


def test_errors_can_be_counted_in_pixels_of_the_models_grid(walk: Walk, tmp_path: Path) -> None:
    works("evaluate", walk.run, *walk.annotated(walk.unseen), "--out", tmp_path / "r", "--grid", "model")
    native, model = (
        json.loads((folder / "metrics.json").read_text(encoding="utf-8")) for folder in (walk.report, tmp_path / "r")
    )
    assert model["grid"] == "model 64x64"
    # The longer side of every phantom is 96 pixels and becomes 64.
    assert model["mean_radial_error_px"] == pytest.approx(native["mean_radial_error_px"] * 64 / 96)


# ---- a score that flatters ----------------------------------------------------------------------------------------------


def test_a_score_on_training_images_carries_its_warning_everywhere(flattered: tuple[Said, Path]) -> None:
    said, report = flattered
    (warning,) = json.loads((report / "metrics.json").read_text(encoding="utf-8"))["warnings"]
    assert "8 of these 8 images were used in training" in warning
    assert "flatters" in warning
    assert warning in said.err
    assert warning in Words((report / "index.html").read_text(encoding="utf-8")).text


def test_a_score_on_unseen_images_carries_no_warning(walk: Walk) -> None:
    assert json.loads((walk.report / "metrics.json").read_text(encoding="utf-8"))["warnings"] == []
    assert "flatters" not in (walk.report / "index.html").read_text(encoding="utf-8")
    assert "flatters" not in walk.evaluated.err


def test_a_training_image_under_a_new_name_is_still_known(walk: Walk, tmp_path: Path) -> None:
    shutil.copytree(walk.unseen / "images", tmp_path / "images")
    known = table(walk.data / "annotations.csv")[2]
    shutil.copy(walk.data / "images" / known["image_name"], tmp_path / "images" / "new-name.png")

    def add(rows: list[dict[str, str]]) -> None:
        rows.append(known | {"image_name": "new-name.png", "patient_id": "somebody"})

    annotations = rewritten(walk.unseen / "annotations.csv", tmp_path / "a.csv", add)
    said = works("evaluate", walk.run, annotations, "--images", tmp_path / "images", "--out", tmp_path / "report")
    assert "1 of these 5 images" in said.err
    assert "new-name.png" in said.err


# ---- parts ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def parted(walk: Walk, tmp_path: Path) -> Path:
    """The unseen images, one marked val, one train, two test."""

    def mark(rows: list[dict[str, str]]) -> None:
        for row, part in zip(rows, ("val", "test", "train", "test"), strict=True):
            row["split"] = part

    return rewritten(walk.unseen / "annotations.csv", tmp_path / "parted.csv", mark)


@pytest.mark.parametrize(
    ("flags", "rows"),
    [((), (1, 3)), (("--part", "test"), (1, 3)), (("--part", "val"), (0,)), (("--part", "train"), (2,))],
    ids=["by default the test rows", "test", "val", "train"],
)
def test_only_the_rows_of_one_part_are_scored(
    walk: Walk, parted: Path, tmp_path: Path, flags: tuple[str, ...], rows: tuple[int, ...]
) -> None:
    works("evaluate", walk.run, parted, "--images", walk.unseen / "images", "--out", tmp_path / "report", *flags)
    names = [row["image_name"] for row in table(parted)]
    scored = {row["image_name"] for row in table(tmp_path / "report" / "errors.csv")}
    assert scored == {names[i] for i in rows}


def test_a_part_without_rows_is_refused(walk: Walk, parted: Path, tmp_path: Path) -> None:
    with untouched(tmp_path):
        told = refused(
            "evaluate", walk.run, parted, "--images", walk.unseen / "images", "--out", tmp_path / "r", "--part", "tset"
        )
    assert "tset" in told
    assert "--part" in told


# ---- help -------------------------------------------------------------------------------------------------------------


def test_help_is_shown_without_loading_anything_heavy() -> None:
    program = f"""
import contextlib, io, sys
from radmark.cli import main
for words in ["--help"], ["--version"], *([name, "--help"] for name in {COMMANDS!r}):
    with contextlib.redirect_stdout(io.StringIO()) as told, contextlib.suppress(SystemExit):
        main(words)
    assert "radmark" in told.getvalue(), words
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert told.stdout.strip() == "[]"


def test_the_installed_program_lists_its_commands() -> None:
    told = subprocess.run([sys.executable, "-m", "radmark.cli", "--help"], capture_output=True, text=True, check=False)
    assert told.returncode == 0
    assert all(command in told.stdout for command in COMMANDS)
    assert "research use only" in told.stdout.lower()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    told = works(command, "--help").out
    assert told.startswith(f"usage: radmark {command}")
    assert (
        "--out" in told
        or re.search(r"\bOUT\b", told.splitlines()[0])
        or command in ("annotate", "check", "pacs", "serve", "registry")
    )


def test_the_version_is_told() -> None:
    assert works("--version").out == f"radmark {__version__}\n"


# ---- settings ---------------------------------------------------------------------------------------------------------

SETTINGS = [
    (section.name, setting)
    for section in dataclasses.fields(Config)
    for setting in dataclasses.fields(cast("type[Any]", section.type))
]


def changed(recipe: Config, section: str, name: str, value: Any) -> Config | None:
    """The recipe with another value; None where it does not go with the rest."""
    try:
        return dataclasses.replace(recipe, **{section: dataclasses.replace(getattr(recipe, section), **{name: value})})
    except InputError:
        return None


def other_value(kind: Any, value: Any, recipe: Config, section: str, name: str) -> Any:
    """A valid value that a setting does not have yet."""
    if get_origin(kind) is Literal:
        others = [choice for choice in get_args(kind) if choice != value]
        return next((choice for choice in others if changed(recipe, section, name, choice)), others[0])
    if kind is bool:
        return not value
    if kind is int:
        return value + 32
    if kind is float:
        return value / 2 + 0.1
    if get_origin(kind) is tuple:
        return tuple(v + 1 for v in value)
    return "another"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Config]:
    """The configs that `train` was called with; nothing is trained."""
    configs: list[Config] = []
    no_error = {"val_mean_radial_error_px": None, "val_mean_radial_error_mm": None}
    row = {"epoch": 0, "radius_px": 0, "train_loss": 0.0, **no_error}

    def train(dataset: object, config: Config, *args: object, **options: object) -> object:  # noqa: ARG001
        configs.append(config)
        return types.SimpleNamespace(epoch=0, facts={"history": [row]})

    monkeypatch.setattr("radmark.training.loop.train", train)
    return configs


@pytest.mark.parametrize(("section", "setting"), SETTINGS, ids=[f"{s}.{f.name}" for s, f in SETTINGS])
def test_every_setting_is_a_flag_that_changes_it_and_nothing_else(
    walk: Walk, asked: list[Config], tmp_path: Path, section: str, setting: "dataclasses.Field[Any]"
) -> None:
    recipe, also = read_recipe(str(walk.recipe)), []
    value = other_value(setting.type, getattr(getattr(recipe, section), setting.name), recipe, section, setting.name)
    if changed(recipe, section, setting.name, value) is None:  # it goes with another loss only
        also = ["--loss", "cross-entropy"]
        recipe = changed(recipe, "labels", "loss", "cross-entropy") or recipe
    flag = setting.name.replace("_", "-")
    if isinstance(value, bool):
        words = [f"--{flag}" if value else f"--no-{flag}"]
    else:
        words = [f"--{flag}", *(value if isinstance(value, tuple) else [value])]
    works("train", *walk.annotated(walk.data), "--out", tmp_path / "run", "--recipe", walk.recipe, *also, *words)
    assert asked == [changed(recipe, section, setting.name, value)]


@pytest.mark.parametrize("recipe", [None, *RECIPES])
def test_a_shipped_recipe_is_taken_by_its_name_and_cpu_without_one(
    walk: Walk, asked: list[Config], tmp_path: Path, recipe: str | None
) -> None:
    words = () if recipe is None else (f"--recipe={recipe}",)
    works("train", *walk.annotated(walk.data), "--out", tmp_path / "run", *words)
    assert asked == [read_recipe(recipe or "cpu")]


def test_what_a_recipe_does_not_name_keeps_the_tools_own_default_not_the_default_recipes(
    walk: Walk, asked: list[Config], tmp_path: Path
) -> None:
    recipe = tmp_path / "only-epochs.toml"
    recipe.write_text("[train]\nepochs = 7\n", encoding="utf-8")
    works("train", *walk.annotated(walk.data), "--out", tmp_path / "run", "--recipe", recipe)
    default = Config()
    assert asked == [dataclasses.replace(default, train=dataclasses.replace(default.train, epochs=7))]


def test_the_settings_in_a_runs_folder_are_a_recipe(walk: Walk, asked: list[Config], tmp_path: Path) -> None:
    words = ("--recipe", walk.run / "config.toml", "--epochs", 9)
    works("train", *walk.annotated(walk.data), "--out", tmp_path / "run", *words)
    (config,) = asked
    assert to_toml(config) == (walk.run / "config.toml").read_text(encoding="utf-8").replace("epochs = 2", "epochs = 9")


# ---- what cannot be used ----------------------------------------------------------------------------------------------


def test_a_missing_table_is_named(walk: Walk, tmp_path: Path) -> None:
    missing = tmp_path / "annotaitons.csv"
    with untouched(tmp_path):
        for words in (("train", missing), ("evaluate", walk.run, missing)):
            told = refused(*words, "--images", walk.data / "images", "--out", tmp_path / "out")
            assert str(missing) in told
            assert "Check the name" in told


def test_an_unknown_recipe_is_refused_with_the_names_there_are(walk: Walk, tmp_path: Path) -> None:
    with untouched(tmp_path):
        told = refused("train", *walk.annotated(walk.data), "--out", tmp_path / "run", "--recipe", "papre")
    assert "'papre'" in told
    assert all(name in told for name in RECIPES)


def test_a_wrong_key_in_a_recipe_is_named_with_its_file(walk: Walk, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text("[train]\nepocs = 7\n", encoding="utf-8")
    with untouched(tmp_path):
        told = refused("train", *walk.annotated(walk.data), "--out", tmp_path / "run", "--recipe", recipe)
    assert str(recipe) in told
    assert "column train.epocs" in told
    assert "epochs" in told


@pytest.mark.parametrize("size", [100, 0, 48])
def test_a_size_the_network_cannot_take_is_refused(walk: Walk, tmp_path: Path, size: int) -> None:
    with untouched(tmp_path):
        told = refused("train", *walk.annotated(walk.data), "--out", tmp_path / "run", "--size", size)
    assert f"got {size}" in told
    assert "multiple of 32" in told


def test_an_unknown_kind_of_phantom_is_refused_with_the_kinds_there_are(tmp_path: Path) -> None:
    with untouched(tmp_path):
        told = refused("phantom", tmp_path / "out", "--kind", "elbow")
    assert "'elbow'" in told
    assert "knee-radiograph" in told


def test_phantoms_are_not_poured_into_a_folder_that_holds_something(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear", encoding="utf-8")
    with untouched(tmp_path):
        told = refused("phantom", tmp_path, "--kind", "knee-radiograph", "--n", 1, "--size", 96)
    assert str(tmp_path) in told
    assert "--out" not in told  # it has no such flag


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_a_folder_with_results_is_kept_unless_told_otherwise(walk: Walk, command: str) -> None:
    words = ("train",) if command == "train" else ("evaluate", walk.run)
    out = walk.run if command == "train" else walk.report
    flags = ("--recipe", walk.recipe) if command == "train" else ()
    with untouched(walk.root):
        told = refused(*words, *walk.annotated(walk.data), "--out", out, *flags)
    assert str(out) in told
    assert "--overwrite" in told


def test_overwrite_replaces_a_report(walk: Walk, tmp_path: Path) -> None:
    out = tmp_path / "report"
    shutil.copytree(walk.report, out)
    (out / "metrics.json").write_text("{}", encoding="utf-8")
    works("evaluate", walk.run, *walk.annotated(walk.unseen), "--out", out, "--overwrite")
    assert files(out) == files(walk.report)


@pytest.mark.parametrize("command", ["demo", "train", "evaluate"])
def test_overwrite_never_costs_anybody_a_file_radmark_did_not_write(walk: Walk, tmp_path: Path, command: str) -> None:
    out = tmp_path / "home"
    shutil.copytree(walk.report if command == "evaluate" else walk.run, out)
    (out / "thesis.txt").write_text("five years", encoding="utf-8")
    words = {
        "demo": ("demo",),
        "train": ("train", *walk.annotated(walk.data), "--recipe", walk.recipe),
        "evaluate": ("evaluate", walk.run, *walk.annotated(walk.data)),
    }[command]
    with untouched(tmp_path):
        told = refused(*words, "--out", out, "--overwrite")
    assert str(out) in told
    assert "Move that away" in told


def test_overwrite_of_a_demo_spares_a_folder_that_only_has_the_name_of_one_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "films-of-ten-years.csv").write_text("mine", encoding="utf-8")
    monkeypatch.setattr("radmark.cli.demo.DEMO_IMAGES", {"train": 0})  # were it to go on, it would stop there
    with untouched(tmp_path):
        assert str(tmp_path) in refused("demo", "--out", tmp_path, "--overwrite")


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_a_run_without_a_model_is_refused(walk: Walk, tmp_path: Path, command: str) -> None:
    empty = tmp_path / "run"
    empty.mkdir()
    given = walk.annotated(walk.unseen) if command == "evaluate" else (walk.unseen / "images",)
    with untouched(tmp_path):
        told = refused(command, empty, *given, "--out", tmp_path / "out.csv")
    assert str(empty) in told
    assert "radmark train" in told


def test_a_folder_without_images_is_refused(walk: Walk, tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "readme.txt").write_text("soon", encoding="utf-8")
    with untouched(tmp_path):
        told = refused("predict", walk.run, tmp_path / "films", "--out", tmp_path / "points.csv")
    assert str(tmp_path / "films") in told
    assert ".png" in told


def test_no_images_at_all_are_refused(walk: Walk, tmp_path: Path) -> None:
    with untouched(tmp_path):
        assert "no image" in refused("predict", walk.run, "--out", tmp_path / "points.csv")


def test_a_format_nobody_writes_is_refused(walk: Walk, tmp_path: Path) -> None:
    with untouched(tmp_path):
        told = refused("predict", walk.run, walk.unseen / "images", "--out", tmp_path / "points.xlsx")
    assert "points.xlsx" in told
    assert ".csv, .json, .parquet, .dcm, .png" in told
    assert "coco, csv, json, parquet, dcm, gsps, png, sc, dcm-all" in told


def test_a_table_that_exists_is_kept_byte_for_byte_unless_told_otherwise(walk: Walk, tmp_path: Path) -> None:
    out = tmp_path / "points.csv"
    out.write_bytes(b"corrected by hand\r\n")
    with untouched(tmp_path):
        told = refused("predict", walk.run, walk.unseen / "images", "--out", out)
    assert str(out) in told
    assert "--overwrite" in told
    works("predict", walk.run, walk.unseen / "images", "--out", out, "--overwrite")
    assert len(table(out)) == 4


@pytest.fixture
def one_broken(walk: Walk, tmp_path: Path) -> tuple[Path, str]:
    """The unseen images, the second damaged; its name."""
    folder = tmp_path / "films"
    shutil.copytree(walk.unseen / "images", folder)
    broken = sorted(folder.iterdir())[1]
    whole = broken.read_bytes()
    middle = len(whole) // 2
    # Header and length stay right, so it shows only when the pixels are decoded.
    broken.write_bytes(whole[:middle] + bytes(64) + whole[middle + 64 :])
    return folder, broken.name


def test_a_broken_image_among_good_ones_stops_prediction_with_nothing_written(
    walk: Walk, one_broken: tuple[Path, str], tmp_path: Path
) -> None:
    folder, name = one_broken
    with untouched(tmp_path):
        told = refused("predict", walk.run, folder, "--out", tmp_path / "points.csv")
    assert str(folder / name) in told


def test_broken_images_are_left_out_and_named_if_asked_for(
    walk: Walk, one_broken: tuple[Path, str], tmp_path: Path
) -> None:
    folder, name = one_broken
    said = works("predict", walk.run, folder, "--out", tmp_path / "points.csv", "--skip-bad")
    assert str(folder / name) in said.err
    assert "3 films" in said.out
    assert [row["image_name"] for row in table(tmp_path / "points.csv")] == [
        path.name for path in sorted(folder.iterdir()) if path.name != name
    ]


def test_nothing_but_broken_images_is_an_error_even_if_they_may_be_left_out(
    walk: Walk, one_broken: tuple[Path, str], tmp_path: Path
) -> None:
    folder, name = one_broken
    said = radmark("predict", walk.run, folder / name, "--out", tmp_path / "points.csv", "--skip-bad")
    assert said.code == 2
    assert name in said.err
    assert not (tmp_path / "points.csv").exists()


def test_a_broken_image_stops_training_with_nothing_written(
    walk: Walk, one_broken: tuple[Path, str], tmp_path: Path
) -> None:
    folder, name = one_broken
    annotations = walk.unseen / "annotations.csv"
    with untouched(tmp_path):
        told = refused("train", annotations, "--images", folder, "--out", tmp_path / "run", "--recipe", walk.recipe)
    assert str(folder / name) in told


def test_a_training_that_cannot_begin_leaves_the_run_it_should_replace(
    walk: Walk, one_broken: tuple[Path, str], tmp_path: Path
) -> None:
    shutil.copytree(walk.run, tmp_path / "run")
    words = ("train", walk.unseen / "annotations.csv", "--images", one_broken[0], "--out", tmp_path / "run")
    with untouched(tmp_path):
        refused(*words, "--recipe", walk.recipe, "--overwrite")


@pytest.mark.parametrize("spacing", ["abc", "0,14", "0.1,0.2,0.3", "", "-0.14", "0", "nan", "inf"])
def test_a_spacing_that_is_no_spacing_is_refused(walk: Walk, tmp_path: Path, spacing: str) -> None:
    given = f"--spacing-mm={spacing}"
    with untouched(tmp_path):
        for words in (
            ("check", *walk.annotated(walk.data), given),
            ("train", *walk.annotated(walk.data), "--out", tmp_path / "run", given),
            ("predict", walk.run, walk.unseen / "images", "--out", tmp_path / "points.csv", given),
        ):
            told = refused(*words)
            assert "spacing" in told
            assert not spacing or spacing.split(",")[0] in told


def test_a_point_outside_its_image_is_named_with_row_and_column(walk: Walk, tmp_path: Path) -> None:
    column = next(name for name in table(walk.data / "annotations.csv")[0] if name.endswith("_x") and "mm" not in name)

    def move(rows: list[dict[str, str]]) -> None:
        rows[3][column] = "777.5"

    annotations = rewritten(walk.data / "annotations.csv", tmp_path / "a.csv", move)
    words = (annotations, "--images", walk.data / "images")
    with untouched(tmp_path):
        told = refused("train", *words, "--out", tmp_path / "run", "--recipe", walk.recipe)
        checked = radmark("check", *words)
    assert f"{annotations}, row 5" in told  # row 1 is the header
    assert column.removesuffix("_x") in told
    assert "777.5" in told
    assert checked.code == 1
    assert "row 5" in checked.out


def test_check_leaves_with_1_where_training_would_fail_and_says_why(walk: Walk, tmp_path: Path) -> None:
    shutil.copytree(walk.data / "images", tmp_path / "images")
    gone = sorted((tmp_path / "images").iterdir())[2]
    gone.unlink()
    with untouched(tmp_path):
        said = radmark("check", walk.data / "annotations.csv", "--images", tmp_path / "images")
    assert said.code == 1
    assert gone.name in said.out
    assert "row 4" in said.out


@pytest.mark.parametrize("name", ["films [final]", "films [/old]"])
def test_brackets_in_a_folders_name_are_only_brackets(tmp_path: Path, name: str) -> None:
    said = works("phantom", tmp_path / name, "--kind", "knee-radiograph", "--n", 1, "--size", 96)
    assert said.out.endswith(f"{tmp_path / name}\n")


def test_check_is_content_with_a_good_data_set(walk: Walk) -> None:
    assert walk.checked.code == 0
    assert "8" in walk.checked.out
    assert walk.checked.err == ""


def test_words_that_make_no_sense_end_with_2_and_a_hint() -> None:
    for words in ((), ("fly",), ("phantom", "out"), ("train",), ("predict", "run", "--absent-below", "much")):
        said = radmark(*words)
        assert said.code == 2, words
        assert "--help" in said.err + said.out
        assert "Traceback" not in said.err


# ---- Ctrl-C -----------------------------------------------------------------------------------------------------------


def test_ctrl_c_in_the_demos_training_ends_the_demo(
    walk: Walk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(*args: object, **options: object) -> object:  # noqa: ARG001
        raise KeyboardInterrupt

    monkeypatch.setattr("radmark.training.loop.train", train)
    monkeypatch.setattr("radmark.cli.demo.DEMO_IMAGES", {"train": 2, "test": 1})
    monkeypatch.setattr(cli, "read_recipe", lambda name: read_recipe(str(walk.recipe)))  # noqa: ARG005
    said = radmark("demo", "--out", tmp_path / "demo")
    assert said.code == 130
    assert "no model yet" in said.err
    assert not (tmp_path / "demo" / "report").exists()


@pytest.mark.slow
def test_ctrl_c_leaves_a_usable_run_that_can_be_resumed_to_its_end(walk: Walk, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = ("train", *walk.annotated(walk.data), "--out", run, "--recipe", walk.recipe, "--epochs", 30)
    process = subprocess.Popen(
        [sys.executable, "-m", "radmark.cli", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    try:
        latest = time.monotonic() + 120
        # An epoch writes its model, then the state to resume from, then the log.
        while not (run / "log.csv").exists():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < latest
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "--resume" in err
    assert str(run / "model.safetensors") in err
    epochs = len(table(run / "log.csv"))
    assert 1 <= epochs < 30
    works("predict", run, walk.unseen / "images", "--out", tmp_path / "points.csv")
    works(*words, "--resume")
    assert [int(row["epoch"]) for row in table(run / "log.csv")] == list(range(30))
    assert not (run / "training.safetensors").exists()


# ---- the demo ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Said, Path]:
    out = tmp_path_factory.mktemp("demo") / "radmark-demo"
    torch.set_num_threads(len(os.sched_getaffinity(0)))  # minutes long, unlike every other test's training
    said = works("demo", "--out", out)
    torch.set_num_threads(1)
    return said, out


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_demo_goes_from_nothing_to_a_detector_that_finds_its_landmarks(demo: tuple[Said, Path]) -> None:
    _, out = demo
    assert {path.name for path in out.iterdir()} == {"data", "run", "report"}
    assert (out / "run" / "model.safetensors").is_file()
    assert (out / "report" / "index.html").is_file()
    metrics = json.loads((out / "report" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["n_images"] == 20
    assert metrics["warnings"] == []
    assert metrics["mean_radial_error_px"] < 2.5


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_demo_says_how_far_training_has_come(demo: tuple[Said, Path]) -> None:
    said, out = demo
    before = float(said.out.split("before training the mean radial error on the test images was ")[1].split(" px")[0])
    after = json.loads((out / "report" / "metrics.json").read_text(encoding="utf-8"))["mean_radial_error_px"]
    assert before > 10 * after
    assert str(out / "report" / "index.html") in said.out
