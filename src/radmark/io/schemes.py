"""Landmark schemes: those that come with radmark, and the user's own.

A scheme file is TOML with the keys name, title, source, pairs = [[right, left], …], edges = [[a, b], …] and, once for
each landmark in order, a table [[landmark]] with name and definition. Name and the landmarks are needed, the rest is
not. A .txt file with one landmark name a line will do as well.
"""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

from radmark.core.errors import InputError
from radmark.core.scheme import LandmarkDefinition, Scheme

_TEXTS = ("name", "title", "source")
_LINES = ("pairs", "edges")


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


def _from_toml(text: str, file: Path | str) -> Scheme:
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(
            f"this is not a TOML file: {error}",
            file=file,
            remedy="Mend that line, or copy a shipped scheme and edit it",
        ) from error
    try:
        _only(table, (*_TEXTS, *_LINES, "landmark"))
        texts = {key: _text(table, key) for key in _TEXTS if key in table}
        if "name" not in texts:
            raise InputError("the scheme has no name", column="name", remedy='Add a line such as name = "my-hip-6"')
        return Scheme(
            name=texts["name"],
            landmarks=_landmarks(table.get("landmark", [])),
            title=texts.get("title", ""),
            source=texts.get("source", ""),
            pairs=_lines(table, "pairs"),
            edges=_lines(table, "edges"),
        )
    except InputError as error:
        raise error.at(file=file) from error


def _only(table: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in table:
        if key not in known:
            raise InputError("a scheme has no such key", column=key, remedy=f"Use one of: {', '.join(known)}")


def _text(table: Mapping[str, Any], key: str) -> str:
    value = table[key]
    if not isinstance(value, str):
        raise InputError("a text is expected", column=key, value=value, remedy=f'Write {key} = "…", in quotes')
    return value


def _lines(table: Mapping[str, Any], key: str) -> tuple[tuple[str, str], ...]:
    """The (name, name) lines under `key`; none where the key is missing."""
    wrong = InputError(
        "a list of lists of two landmark names is expected",
        column=key,
        value=table.get(key),
        remedy=f'Write {key} = [["hip_right", "hip_left"]]',
    )
    value = table.get(key, [])
    if not isinstance(value, list):
        raise wrong
    lines: list[tuple[str, str]] = []
    for line in cast("list[Any]", value):
        match line:
            case [str(first), str(second)]:
                lines.append((first, second))
            case _:
                raise wrong
    return tuple(lines)


def _landmarks(value: object) -> tuple[LandmarkDefinition, ...]:
    if not isinstance(value, list):
        raise InputError("a table for each landmark is expected", column="landmark", remedy="Write [[landmark]]")
    landmarks: list[LandmarkDefinition] = []
    for entry in cast("list[Any]", value):
        if not isinstance(entry, dict):
            raise InputError(
                "a table for each landmark is expected", column="landmark", value=entry, remedy="Write [[landmark]]"
            )
        table = cast("dict[str, Any]", entry)
        _only(table, ("name", "definition"))
        if "name" not in table:
            raise InputError(
                f"landmark {len(landmarks) + 1} has no name", column="name", remedy='Add a line name = "…" to it'
            )
        definition = _text(table, "definition") if "definition" in table else ""
        landmarks.append(LandmarkDefinition(_text(table, "name"), definition))
    return tuple(landmarks)
