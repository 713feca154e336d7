"""A model without a network, for tests of what is around one: it finds the brightest pixel, so its answer is known.

    python lantern.py PORT_FILE [--wait-s S] [--batch N] [--max-queue N] [--timeout-s S]

serves it on a free port of 127.0.0.1 and writes the address to PORT_FILE.
"""

import argparse
import io
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from radmark.core import Film, Frame, Marks, Scheme
from radmark.core.marks import Model

NAMES = ("teardrop_right", "teardrop_left", "lesser_trochanter_right", "lesser_trochanter_left")
OFFSETS = np.array([[0.0, 0.0], [20.0, 0.0], [-2.0, 13.0], [22.0, 10.0]])
"""From the brightest pixel to each landmark: the right leg is 3 px longer."""
AUTHOR = Model("0" * 64, "lantern")


class Lantern:
    """Works on `batch_size` images at once and takes `wait_s` for each pass."""

    def __init__(self, wait_s: float = 0.0, batch_size: int = 1) -> None:
        self.scheme = Scheme.from_names(NAMES, "lantern")
        self.batch_size = batch_size
        self.wait_s = wait_s

    def __call__(self, film: Film) -> Marks:
        return self.locate([self.prepare(film)])[0]

    def prepare(self, film: Film) -> tuple[str, Frame, np.ndarray]:
        y, x = np.unravel_index(int(film.pixels.argmax()), film.pixels.shape)
        return film.name, film.frame, np.array([float(x), float(y)])

    def locate(self, prepared: Sequence[tuple[str, Frame, np.ndarray]]) -> list[Marks]:
        time.sleep(self.wait_s)
        by = {"author": AUTHOR, "confidence": np.full(4, 0.5)}
        return [Marks.present(self.scheme, frame, at + OFFSETS, film=name, **by) for name, frame, at in prepared]


def picture(x: int, y: int, width: int = 64, height: int = 48, suffix: str = "PNG") -> bytes:
    """A dark picture with one bright pixel."""
    pixels = np.zeros((height, width), np.uint8)
    pixels[y, x] = 200
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, suffix)
    return file.getvalue()


def main() -> None:
    from radmark.serve.app import Model
    from radmark.serve.engine import Limits
    from radmark.serve.server import serve

    parser = argparse.ArgumentParser()
    parser.add_argument("port_file", type=Path)
    parser.add_argument("--wait-s", type=float, default=0.0)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--max-queue", type=int, default=16)
    parser.add_argument("--timeout-s", type=float, default=60.0)
    options = parser.parse_args()

    def listening(url: str) -> None:
        (temporary := options.port_file.with_suffix(".part")).write_text(url, encoding="utf-8")
        temporary.rename(options.port_file)

    serve(
        Model(Lantern(options.wait_s, options.batch), "lantern", "0" * 64),
        host="127.0.0.1",
        port=0,
        limits=Limits(max_queue=options.max_queue, timeout_s=options.timeout_s),
        keys={},
        threads=2,
        on_listening=listening,
    )


if __name__ == "__main__":
    main()
