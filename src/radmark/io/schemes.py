"""Landmark schemes: those that come with radmark, and the user's own.

A scheme file is TOML with the keys name, title, source, pairs = [[right, left], …], edges = [[a, b], …] and, once for
each landmark in order, a table [[landmark]] with name and definition. Name and the landmarks are needed, the rest is
not. A .txt file with one landmark name per line will do as well.
"""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from radmark.core.errors import InputError
from radmark.core.scheme import LandmarkDefinition, Scheme
from radmark.trees import converted, parsed_toml


def shipped_schemes() -> tuple[str, ...]:
    """Names of the schemes that come with radmark, in alphabetical order."""
    folder = files("radmark") / "schemes"
    if not folder.is_dir():
        return ()
    return tuple(sorted(file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml")))


def read_scheme(name_or_path: str) -> Scheme:
    """A shipped scheme by its name, such as "ceph-19", or a scheme file by its path.

    Raises:
        InputError: there is neither, or the file does not follow the format; the key is named.
    """
    if name_or_path in shipped_schemes():
        text = (files("radmark") / "schemes" / f"{name_or_path}.toml").read_text(encoding="utf-8")
        return _from_toml(text, f"{name_or_path}.toml")
    path = Path(name_or_path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(
            "there is no scheme of this name and no such file",
            value=name_or_path,
            remedy=f"Give the path of a scheme file or one of: {', '.join(shipped_schemes())}",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"the scheme file cannot be read: {error}", file=path, remedy="Give a text file, saved as UTF-8"
        ) from error
    if path.suffix.lower() == ".txt":
        try:
            return Scheme.from_names([line.strip() for line in text.splitlines() if line.strip()], path.stem)
        except InputError as error:
            raise error.at(file=path) from error
    return _from_toml(text, path)


@dataclass(frozen=True)
class _SchemeFile:
    """A scheme file as it is written."""

    name: str
    landmark: tuple[LandmarkDefinition, ...]
    title: str = ""
    source: str = ""
    pairs: tuple[tuple[str, str], ...] = ()
    edges: tuple[tuple[str, str], ...] = ()


def _from_toml(text: str, file: Path | str) -> Scheme:
    said = converted(parsed_toml("scheme", text, file), _SchemeFile, file=file, what="scheme")
    try:
        return Scheme(said.name, said.landmark, said.title, said.source, said.pairs, said.edges)
    except InputError as error:
        raise error.at(file=file) from error
