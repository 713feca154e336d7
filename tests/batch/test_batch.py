"""Batches: nothing lost and nothing twice, whatever is killed; the same points as one image at a time."""

import csv
import functools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pydicom
import pytest
import torch
from PIL import Image

from dicom_files import film
from lantern import picture
from radmark import RESEARCH_USE, cli
from radmark.batch.journal import Journal
from radmark.batch.pipeline import predict_each
from radmark.batch.run import Engine, run_batch
from radmark.checkpoint import MODEL_FILE, Checkpoint, save
from radmark.config import Config, DataConfig, LabelConfig, ModelConfig
from radmark.core import Film, InputError, Marks, Scheme, Spacing, SpacingSource
from radmark.infer import Predictor
from radmark.io import read_dataset, read_film
from radmark.model import build
from workers import __file__ as workers_file
from workers import films_of, load_and_tell

NAMES = ("tip", "heel", "toe")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network as it starts, whose points are anywhere, but always the same for an image."""
    config = Config(
        data=DataConfig(size=64),
        model=ModelConfig("mobilenet_v2", "none", (16, 8, 8, 8, 8)),
        labels=LabelConfig("softmax"),
    )
    scheme = Scheme.from_names(NAMES, "foot")
    torch.manual_seed(3)
    net = build(config.model, len(scheme))
    folder = tmp_path_factory.mktemp("run")
    save(folder / MODEL_FILE, Checkpoint(config, scheme, net.state_dict(), epoch=0, radius_px=3, facts={}))
    return folder


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nineteen good images of several kinds and sizes, and three bad ones."""
    folder = tmp_path_factory.mktemp("films")
    rng = np.random.default_rng(1)
    for i in range(18):
        pixels = rng.integers(0, 255, (int(rng.integers(40, 120)), int(rng.integers(40, 120))), dtype=np.uint8)
        suffix = ("png", "jpg", "tif")[i % 3]
        (folder / f"ward{i % 2}").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(folder / f"ward{i % 2}" / f"{i:02}.{suffix}")
    film(folder / "study.dcm", PixelSpacing=[0.2, 0.21])
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.jpg").write_text("not an image", encoding="utf-8")
    (folder / "cut.png").write_bytes((folder / "ward0" / "00.png").read_bytes()[:-40])
    return folder


BAD = {"empty.png", "text.jpg", "cut.png"}


def listed(films: Path) -> list[Film]:
    return [Film(p.relative_to(films).as_posix(), path=p) for p in sorted(films.rglob("*")) if p.is_file()]


@functools.cache
def alone(run: Path, films: Path) -> dict[str, Marks]:
    """Each good image read and predicted by itself."""
    predictor = Predictor.load(run)
    return {f.name: predictor(read_film(f.path or "", name=f.name)) for f in listed(films) if f.name not in BAD}


def points(row: dict[str, Any]) -> list[list[float]]:
    return [[row[f"{name}_x"], row[f"{name}_y"]] for name in NAMES]


def check_parquet(path: Path, run: Path, films: Path) -> None:
    """Every image is there once, the good ones with the points they have alone, the bad ones with a reason."""
    rows = pq.read_table(path).to_pylist()
    assert [row["image_name"] for row in rows] == [film.name for film in listed(films)]
    expected = alone(run, films)
    for row in rows:
        if row["image_name"] in BAD:
            assert row["problem"]
            assert row["tip_x"] is None
        else:
            assert row["problem"] is None
            found = expected[row["image_name"]]
            assert found.confidence is not None
            assert points(row) == pytest.approx(found.points, abs=1.5e-4)  # they are kept to four decimals
            assert row["heel_confidence"] == pytest.approx(found.confidence[1], abs=1e-4)


# ---- the pipeline -----------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def workers_of_ray_find_what_tests_import(monkeypatch: pytest.MonkeyPatch) -> None:
    there = [str(Path(workers_file).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(there))


@pytest.mark.parametrize(("workers", "batch_size"), [(1, 1), (2, 1), (3, 4), (2, 16)])
def test_reading_ahead_and_several_at_once_move_no_point_by_a_ten_thousandth(
    run: Path, films: Path, workers: int, batch_size: int
) -> None:
    expected = alone(run, films)
    outcomes = list(predict_each(listed(films), Predictor.load(run), workers=workers, batch_size=batch_size))
    assert [o.film.name for o in outcomes] == [film.name for film in listed(films)]
    assert {o.film.name for o in outcomes if o.problem} == BAD
    for outcome in outcomes:
        if outcome.film.name not in BAD:
            found = outcome.found()
            assert found.film == outcome.film.name
            np.testing.assert_allclose(found.points, expected[found.film].points, rtol=0, atol=1e-4)


class Slow:
    """A detector that waits for a sign, and a model that is asked one image at a time."""

    scheme = Scheme.from_names(NAMES, "foot")

    def __init__(self) -> None:
        self.go = threading.Event()

    def __call__(self, film: Film) -> Marks:
        raise NotImplementedError

    def prepare(self, film: Film) -> str:
        return film.name

    def locate(self, prepared: Sequence[str]) -> list[Marks]:
        self.go.wait(20)
        return [None] * len(prepared)  # type: ignore[list-item]


def test_no_more_images_are_read_ahead_than_stated_however_slow_the_network(films: Path) -> None:
    picture = next(films.rglob("*.png"))
    asked = 0

    def endless() -> Any:
        nonlocal asked
        while True:
            asked += 1
            yield Film(str(asked), path=picture)

    slow = Slow()
    threading.Timer(1.0, slow.go.set).start()
    each = predict_each(endless(), slow, workers=2, batch_size=3)
    next(each)
    each.close()
    assert asked == 2 + 2 * 3


class Together:
    """A detector that answers only when it is asked by two threads at once, the first image last."""

    scheme = Scheme.from_names(NAMES, "foot")

    def __init__(self) -> None:
        self.met = threading.Barrier(2, timeout=20)
        self.second_is_done = threading.Event()
        self.open = False

    def __call__(self, film: Film) -> Marks:
        assert self.open
        name = film.name
        if self.met.wait() is not None and name == "0":
            assert self.second_is_done.wait(20)
        if name == "1":
            self.second_is_done.set()
        points = np.full((len(NAMES), 2), float(name))
        return Marks.present(self.scheme, film.frame, points, film=name, confidence=np.ones(len(NAMES)))

    @contextmanager
    def side_by_side(self) -> Generator[None]:
        self.open = True
        yield
        self.open = False


def test_a_model_that_may_be_is_asked_by_several_threads_at_once_and_the_order_stays(films: Path) -> None:
    picture = films / "ward0" / "00.png"
    together = Together()
    outcomes = list(predict_each([Film(str(i), path=picture) for i in range(4)], together, workers=2))
    assert [outcome.found().points[0, 0] for outcome in outcomes] == [0, 1, 2, 3]
    assert not together.open


def test_torch_has_its_threads_back_after_images_side_by_side(run: Path, films: Path) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        each = predict_each(listed(films), Predictor.load(run), workers=2)
        next(each)
        assert torch.get_num_threads() == 1
        each.close()
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_a_model_without_a_batchs_parts_works_one_image_at_a_time(run: Path, films: Path) -> None:
    predictor = Predictor.load(run)

    class Plain:
        scheme = predictor.scheme

        def __call__(self, film: Film) -> Marks:
            return predictor(film)

    expected = alone(run, films)
    for outcome in predict_each(listed(films), Plain(), batch_size=4):
        if outcome.problem is None:
            assert (outcome.found().points == expected[outcome.film.name].points).all()


def test_an_image_as_narrow_as_a_thread_is_bad_and_not_the_end(run: Path, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((1, 60_000), np.uint8)).save(tmp_path / "thread.png")  # its square would take 14 GB
    (outcome,) = predict_each([Film("thread", path=tmp_path / "thread.png")], Predictor.load(run))
    assert "side of more than" in str(outcome.problem)


def test_plain_prediction_reads_ahead_too_and_its_table_is_the_same_to_the_last_digit(
    run: Path, films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "points.csv"
    assert cli.main(["predict", str(run), str(films), "--out", str(out)]) == 2  # a bad image: all or nothing
    assert list(tmp_path.iterdir()) == []
    assert cli.main(["predict", str(run), str(films), "--out", str(out), "--skip-bad"]) == 0
    told = capsys.readouterr().err
    assert all(name in told for name in BAD)
    expected = alone(run, films)
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["image_name"] for row in rows] == list(expected)
    for row in rows:
        for name, (x, y) in zip(NAMES, expected[row["image_name"]].points, strict=True):
            assert (row[f"{name}_x"], row[f"{name}_y"]) == (f"{x:.4f}", f"{y:.4f}")
    assert cli.main(["predict", str(run), str(films / "study.dcm"), "--out", str(tmp_path / "study.sr.dcm")]) == 0
    report = pydicom.dcmread(tmp_path / "study.sr.dcm")
    assert report.Modality == "SR"


# ---- the result -------------------------------------------------------------------------------------------------------


def test_a_folder_becomes_a_parquet_file_with_a_row_an_image(run: Path, films: Path, tmp_path: Path) -> None:
    out = tmp_path / "results.parquet"
    assert cli.main(["predict", str(run), str(films), "--out", str(out)]) == 0
    check_parquet(out, run, films)
    table = pq.read_table(out)
    rows = {row["image_name"]: row for row in table.to_pylist()}
    sums = subprocess.run(
        ["sha256sum", str(films / "study.dcm"), str(films / "text.jpg"), str(run / MODEL_FILE)],
        capture_output=True, text=True, check=True,
    ).stdout.split()[::2]  # fmt: skip
    study = rows["study.dcm"]
    assert [study["sha256"], rows["text.jpg"]["sha256"], study["model_sha256"]] == sums
    assert (study["image_width"], study["image_height"], study["n_landmarks"]) == (5, 7, 3)
    assert (study["spacing_x_mm"], study["spacing_y_mm"]) == (0.21, 0.2)
    assert study["spacing_source"].startswith("dicom-")
    assert study["tip_state"] == "present"
    assert table.schema.metadata[b"notice"].decode() == RESEARCH_USE
    assert sorted(p.name for p in tmp_path.iterdir()) == ["results.parquet"]  # no journal is left


def test_a_batchs_csv_is_read_back_as_annotations_and_its_bad_images_stand_beside_it(
    run: Path, films: Path, tmp_path: Path
) -> None:
    out = tmp_path / "points.csv"
    assert cli.main(["predict", str(run), str(films), "--out", str(out), "--engine", "local"]) == 0
    again = read_dataset(out, films)
    expected = alone(run, films)
    assert [case.film.name for case in again.rows] == list(expected)
    for case in again.rows:
        np.testing.assert_allclose(case.marks.points, expected[case.film.name].points, rtol=0, atol=1e-4)
    with (tmp_path / "points.problems.csv").open(encoding="utf-8", newline="") as file:
        assert {row["image_name"] for row in csv.DictReader(file)} == BAD


def test_a_batchs_json_holds_every_image_once(run: Path, films: Path, tmp_path: Path) -> None:
    out = tmp_path / "points.json"
    assert cli.main(["predict", str(run), str(films), "--out", str(out), "--engine", "local"]) == 0
    tree = json.loads(out.read_text(encoding="utf-8"))
    assert [image["image_name"] for image in tree["images"]] == [film.name for film in listed(films)]
    assert {image["image_name"] for image in tree["images"] if image["problem"]} == BAD
    assert tree["notice"] == RESEARCH_USE


def test_without_pyarrow_a_parquet_file_is_refused_at_once(
    run: Path, films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert cli.main(["predict", str(run), str(films), "--out", str(tmp_path / "r.parquet")]) == 2
    assert "radmark[parquet]" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_name_that_is_no_text_is_in_the_result_all_the_same(run: Path, films: Path, tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    with open(os.fsencode(tmp_path / "films") + b"/caf\xe9.png", "wb") as file:  # noqa: PTH123 - no Path has such a name
        file.write((films / "ward0" / "00.png").read_bytes())
    for suffix in ("parquet", "json", "csv"):
        out = tmp_path / f"r.{suffix}"
        assert cli.main(["predict", str(run), str(tmp_path / "films"), "--out", str(out), "--engine", "local"]) == 0
    assert pq.read_table(tmp_path / "r.parquet")["image_name"].to_pylist() == ["caf\\xe9.png"]


# ---- going on ---------------------------------------------------------------------------------------------------------


def batch(run: Path, films: Path, out: Path, **options: Any) -> Any:
    load = options.pop("load", functools.partial(Predictor.load, run))
    return run_batch(listed(films), load, out, model="abc", format="parquet", settings={}, **options)


class _StopError(Exception):
    pass


def stop_after(n: int) -> Any:
    def watch(done: int, *_: int) -> None:
        if done == n:
            raise _StopError

    return watch


def test_a_job_that_was_stopped_does_the_rest_only(run: Path, films: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.parquet"
    with pytest.raises(_StopError):
        batch(run, films, out, watch=stop_after(11))
    seen: list[int] = []
    ended = batch(run, films, out, watch=lambda done, *_: seen.append(done))
    assert seen == list(range(12, 23))
    assert (ended.films, ended.bad, ended.resumed) == (22, 3, 11)
    check_parquet(out, run, films)


def test_what_a_kill_left_of_a_line_is_cut_away_and_its_image_done_again(
    run: Path, films: Path, tmp_path: Path
) -> None:
    out = tmp_path / "r.parquet"
    with pytest.raises(_StopError):
        batch(run, films, out, watch=stop_after(5))
    journal = tmp_path / "r.parquet.journal"
    journal.write_bytes(journal.read_bytes()[:-7])
    assert batch(run, films, out).resumed == 4
    check_parquet(out, run, films)


def test_an_image_that_was_replaced_meanwhile_is_done_again(run: Path, films: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "films", tmp_path / "r.parquet"
    folder.mkdir()
    for i in range(3):
        (folder / f"{i}.png").write_bytes((films / "ward0" / "00.png").read_bytes())
    with pytest.raises(_StopError):
        batch(run, folder, out, watch=stop_after(2))
    (folder / "0.png").write_bytes((films / "ward0" / "06.png").read_bytes())
    assert batch(run, folder, out).resumed == 1
    rows = pq.read_table(out).to_pylist()
    assert [row["image_name"] for row in rows] == ["0.png", "1.png", "2.png"]
    with Image.open(films / "ward0" / "06.png") as image:
        assert (rows[0]["image_width"], rows[0]["image_height"]) == image.size


def test_a_journal_of_another_job_is_not_mixed_in(run: Path, films: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.parquet"
    with pytest.raises(_StopError):
        batch(run, films, out, watch=stop_after(5))
    with pytest.raises(InputError, match="unfinished job of another model"):
        batch(run, films, out, frame=1)
    assert batch(run, films, out, frame=1, overwrite=True).resumed == 0


def test_two_processes_cannot_work_on_one_result(tmp_path: Path) -> None:
    with Journal(tmp_path / "j", {}), pytest.raises(InputError, match="another process"):
        Journal(tmp_path / "j", {})


def test_a_result_that_exists_is_not_replaced_unasked(run: Path, films: Path, tmp_path: Path) -> None:
    (tmp_path / "r.parquet").write_text("years of work", encoding="utf-8")
    with pytest.raises(InputError, match="exists already"):
        batch(run, films, tmp_path / "r.parquet")
    assert (tmp_path / "r.parquet").read_text(encoding="utf-8") == "years of work"


N = 120


@pytest.fixture
def lit(tmp_path: Path) -> Path:
    """Pictures with one lit pixel each, at (i, i modulo 48), but for every tenth, which is no picture."""
    folder = tmp_path / "lit"
    folder.mkdir()
    for i in range(N):
        (folder / f"{i:03}.png").write_bytes(b"no picture" if i % 10 == 9 else picture(i, i % 48, width=N))
    return folder


def check_lit(out: Path) -> None:
    """Every picture is there once, with its own pixel."""
    rows = pq.read_table(out).to_pylist()
    assert [row["image_name"] for row in rows] == [f"{i:03}.png" for i in range(N)]
    for i, row in enumerate(rows):
        if i % 10 == 9:
            assert "not a DICOM" in row["problem"]
        else:
            assert (row["teardrop_right_x"], row["teardrop_right_y"]) == (i, i % 48)
            assert row["problem"] is None


@pytest.mark.slow
def test_a_job_killed_without_warning_twice_ends_with_every_image_once(lit: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.parquet"
    words = [sys.executable, workers_file, str(lit), str(out)]
    journal, kept = tmp_path / "r.parquet.journal", 0
    for enough in (20, 60):
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        try:
            while not journal.is_file() or journal.read_bytes().count(b"\n") < enough:
                assert process.poll() is None
                time.sleep(0.01)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        assert not out.exists()
        assert kept < N
        kept = journal.read_bytes().count(b"\n") - 1  # the first line is the job's
        assert kept >= enough - 1
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert int(done.stdout) == kept
    check_lit(out)
    assert not journal.exists()


# ---- Ray --------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_worker_of_ray_that_is_killed_loses_nothing_and_doubles_nothing(lit: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    out, pids = tmp_path / "r.parquet", tmp_path / "pids"
    pids.mkdir()
    killed: list[int] = []

    def kill_one(done: int, *_: int) -> None:
        if done > 20 and not killed:
            killed.append(next(int(p.name) for p in pids.iterdir() if int(p.name) != os.getpid()))
            os.kill(killed[0], signal.SIGKILL)

    load = functools.partial(load_and_tell, pids)
    run_batch(
        films_of(lit), load, out, model="abc", format="parquet", settings={}, engine=Engine("ray", 2), watch=kill_one
    )
    assert killed
    assert len(list(pids.iterdir())) == 4  # ours, two workers, and the one that took the place of the killed
    check_lit(out)


def test_spacing_of_a_table_travels_into_the_result(run: Path, films: Path, tmp_path: Path) -> None:
    spacing = Spacing(0.1, 0.3, SpacingSource.TABLE)
    run_batch(
        [Film("a", path=films / "ward0" / "00.png", spacing=spacing)],
        functools.partial(Predictor.load, run),
        tmp_path / "r.parquet",
        model="abc",
        format="parquet",
        settings={},
    )
    (row,) = pq.read_table(tmp_path / "r.parquet").to_pylist()
    assert (row["spacing_x_mm"], row["spacing_y_mm"], row["spacing_source"]) == (0.1, 0.3, "table")
