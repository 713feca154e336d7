"""From the bytes of an image to a model's marks on it: threads that read, others that run the network, never more work than
allowed.

Where the network runs on a processor, each processor has such a thread; a graphics card has one, which takes several images at
once.

An image holds one of `max_queue` places from before its bytes are read until its answer is made, also where nobody waits for
it any more: so memory is bounded by places times bytes, plus threads times pixels, however many ask.
"""

import asyncio
import math
import os
import queue
import tempfile
import threading
import time
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from radmark.core.detector import Detector, available_cpus, in_batches, side_by_side
from radmark.core.errors import InputError
from radmark.core.film import Film
from radmark.core.marks import Marks
from radmark.http.errors import Refused
from radmark.io import with_file
from radmark.serve.metrics import Metrics


@dataclass(frozen=True)
class Limits:
    """What a request may cost.

    Args:
        max_bytes: of a request's body.
        max_pixels: of an image; its longer side squared may be up to four times that.
        max_queue: images that wait or are worked on; the next is answered 429.
        max_images: in a request for several.
        timeout_s: from a request's first byte to its answer.

    Raises:
        InputError: one is not positive.
    """

    max_bytes: int = 128 * 2**20
    max_pixels: int = 60_000_000
    max_queue: int = 16
    max_images: int = 32
    timeout_s: float = 60.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 < value < math.inf:
                raise InputError(
                    f"the limit {name} is not a positive number", value=value, remedy="Give a number above 0"
                )


UPLOAD = "upload"
"""Name of a film that was sent; its own would be the caller's business."""


@dataclass(frozen=True)
class Asked:
    """How an image is to be read.

    Args:
        film: what the caller states of it; goes before what its file says.
        frame: of a DICOM file of several, which one, from 1.
    """

    film: Film = field(default_factory=lambda: Film(UPLOAD))
    frame: int | None = None


class Found(NamedTuple):
    """A film without its pixels, and the model's marks on it."""

    film: Film
    marks: Marks


class Place:
    """A place in the queue.

    Attributes:
        working: the bytes are here and threads are at them.
        left: the request is over before its work is.
    """

    def __init__(self) -> None:
        self.working = self.left = False


class Engine:
    """The model with its threads; `stop` it.

    Args:
        detector: the model.
        limits: what is allowed.
        metrics: where time and numbers are noted.
        threads: that read images.
        batch_size: images in a pass of the network; what pays on its device by default.
    """

    def __init__(
        self, detector: Detector, limits: Limits, metrics: Metrics, *, threads: int = 2, batch_size: int | None = None
    ) -> None:
        self._model = in_batches(detector)
        self.limits = limits
        self._metrics = metrics
        self._batch_size = batch_size or getattr(detector, "batch_size", 1)
        self._taken = 0
        self._image_s = 0.5  # how long an image takes, as a running mean; for Retry-After
        self._readers = ThreadPoolExecutor(threads, thread_name_prefix="radmark-read")
        self._waiting: queue.SimpleQueue[tuple[Any, Place, Future[Marks]] | None] = queue.SimpleQueue()
        self._side_by_side = ExitStack()
        networks = available_cpus() if self._side_by_side.enter_context(side_by_side(detector, self._batch_size)) else 1
        self._networks = [
            threading.Thread(target=self._run_network, name=f"radmark-network-{i}", daemon=True)
            for i in range(networks)
        ]
        for network in self._networks:
            network.start()

    @contextmanager
    def place(self) -> Generator[Place]:
        """A place in the queue, from now on.

        Raises:
            Refused: all are taken.
        """
        if self._taken >= self.limits.max_queue:
            wait_s = min(60, max(1, math.ceil(self._taken * self._image_s)))
            raise Refused(
                429,
                "too many images are waiting",
                f"Ask again in {wait_s} seconds",
                value=self._taken,
                headers={"Retry-After": str(wait_s)},
            )
        self._taken += 1
        self._metrics.waiting.set(self._taken)
        place = Place()
        try:
            yield place
        finally:
            if not (place.left and place.working):
                self.free()

    def free(self) -> None:
        """Give a place back: that of work whose request was over before it."""
        self._taken -= 1
        self._metrics.waiting.set(self._taken)

    async def predict(self, data: bytes, asked: Asked, place: Place) -> Found:
        """The film and the landmarks on it from its bytes.

        Raises:
            InputError: the image cannot be used.
        """
        place.working = True
        began = time.monotonic()
        loop = asyncio.get_running_loop()
        film, prepared = await loop.run_in_executor(self._readers, self._read, data, asked, place)
        future: Future[Marks] = Future()
        self._waiting.put((prepared, place, future))
        marks = await asyncio.wrap_future(future)
        self._image_s += 0.1 * (time.monotonic() - began - self._image_s)
        return Found(film, marks)

    def warm_up(self) -> None:
        """A prediction of nothing: what is loaded late is loaded now, and a model that cannot work says so at the start."""
        self._model(Film.from_array(np.zeros((64, 64), np.uint8), "warm-up"))

    def stop(self) -> None:
        """End the threads, after what they were given."""
        self._readers.shutdown()
        for _ in self._networks:
            self._waiting.put(None)
        for network in self._networks:
            network.join()
        self._side_by_side.close()

    def _read(self, data: bytes, asked: Asked, place: Place) -> tuple[Film, Any]:
        _stop_if_left(place)
        with self._metrics.stage("read"), _as_file(data) as path:
            film = with_file(asked.film, path, frame=asked.frame)
            self._check_pixels(film.frame.width, film.frame.height)
            loaded = film.loaded()
            return loaded.unloaded(), self._model.prepare(loaded)

    def _check_pixels(self, width: int, height: int) -> None:
        most = self.limits.max_pixels
        # The letterbox is a square around the image, and a picture one pixel high must not make it gigabytes.
        if width * height > most or max(width, height) ** 2 > 4 * most:
            raise InputError(
                f"the image has more than {most} pixels, or a side far too long",
                value=f"{width} x {height}",
                remedy="Crop it to the radiograph, or scale it down",
            )

    def _run_network(self) -> None:
        """Take what waits, up to a batch, never waiting for more: on an idle service nobody is held up."""
        over = False
        while not over:
            first = self._waiting.get()
            batch = [] if first is None else [first]
            over = first is None
            while len(batch) < self._batch_size and not over:
                try:
                    following = self._waiting.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    over = True
                else:
                    batch.append(following)
            # From here on nobody can cancel them, so that setting a result cannot fail.
            wanted = [entry for entry in batch if entry[2].set_running_or_notify_cancel()]
            for _, place, future in wanted:
                if place.left:
                    future.set_exception(TimeoutError())
            wanted = [entry for entry in wanted if not entry[2].done()]
            if wanted:
                self._locate(wanted)

    def _locate(self, batch: "list[tuple[Any, Place, Future[Marks]]]") -> None:
        self._metrics.batch.observe(len(batch))
        try:
            with self._metrics.stage("network"):
                found = self._model.locate([prepared for prepared, _, _ in batch])
            answers = list(zip(batch, found, strict=True))
        except Exception as error:  # a fault of ours: each of the requests is told, and the next ones are served
            for _, _, future in batch:
                future.set_exception(error)
            return
        for (_, _, future), marks in answers:
            future.set_result(marks)


def _stop_if_left(place: Place) -> None:
    if place.left:
        raise TimeoutError


@contextmanager
def _as_file(data: bytes) -> Generator[Path]:
    """The bytes as a file for the readers: in memory where the system has such files, so that no image touches a disk."""
    if hasattr(os, "memfd_create") and Path("/proc/self/fd").is_dir():
        handle = os.memfd_create("radmark")
        with open(handle, "wb") as file:  # noqa: PTH123 - a file without a name
            file.write(data)
            file.flush()
            yield Path(f"/proc/self/fd/{handle}")
    else:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "upload"
            path.write_bytes(data)
            yield path
