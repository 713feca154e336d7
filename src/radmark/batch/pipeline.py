"""Films read, decoded and letterboxed by threads while the network works on the ones before; never more than a few in memory.
Where the network runs on a processor, each thread takes its film all the way.

Threads are enough: the decoders, numpy, hashlib, torch and the engines all let go of the interpreter while they work.
"""

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from radmark.core.detector import BatchDetector, Detector, available_cpus, in_batches, side_by_side
from radmark.core.errors import InputError
from radmark.core.film import Film
from radmark.core.marks import Marks
from radmark.io import with_file
from radmark.io.files import file_sha256


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of a film: a model's marks, or why there are none.

    Args:
        film: as it was read, with its pixels where they were to be kept; as it was given where it cannot be used.
        marks: None where it cannot be used.
        problem: why, and None otherwise.
        sha256: of the file, where it was asked for and could be read.
    """

    film: Film
    marks: Marks | None
    problem: InputError | None
    sha256: str | None = None

    def found(self) -> Marks:
        """The marks.

        Raises:
            InputError: there are none, for this reason.
        """
        if self.marks is None:
            assert self.problem is not None  # an outcome has one of the two
            raise self.problem
        return self.marks


@dataclass(frozen=True, eq=False)
class _Read:
    film: Film
    prepared: Any  # or where threads go all the way, the marks
    problem: InputError | None
    sha256: str | None


def predict_each(
    films: Iterable[Film],
    detector: Detector,
    *,
    frame: int | None = None,
    workers: int | None = None,
    batch_size: int | None = None,
    hashed: bool = False,
    keep: bool = False,
) -> Generator[Outcome]:
    """The outcome of each film, in order.

    Args:
        films: each with its path, which nobody need have looked at yet; read from as they are needed.
        detector: the model; `in_batches` says what it needs to see several films at once.
        frame: of DICOM files of several, which one, from 1.
        workers: threads that read, and with a `ParallelDetector` predict; one for each processor by default.
        batch_size: films in a pass of the network; what pays on its device by default.
        hashed: also compute each file's sha256.
        keep: hand out the films with their pixels.

    At most `workers` + 2 `batch_size` films are under way, and what is kept of one that waits is its letterboxed
    picture (with `keep`: the whole).
    """
    model = in_batches(detector)
    workers = workers or available_cpus()
    at_once: int = batch_size or getattr(detector, "batch_size", 1)
    queue = iter(films)
    under_way: deque[Future[_Read]] = deque()
    with ExitStack() as stack:
        all_the_way = stack.enter_context(side_by_side(detector, at_once))

        def work(film: Film) -> _Read:
            read = _read(film, model, frame, hashed, keep)
            if not all_the_way or read.problem is not None:
                return read
            return replace(read, prepared=model.locate([read.prepared])[0])

        readers = ThreadPoolExecutor(workers, thread_name_prefix="radmark-read")
        stack.callback(readers.shutdown, cancel_futures=True)
        while True:
            for film in islice(queue, workers + 2 * at_once - len(under_way)):
                under_way.append(readers.submit(work, film))
            if not under_way:
                return
            read = [under_way.popleft().result() for _ in range(min(at_once, len(under_way)))]
            good = [r.prepared for r in read if r.problem is None]
            found = iter(good if all_the_way or not good else model.locate(good))
            for r in read:
                yield Outcome(r.film, None if r.problem else next(found), r.problem, r.sha256)


def _read(film: Film, model: BatchDetector, frame: int | None, hashed: bool, keep: bool) -> _Read:
    path, sha256 = _path(film), None
    try:
        read = (film if film.load is not None else with_file(film, path, frame=frame)).loaded()
        if hashed:
            sha256 = file_sha256(path)
        return _Read(read if keep else read.unloaded(), model.prepare(read), None, sha256)
    except InputError as error:
        return _Read(film, None, error, _sha256_or_none(path) if hashed else None)
    except MemoryError:
        error = InputError("the image needs more memory than there is", file=path, remedy="Scale it down first")
        return _Read(film, None, error, None)


def _path(film: Film) -> Path:
    if film.path is None:
        raise InputError("the film has no file", value=film.name, remedy="Give the folder of the films (--films)")
    return film.path


def _sha256_or_none(path: Path) -> str | None:
    """Of a bad file, so that it is known again; it may be the very thing that cannot be read."""
    try:
        return file_sha256(path)
    except OSError:
        return None
