"""The image files of a project: which there are, and their pixels at full depth.

The browser never names a file: it has ids, the store has names, and a name leads to a file only inside the folder, symbolic links
resolved, at every opening anew.
"""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from radmark.core.errors import InputError
from radmark.core.facts import FactSource
from radmark.core.film import Film
from radmark.core.frame import Spacing
from radmark.io.dicom import is_dicom
from radmark.io.images import IMAGE_SUFFIXES, open_film, read_film
from radmark.web.rows import FilmRow

PROJECT_FOLDER = "radmark-project"
"""Where the store lives, beside the images; never looked into for images."""

_CACHE_BYTES = 2**29
_AT_ONCE = 2  # decoders working at one time; a film of 90 million pixels takes several times its size while it is read


@dataclass(frozen=True)
class LeftOut:
    """A file that looks like an image and cannot be annotated."""

    name: str
    problem: str


@dataclass(frozen=True, eq=False)
class Picture:
    """A film as the page gets it.

    Args:
        film: as its file says.
        values: (H, W) little-endian uint16.
        bits: 8 or 16, the depth of the file's values.
        window: low and high gray value worth showing.
        scale, offset: a file's value is value * scale + offset; 1 and 0 but for float images.
    """

    film: Film
    values: np.ndarray
    bits: int
    window: tuple[int, int]
    scale: float = 1.0
    offset: float = 0.0


class Films:
    """The images below a folder, or those of them that are named.

    Args:
        root: the folder.
        told: only these, by name relative to `root`, with what a table says of them; None: all there are.
        spacing: millimetres per pixel for all, from whoever knows; wins over the table and the files.

    Raises:
        InputError: there is no such folder.
    """

    def __init__(
        self,
        root: Path,
        told: Mapping[str, Film] | None = None,
        spacing: Spacing | None = None,
    ) -> None:
        if not root.is_dir():
            raise InputError("there is no such folder of images", file=root, remedy="Check the path")
        self._root = root.resolve()
        self._told = told
        self._spacing = spacing
        self._lock = threading.Lock()
        self._decoding = threading.Semaphore(_AT_ONCE)
        self._cache: OrderedDict[tuple[str, str], Picture] = OrderedDict()

    def scan(
        self, known: Mapping[str, FilmRow], progress: Callable[[int, int], None] | None = None
    ) -> tuple[list[FilmRow], list[LeftOut]]:
        """The films in the natural order of their names, and the files left out. Only headers are read, and only of files that
        are not in `known` with the same stamp. Each film says what its file and this start say of it, and nothing else.
        """
        names = sorted(self._found() if self._told is None else self._told, key=natural)
        films: list[FilmRow] = []
        left_out: list[LeftOut] = []
        for i, name in enumerate(names):
            try:
                films.append(self._measured(name, known.get(name)))
            except InputError as error:
                left_out.append(LeftOut(name, error.problem))
            if progress is not None:
                progress(i + 1, len(names))
        return films, left_out

    def _found(self) -> list[str]:
        names: list[str] = []
        for folder, folders, files in os.walk(self._root):  # which does not follow links to folders
            folders[:] = [name for name in folders if name != PROJECT_FOLDER and not name.startswith(".")]
            for name in files:
                path = Path(folder, name)
                if not name.startswith(".") and (
                    path.suffix.lower() in IMAGE_SUFFIXES or (not path.suffix and is_dicom(path))
                ):
                    names.append(path.relative_to(self._root).as_posix())
        return names

    def _measured(self, name: str, known: FilmRow | None) -> FilmRow:
        path = self.path(name)
        stamp = _stamp(path)
        head = open_film(path, name=name) if known is None or known.stamp != stamp else known.film
        of_file = tuple(fact for fact in head.facts if fact.source is FactSource.HEADER)
        told = Film(name) if self._told is None else self._told[name]
        film = replace(
            told,
            size=head.size,
            spacing=self._spacing or told.spacing or head.file_spacing,
            facts=(*told.facts, *of_file),
            file_spacing=head.file_spacing,
        )
        return FilmRow(film, stamp)

    def path(self, name: str) -> Path:
        """The file of a name.

        Raises:
            InputError: there is none, or it lies outside the folder.
        """
        relative = PurePosixPath(name)
        outside = InputError(
            "the file lies outside the folder of images",
            file=name,
            remedy="Copy it into the folder; links out of it are not followed",
        )
        if relative.is_absolute() or ".." in relative.parts or "\\" in name or "\0" in name:
            raise outside
        try:
            path = (self._root / relative).resolve(strict=True)
        except (OSError, RuntimeError):
            raise InputError("there is no such image any more", file=name, remedy="Put the file back") from None
        if not path.is_relative_to(self._root) or not path.is_file():
            raise outside
        return path

    def open(self, name: str) -> Picture:
        """The pixels of a film; the last ones opened are kept in memory.

        Raises:
            InputError: it cannot be read; the error names the film, not its place on the disk.
        """
        path = self.path(name)
        key = (name, _stamp(path))
        with self._lock:
            if key in self._cache:
                self._cache.move_to_end(key)
                return self._cache[key]
        with self._decoding:
            with self._lock:
                if key in self._cache:  # whoever was before us at the gate may have read the same film
                    return self._cache[key]
            try:
                picture = _picture(read_film(path, name=name))
            except InputError as error:
                raise InputError(error.problem, remedy=error.remedy, file=name) from error
        with self._lock:
            self._cache[key] = picture
            while len(self._cache) > 1 and sum(p.values.nbytes for p in self._cache.values()) > _CACHE_BYTES:
                self._cache.popitem(last=False)
        return picture


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """A sort key under which film-2 comes before film-10."""
    parts: list[tuple[int, int, str]] = []
    word = ""
    for char in [*name.casefold(), ""]:
        if word and (char == "" or char.isdecimal() != word[-1].isdecimal()):
            parts.append((0, int(word), word) if word.isdecimal() else (1, 0, word))
            word = ""
        word += char
    return tuple(parts)


def matching(names: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """The names that fit any of the patterns, where `*` stands for anything, slashes too."""
    from fnmatch import fnmatchcase

    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]


def _stamp(path: Path) -> str:
    stat = path.stat()
    return f"{stat.st_size} {stat.st_mtime_ns}"


def _picture(film: Film) -> Picture:
    pixels = film.pixels
    scale, offset = 1.0, 0.0
    if pixels.dtype == np.float32:
        low, high = float(pixels.min()), float(pixels.max())
        offset, scale = low, (high - low) / 65535 or 1.0
        values = np.round((pixels.astype(np.float64) - offset) / scale).astype("<u2")
    else:
        values = np.ascontiguousarray(pixels).astype("<u2", copy=False)
    values.flags.writeable = False
    # Every few rows and columns are enough to know the range of a film, and take a hundredth of the time.
    step = max(1, min(pixels.shape) // 256)
    low, high = np.percentile(values[::step, ::step], (0.5, 99.5))
    window = (int(low), max(int(np.ceil(high)), int(low) + 1))
    return Picture(film, values, 8 if pixels.dtype == np.uint8 else 16, window, scale, offset)
