"""A batch job from its list of films to its result, on this machine or on a Ray cluster; killed, the same command resumes it."""

import logging
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from radmark import __version__
from radmark.batch.journal import Journal, Row
from radmark.batch.pipeline import Outcome, predict_each
from radmark.core.detector import Detector, available_cpus
from radmark.core.errors import InputError
from radmark.core.film import Film
from radmark.io.atomic import claim_file
from radmark.measure import examine
from radmark.outputs import Options, outputs
from radmark.outputs.output import Line, Output, Rows

Load = Callable[[], Detector]
Watch = Callable[[int, int, int], None]

CHUNK = 16
"""Films in a task of Ray: what is done again when a worker dies."""

STRIKES = 3
"""Workers a film may cost before it is listed as bad."""


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
        films: in the result.
        bad: of them, how many could not be used.
        resumed: how many had been done before this process began.
    """

    films: int
    bad: int
    resumed: int


@dataclass(frozen=True)
class _Work:
    """What is done with each film; goes to other processes.

    Args:
        format: name of the output, whose rows are kept in the journal.
        options: of the output.
        frame: of DICOM files of several, which one, from 1.
    """

    format: str
    options: Options
    frame: int | None


def batch_formats() -> list[str]:
    """Names of the outputs that a batch writes."""
    return [name for name, output in outputs().items() if output.rows is not None]


def run_batch(
    films: Sequence[Film],
    load: Load,
    out: Path,
    *,
    model: str,
    format: str,  # noqa: A002 - the option's word
    settings: Mapping[str, Any],
    options: Options | None = None,
    frame: int | None = None,
    engine: Engine | None = None,
    overwrite: bool = False,
    watch: Watch | None = None,
) -> Summary:
    """Predict and examine every film once and write the result, whole or not at all.

    Args:
        films: of different names, each with its path.
        load: gives the model; on Ray it is called in every worker, so it has to be picklable.
        out: the result. Beside it stands `<out>.journal` until it is written.
        model: sha256 of the model's file.
        format: one of `batch_formats()`.
        settings: whatever else changes the numbers; JSON.
        options: of the output.
        frame: of DICOM files of several, which one, from 1.
        engine: local by default.
        overwrite: replace `out`, and begin anew where a journal of another job stands.
        watch: called with (done, films, bad) now and then.

    Raises:
        InputError: `out` exists, another job's journal is in the way, or the engine is not there. Never for a film.
    """
    engine = engine or Engine()
    work = _Work(format, replace(options or Options(), batch=True), frame)
    output = outputs()[format]
    rows = _rows_of(output)
    for file in (out, *(out.with_suffix(end) for end in output.beside(work.options))):
        claim_file(file, overwrite=overwrite)
    output.ready(work.options)  # now, not after a night's work
    detector = load()
    told = {
        "radmark": __version__,
        "model": model,
        "landmarks": list(detector.scheme.names),
        "frame": frame,
        "format": format,
        "measure": work.options.measure,
        **settings,
    }
    bad = 0
    with Journal(out.with_name(f"{out.name}.journal"), told, anew=overwrite) as journal:
        left = [film for film in films if not journal.done(film.name, _stamp(film.path))]
        done = resumed = len(films) - len(left)
        ray = engine.kind == "ray"
        for row in _on_ray(left, load, engine, work) if ray else _rows(left, detector, work, engine.workers):
            journal.append(row)
            done += 1
            bad += row["problem"] is not None
            if watch is not None:
                watch(done, len(films), bad)
        names = [film.name for film in films]
        bad = sum(row["problem"] is not None for row in journal.rows(names))
        rows.write(out, lambda: map(_line, journal.rows(names)), detector.scheme, work.options)
        journal.remove()
    return Summary(len(films), bad, resumed)


def _rows_of(output: Output) -> Rows:
    if output.rows is None:
        raise InputError(
            "a batch does not write this format",
            value=output.name,
            remedy=f"Use one of {', '.join(batch_formats())}, or omit --engine",
        )
    return output.rows


def _stamp(path: Path | None) -> list[int] | None:
    """Size and time of a file: with other ones it is another film."""
    try:
        stat = None if path is None else path.stat()
    except OSError:
        return None
    return None if stat is None else [stat.st_size, stat.st_mtime_ns]


def _rows(films: Iterable[Film], detector: Detector, work: _Work, workers: int | None) -> Generator[Row]:
    for outcome in predict_each(films, detector, frame=work.frame, workers=workers, hashed=True):
        yield _row(outcome, work)


def _row(outcome: Outcome, work: _Work) -> Row:
    """What the journal keeps of a film: what its report says, as the result will say it."""
    told = {"image_name": outcome.film.name, "sha256": outcome.sha256, "stamp": _stamp(outcome.film.path)}
    try:
        report = examine(outcome.film, outcome.found())
        return {**told, "problem": None, "row": _rows_of(outputs()[work.format]).of(report, work.options)}
    except InputError as error:
        return {**told, "problem": f"{error.problem}. {error.remedy}.", "row": None}


def _line(row: Row) -> Line:
    return Line(row["image_name"], row["row"], row["problem"], row["sha256"])


# -------------------------------------------------------------------------------------------------------------- Ray


class _Worker:
    """A process of the cluster, with the model in it."""

    def __init__(self, load: Load) -> None:
        self._detector = load()

    def ready(self) -> list[Row]:
        """Nothing yet, but there."""
        return []

    def rows(self, films: Sequence[Film], work: _Work) -> list[Row]:
        """The rows of a chunk."""
        return list(_rows(films, self._detector, work, workers=1))


def _on_ray(films: Sequence[Film], load: Load, engine: Engine, work: _Work) -> Generator[Row]:
    """The rows of all films as workers finish them; all machines have to see the files.

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
    if not films:
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
            remedy="Give the --address that `ray start` printed, or omit it to use this machine",
        ) from error
    try:
        remote: Any = ray.remote(num_cpus=1)(_Worker)
        chunks = deque(list(films[i : i + CHUNK]) for i in range(0, len(films), CHUNK))
        strikes: dict[str, int] = {}
        running: dict[Any, tuple[Any, Sequence[Film]]] = {}

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
                for film in chunk:
                    strikes[film.name] = strikes.get(film.name, 0) + (len(chunk) == 1)
                    if strikes[film.name] < STRIKES:
                        chunks.appendleft([film])
                    else:
                        lost = InputError(
                            f"{STRIKES} workers died on this image", remedy="Open it with another program"
                        )
                        yield _row(Outcome(film, None, lost), work)
                if chunks:
                    hire()
                continue
            yield from rows
            if chunks:
                chunk = chunks.popleft()
                running[worker.rows.remote(chunk, work)] = worker, chunk
    finally:
        ray.shutdown()
