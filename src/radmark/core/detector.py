"""What finds landmarks, whatever engine runs it: the little that a batch and a service ask of a model."""

import os
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from radmark.core.film import Film
from radmark.core.marks import Marks
from radmark.core.scheme import Scheme


class Detector(Protocol):
    """A trained model, ready."""

    @property
    def scheme(self) -> Scheme:
        """What it marks."""
        ...

    def __call__(self, film: Film) -> Marks:
        """The landmarks of one film, in its own frame."""
        ...


@runtime_checkable
class BatchDetector(Detector, Protocol):
    """A model whose work comes in two parts: what each image needs alone, for threads, and the network, for several at once."""

    def prepare(self, film: Film) -> Any:
        """What `locate` needs of a film, much smaller than it. May be called from several threads at once."""
        ...

    def locate(self, prepared: Sequence[Any]) -> list[Marks]:
        """The landmarks of several prepared films, in their order; to be called from one thread at a time."""
        ...


@runtime_checkable
class ParallelDetector(Detector, Protocol):
    """A model that several threads may ask at once."""

    def side_by_side(self) -> AbstractContextManager[None]:
        """While it lasts, threads that start take one processor each for an image; `locate` may be called from all of them.

        On a processor that is faster than an image after the other with all processors at each.
        """
        ...


@dataclass(frozen=True)
class _OneByOne:
    """A plain detector in the shape of a batch's: nothing is prepared, and the network sees one image at a time."""

    detector: Detector

    @property
    def scheme(self) -> Scheme:
        return self.detector.scheme

    def __call__(self, film: Film) -> Marks:
        return self.detector(film)

    def prepare(self, film: Film) -> Film:
        return film

    def locate(self, prepared: Sequence[Film]) -> list[Marks]:
        return [self.detector(film) for film in prepared]


def in_batches(detector: Detector) -> BatchDetector:
    """The detector itself where it takes several images at once, else one that hands them over one by one."""
    return detector if isinstance(detector, BatchDetector) else _OneByOne(detector)


@contextmanager
def side_by_side(detector: Detector, at_once: int) -> Generator[bool]:
    """Whether several threads should each ask the model for an image of their own, and while it lasts they may.

    Args:
        detector: the model.
        at_once: images in a pass of its network; more than one, and a single thread should gather them.
    """
    if at_once == 1 and isinstance(detector, ParallelDetector):
        with detector.side_by_side():
            yield True
    else:
        yield False


def available_cpus() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
