"""Text and JSON from files nobody has checked: what is wrong is said with the file and the place in it."""

import hashlib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn, cast

from radmark.core.errors import InputError

MAX_BYTES = 512 * 1024 * 1024
"""The largest annotation file read: a hundred thousand films of fifty landmarks are smaller."""


def file_sha256(path: Path) -> str:
    """sha256 of a file's bytes, in hexadecimal.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_text(path: Path) -> str:
    """A text file in UTF-8, with or without a byte-order mark.

    Raises:
        InputError: it is not there, not text, or far too large.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(
                "the file is too large for annotations",
                file=path,
                value=path.stat().st_size,
                remedy="Check that it is the right file, or split it",
            )
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError("there is no such file", file=path, remedy="Check the name and the folder") from None
    except OSError as error:
        raise InputError(
            f"the file cannot be opened: {error.strerror}", file=path, remedy="Check that it is a file you may read"
        ) from error
    except UnicodeDecodeError as error:
        raise InputError("the file is not UTF-8 text", file=path, remedy="Save it as UTF-8") from error


class Tree:
    """A value inside a JSON file, which knows where it stands: errors name file and key."""

    def __init__(self, value: object, file: Path, where: str = "") -> None:
        self.value = value
        self.file = file
        self.where = where

    def wrong(self, problem: str, remedy: str) -> InputError:
        """An error about this value."""
        value = self.value
        shown = value if isinstance(value, str | int | float | bool | None) else type(value).__name__
        if isinstance(shown, str) and len(shown) > 60:
            shown = shown[:60] + "…"
        return InputError(problem, file=self.file, column=self.where or None, value=shown, remedy=remedy)

    def has(self, key: str) -> bool:
        """Whether this is an object with something other than null under `key`."""
        value = self.value
        return isinstance(value, dict) and cast("dict[str, object]", value).get(key) is not None

    def get(self, key: str) -> "Tree":
        """The value under a key; null where it is missing, which says so when it is used."""
        found = self.fields().get(key)
        return Tree(None, self.file, f"{self.where}.{key}".lstrip(".")) if found is None else found

    def fields(self) -> "dict[str, Tree]":
        """The members of an object."""
        value = self.value
        if not isinstance(value, dict):
            raise self.wrong("an object is expected here", "Correct the file, or export it again")
        here = cast("dict[str, object]", value)
        return {key: Tree(value, self.file, f"{self.where}.{key}".lstrip(".")) for key, value in here.items()}

    def __iter__(self) -> "Iterator[Tree]":
        """The members of a list."""
        value = self.value
        if not isinstance(value, list):
            raise self.wrong("a list is expected here", "Correct the file, or export it again")
        items = cast("list[object]", value)
        return iter([Tree(item, self.file, f"{self.where}[{i}]") for i, item in enumerate(items)])

    def text(self) -> str:
        """A text that is not empty."""
        if not isinstance(self.value, str) or not self.value.strip():
            raise self.wrong("a text is expected here", 'Write it in quotes, such as "hip1.png"')
        return self.value

    def number(self) -> float:
        """A finite number."""
        value = self.value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.wrong("a number is expected here", "Write a number such as 610.5")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise self.wrong("the number is not finite", "Write a number such as 610.5")
        return number

    def whole(self) -> int:
        """A whole number."""
        number = self.number()
        if not number.is_integer():
            raise self.wrong("a whole number is expected here", "Write a number such as 1024")
        return int(number)

    def size(self, width: str, height: str) -> tuple[int, int]:
        """(width, height) from two members, each at least one pixel."""
        for key in (width, height):
            if self.get(key).whole() < 1:
                raise self.get(key).wrong("an image needs at least one pixel", "Write the image's size in pixels")
        return self.get(width).whole(), self.get(height).whole()


def parse_json(text: str, file: Path) -> Tree:
    """A JSON text, strictly: no NaN, no key twice, no nesting without end.

    Raises:
        InputError: it is not that; with the line where the parser stopped.
    """

    def constant(word: str) -> NoReturn:
        raise InputError("a number is not finite", file=file, value=word, remedy="Write null where there is no number")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise InputError("a key appears twice in one object", file=file, value=key[:60], remedy="Remove one")
            found[key] = value
        return found

    try:
        return Tree(json.loads(text, parse_constant=constant, object_pairs_hook=once), file)
    except json.JSONDecodeError as error:
        raise InputError(
            f"this is not JSON: {error.msg}", file=file, row=error.lineno, remedy="Export the file again, whole"
        ) from error
    except (RecursionError, ValueError) as error:
        raise InputError(
            "the JSON is nested too deeply or holds a number too long", file=file, remedy="Export the file again"
        ) from error


def read_json(path: Path) -> Tree:
    """`parse_json` of a file."""
    return parse_json(read_text(path), path)
