"""A batch job from its list of images to its result, on this machine or on a Ray cluster; killed, the same command goes on."""

import logging
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from radmark import __version__
from radmark.batch.journal import Journal, Row
from radmark.batch.pipeline import Job, Outcome, predict_each
from radmark.batch.results import WRITERS, Facts, need_pyarrow
from radmark.core.detector import Detector, available_cpus
from radmark.core.errors import InputError
from radmark.io.atomic import claim_file
from radmark.io.points_json import image_tree

Load = Callable[[], Detector]
Watch = Callable[[int, int, int], None]

CHUNK = 16
"""Images in a task of Ray: what is done again when a worker dies."""

STRIKES = 3
"""Workers an image may cost before it is listed as bad."""


@dataclass(frozen=True)
class Engine:
    """Who does the work.

    Args:
        kind: this process with its threads, or a Ray cluster.
        workers: threads here, processes there; one for each processor of this machine by default.
        address: of a Ray cluster; None: one that is started on this machine.
    """

    kind: Literal["local", "ray"] = "local"
    workers: int | None = None
    address: str | None = None


@dataclass(frozen=True)
class Summary:
    """How a job ended.

    Args:
        images: in the result.
        bad: of them, how many could not be used.
        resumed: how many had been done before this process began.
    """

    images: int
    bad: int
    resumed: int


def run_batch(
    jobs: Sequence[Job],
    load: Load,
    out: Path,
    *,
    model: str,
    suffix: str,
    settings: Mapping[str, Any],
    frame: int | None = None,
    engine: Engine | None = None,
    overwrite: bool = False,
    watch: Watch | None = None,
) -> Summary:
    """Predict every image once and write the result, whole or not at all.

    Args:
        jobs: the images, of different names.
        load: gives the model; on Ray it is called in every worker, so it has to be picklable.
        out: the result. Beside it stands `<out>.journal` until it is written.
        model: sha256 of the model's file.
        suffix: "parquet", "csv" or "json".
        settings: whatever else changes the numbers; JSON.
        frame: of DICOM files of several, which one, from 1.
        engine: local by default.
        overwrite: replace `out`, and begin anew where a journal of another job stands.
        watch: called with (done, images, bad) now and then.

    Raises:
        InputError: `out` exists, another job's journal is in the way, or the engine is not there. Never for an image.
    """
    engine = engine or Engine()
    claim_file(out, overwrite=overwrite)
    if suffix == "parquet":
        need_pyarrow()  # now, not after a night's work
    detector = load()
    told = {
        "radmark": __version__,
        "model": model,
        "landmarks": list(detector.scheme.names),
        "frame": frame,
        **settings,
    }
    bad = 0
    with Journal(out.with_name(f"{out.name}.journal"), told, anew=overwrite) as journal:
        left = [job for job in jobs if not journal.done(job.name, _stamp(job.path))]
        done = resumed = len(jobs) - len(left)
        ray = engine.kind == "ray"
        for row in _on_ray(left, load, engine, frame) if ray else _rows(left, detector, frame, engine.workers):
            journal.append(row)
            done += 1
            bad += row["problem"] is not None
            if watch is not None:
                watch(done, len(jobs), bad)
        bad = 0

        def counted() -> Generator[Row]:
            nonlocal bad
            for row in journal.rows([job.name for job in jobs]):
                bad += row["problem"] is not None
                yield row

        WRITERS[suffix](out, counted(), Facts(detector.scheme, model))
        journal.remove()
    return Summary(len(jobs), bad, resumed)


def _stamp(path: Path) -> list[int] | None:
    """Size and time of a file: with other ones it is another image."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return [stat.st_size, stat.st_mtime_ns]


def _rows(jobs: Iterable[Job], detector: Detector, frame: int | None, workers: int | None) -> Generator[Row]:
    for outcome in predict_each(jobs, detector, frame=frame, workers=workers, hashed=True):
        yield _row(outcome)


def _row(outcome: Outcome) -> Row:
    told = {"problem": None, "sha256": outcome.sha256, "stamp": _stamp(outcome.job.path)}
    try:
        return image_tree(outcome.found()) | told
    except InputError as error:
        return {"image_name": outcome.job.name, **told, "problem": f"{error.problem}. {error.remedy}."}


# -------------------------------------------------------------------------------------------------------------- Ray


class _Worker:
    """A process of the cluster, with the model in it."""

    def __init__(self, load: Load) -> None:
        self._detector = load()

    def ready(self) -> list[Row]:
        """Nothing yet, but there."""
        return []

    def rows(self, jobs: Sequence[Job], frame: int | None) -> list[Row]:
        """The rows of a chunk."""
        return list(_rows(jobs, self._detector, frame, workers=1))


def _on_ray(jobs: Sequence[Job], load: Load, engine: Engine, frame: int | None) -> Generator[Row]:
    """The rows of all images as workers finish them; all machines have to see the files.

    A worker has one chunk at a time, so that where it dies its chunk is known. Nothing of that chunk has come back, so its
    images are done again, each alone, by new workers; one that costs `STRIKES` workers is listed as bad.
    """
    try:
        import ray
        from ray.exceptions import RayError, RayTaskError
    except ModuleNotFoundError as error:
        raise InputError(
            "Ray is not installed", value="--engine ray", remedy='Install it with: pip install "radmark[ray]"'
        ) from error
    if not jobs:
        return
    workers = engine.workers or available_cpus()
    here: dict[str, Any] = {} if engine.address else {"num_cpus": workers}
    try:
        ray.init(
            address=engine.address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR, **here
        )
    except (ConnectionError, ValueError) as error:
        raise InputError(
            f"there is no Ray cluster to be reached ({error})",
            value=engine.address,
            remedy="Give the --address that `ray start` printed, or leave it away to use this machine",
        ) from error
    try:
        remote: Any = ray.remote(num_cpus=1)(_Worker)
        chunks = deque(list(jobs[i : i + CHUNK]) for i in range(0, len(jobs), CHUNK))
        strikes: dict[str, int] = {}
        running: dict[Any, tuple[Any, Sequence[Job]]] = {}

        def hire() -> None:
            worker = remote.remote(load)
            running[worker.ready.remote()] = worker, ()

        for _ in range(min(workers, len(chunks))):
            hire()
        while running:
            (task,), _ = ray.wait(list(running), num_returns=1)
            worker, chunk = running.pop(task)
            try:
                rows: list[Row] = ray.get(task)
            except RayTaskError:
                raise  # our own error, which another try would meet again
            except RayError as error:
                if not chunk:
                    raise InputError(
                        f"a worker could not start ({type(error).__name__})",
                        value="--engine ray",
                        remedy="See that the cluster's machines have memory, radmark and the run's folder",
                    ) from error
                for job in chunk:
                    strikes[job.name] = strikes.get(job.name, 0) + (len(chunk) == 1)
                    if strikes[job.name] < STRIKES:
                        chunks.appendleft([job])
                    else:
                        lost = InputError(
                            f"{STRIKES} workers died on this image", remedy="Open it with another program"
                        )
                        yield _row(Outcome(job, None, lost))
                if chunks:
                    hire()
                continue
            yield from rows
            if chunks:
                chunk = chunks.popleft()
                running[worker.rows.remote(chunk, frame)] = worker, chunk
    finally:
        ray.shutdown()
