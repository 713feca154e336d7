"""A model's proposals, computed one at a time beside the server and kept. They are nobody's reading."""

import itertools
import queue
import threading
from collections.abc import Callable, Mapping
from typing import Any

from radmark.core.errors import InputError
from radmark.core.film import Film
from radmark.core.marks import Marks
from radmark.web.films import Films
from radmark.web.store import Store, StoreUnavailable

Predict = Callable[[Film], Marks]
"""A film to a model's marks on its own grid; `infer.Predictor` is one."""

_ASKED, _AHEAD = 0, 1  # somebody waits for it; nobody does yet


class Proposer:
    """A worker that asks the model.

    Args:
        model: its name, under which proposals are kept.
        predict: the model.
        store: where they are kept.
        films: where the pixels are.
    """

    def __init__(self, model: str, predict: Predict, store: Store, films: Films) -> None:
        self.model = model
        self._predict = predict
        self._store = store
        self._films = films
        self._queue: queue.PriorityQueue[tuple[int, int, str, str]] = queue.PriorityQueue()
        self._order = itertools.count()
        self._asked: set[str] = set()
        self._failed: dict[str, InputError] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="radmark proposals", daemon=True)
        self._thread.start()

    def ahead(self) -> None:
        """Go through all films the model has not seen, so that they can be ordered by its uncertainty."""
        for image, name in self._store.without_proposal(self.model):
            self._queue.put((_AHEAD, next(self._order), image, name))

    def of(self, image: str, name: str, pixels: str | None) -> Mapping[str, Any] | None:
        """What the model says of a film, None as long as it is not known: it is computed next then.

        Raises:
            InputError: the model cannot read this film.
        """
        known = self.known(image, pixels)
        if known is not None:
            return known
        if image in self._failed:
            raise self._failed[image]
        if image not in self._asked:
            self._asked.add(image)
            self._queue.put((_ASKED, next(self._order), image, name))
        return None

    def known(self, image: str, pixels: str | None) -> Mapping[str, Any] | None:
        """What the model said of a film of these pixels (None: of whatever it is), if it was asked."""
        known = self._store.proposal(image, self.model)
        return known if known is None or pixels in (None, known["pixels"]) else None

    def stop(self) -> None:
        """Finish the film in hand, and no other."""
        self._stopping.set()
        self._queue.put((-1, 0, "", ""))
        self._thread.join(timeout=60)

    def _work(self) -> None:
        while True:
            _, _, image, name = self._queue.get()
            if self._stopping.is_set():
                return
            try:
                self._propose(image, name)
            except InputError as error:
                self._failed[image] = error
            except StoreUnavailable:
                pass  # whoever still waits asks again
            except Exception as error:  # a model's failure on one film must not end it for the others
                remedy = "Mark it by hand, and check the image with `radmark predict`"
                self._failed[image] = InputError(
                    f"the model failed on this image ({type(error).__name__})", remedy=remedy, file=name
                )
            self._asked.discard(image)

    def _propose(self, image: str, name: str) -> None:
        film = self._films.open(name).film
        if self.known(image, film.pixel_hash) is not None:
            return
        marks = self._predict(film)
        found = {landmark: marks.mark(landmark) for landmark in marks.scheme.names}
        landmarks = {
            landmark: {
                "x": mark.x if mark.placed else None,
                "y": mark.y if mark.placed else None,
                "state": mark.state.label,
                "confidence": mark.confidence,
            }
            for landmark, mark in found.items()
        }
        known = [mark.confidence for mark in found.values() if mark.confidence is not None]
        uncertainty = 1 - sum(known) / len(known) if known else None
        self._store.propose(image, self.model, film.pixel_hash, uncertainty, {"landmarks": landmarks})
