"""Draw the README's phantoms anew: python docs/pictures/make.py"""

from pathlib import Path

import numpy as np
from PIL import Image

from radmark import phantom
from radmark.core import Film, Frame, Marks, Scheme
from radmark.draw import overlay
from radmark.io import read_scheme

TILE_PX = 260
SEEDS = (3, 8)  # two of each kind


def tile(kind: str, seed: int, *, marked: bool) -> Image.Image:
    """One phantom, fitted into a black square tile, with its landmarks or without."""
    film = phantom.render(kind, seed)
    height, width = film.pixels.shape
    frame, scheme = Frame(width, height), read_scheme(kind)
    truth = Marks.present(Scheme.from_names(scheme.names), frame, film.points)
    picture = overlay(Film(film.pixels, frame), truth if marked else None, None, long_side=TILE_PX)
    square = Image.new("RGB", (TILE_PX, TILE_PX))
    square.paste(picture, ((TILE_PX - picture.width) // 2, (TILE_PX - picture.height) // 2))
    return square


def main() -> None:
    """Six kinds, two to a row: a plain one and one with its landmarks."""
    tiles = [np.asarray(tile(kind, seed, marked=seed == SEEDS[1])) for kind in phantom.KINDS for seed in SEEDS]
    rows = [np.hstack(tiles[i : i + 4]) for i in range(0, len(tiles), 4)]
    sheet = Image.fromarray(np.vstack(rows)).quantize(
        200, Image.Quantize.FASTOCTREE
    )  # keeps the few blue pixels apart from the many gray
    sheet.save(Path(__file__).with_name("phantoms.png"), optimize=True)


if __name__ == "__main__":
    main()
