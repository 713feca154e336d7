"""Images read, decoded and letterboxed by threads while the network works on the ones before; never more than a few in memory.
Where the network runs on a processor, each thread takes its image all the way.

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
from radmark.core.frame import Spacing
from radmark.core.prediction import Prediction
from radmark.core.radiograph import Radiograph
from radmark.io import read_image
from radmark.io.files import file_sha256


@dataclass(frozen=True)
class Job:
    """An image to predict.

    Args:
        name: as the results call it.
        path: its file.
        spacing: millimetres a pixel where somebody states them; they win over the file's.
    """

    name: str
    path: Path
    spacing: Spacing | None = None


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of an image: a prediction, or why there is none.

    Args:
        job: the image.
        prediction: None where the image cannot be used.
        problem: why, and None otherwise.
        sha256: of the file, where it was asked for and could be read.
        radiograph: where it was asked to be kept.
    """

    job: Job
    prediction: Prediction | None
    problem: InputError | None
    sha256: str | None = None
    radiograph: Radiograph | None = None

    def found(self) -> Prediction:
        """The prediction.

        Raises:
            InputError: there is none, for this reason.
        """
        if self.prediction is None:
            assert self.problem is not None  # an outcome has one of the two
            raise self.problem
        return self.prediction


@dataclass(frozen=True, eq=False)
class _Read:
    prepared: Any  # or where threads go all the way, the prediction
    problem: InputError | None
    sha256: str | None
    radiograph: Radiograph | None


def predict_each(
    jobs: Iterable[Job],
    detector: Detector,
    *,
    frame: int | None = None,
    workers: int | None = None,
    batch_size: int | None = None,
    hashed: bool = False,
    keep: bool = False,
) -> Generator[Outcome]:
    """The outcome of each image, in order.

    Args:
        jobs: read from as they are needed.
        detector: the model; `in_batches` says what it needs to see several images at once.
        frame: of DICOM files of several, which one, from 1.
        workers: threads that read, and with a `ParallelDetector` predict; one for each processor by default.
        batch_size: images in a pass of the network; what pays on its device by default.
        hashed: also compute each file's sha256.
        keep: hand out the radiographs too.

    At most `workers` + 2 `batch_size` images are under way, and what is kept of one that waits is its letterboxed
    picture (with `keep`: the whole).
    """
    model = in_batches(detector)
    workers = workers or available_cpus()
    at_once: int = batch_size or getattr(detector, "batch_size", 1)
    queue = iter(jobs)
    under_way: deque[tuple[Job, Future[_Read]]] = deque()
    with ExitStack() as stack:
        all_the_way = stack.enter_context(side_by_side(detector, at_once))

        def work(job: Job) -> _Read:
            read = _read(job, model, frame, hashed, keep)
            if not all_the_way or read.problem is not None:
                return read
            return replace(read, prepared=model.locate([read.prepared])[0])

        readers = ThreadPoolExecutor(workers, thread_name_prefix="radmark-read")
        stack.callback(readers.shutdown, cancel_futures=True)
        while True:
            for job in islice(queue, workers + 2 * at_once - len(under_way)):
                under_way.append((job, readers.submit(work, job)))
            if not under_way:
                return
            batch = [under_way.popleft() for _ in range(min(at_once, len(under_way)))]
            read = [(job, future.result()) for job, future in batch]
            good = [r.prepared for _, r in read if r.problem is None]
            found = iter(good if all_the_way or not good else model.locate(good))
            for job, r in read:
                yield Outcome(job, None if r.problem else next(found), r.problem, r.sha256, r.radiograph)


def _read(job: Job, model: BatchDetector, frame: int | None, hashed: bool, keep: bool) -> _Read:
    sha256: str | None = None
    try:
        radiograph = read_image(job.path, job.spacing, frame=frame)
        if hashed:
            sha256 = file_sha256(job.path)
        return _Read(model.prepare(job.name, radiograph), None, sha256, radiograph if keep else None)
    except InputError as error:
        return _Read(None, error, _sha256_or_none(job.path) if hashed else None, None)
    except MemoryError:
        error = InputError("the image needs more memory than there is", file=job.path, remedy="Scale it down first")
        return _Read(None, error, None, None)


def _sha256_or_none(path: Path) -> str | None:
    """Of a bad image, so that it is known again; its file may be the very thing that cannot be read."""
    try:
        return file_sha256(path)
    except OSError:
        return None
