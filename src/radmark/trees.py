"""Trees that users write (recipes, schemes, grids, definitions, readers, archive settings): read, and turned into dataclasses.

One validator for all of them: msgspec checks kinds, literals and ranges stated in annotations; what is wrong becomes an
`InputError` with the file, the place in it, the value and the way out. What a dataclass checks itself it says itself.
"""

import dataclasses
import difflib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from radmark.core.errors import InputError

_T = TypeVar("_T")

_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "null": "nothing",
}


def read_toml(what: str, path: Path, remedy: str = "") -> dict[str, Any]:
    """The tree of a TOML file.

    Args:
        what: what it is, for errors: "scheme", "file of readers".
        path: of the file.
        remedy: what else could be given.

    Raises:
        InputError: it is not there, cannot be read, or is not TOML.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"there is no such {what}", file=path, remedy=remedy or "Check the path") from None
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InputError(
            f"the {what} cannot be read: {why}", file=path, remedy=remedy or "Give a text file, saved as UTF-8"
        ) from error
    return parsed_toml(what, text, path)


def parsed_toml(what: str, text: str, file: Path | str) -> dict[str, Any]:
    """The tree of TOML text.

    Raises:
        InputError: it is not TOML, or nested deeper than anybody writes.
    """
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        why = "too deeply nested" if isinstance(error, RecursionError) else error
        raise InputError(f"the {what} is not valid TOML: {why}", file=file, remedy="Fix that line") from error


def converted(tree: object, kind: type[_T], *, file: Path | str, what: str, base: Path | None = None) -> _T:
    """A tree as a dataclass: every key known, every value of its kind; what is not named keeps its default.

    Args:
        tree: nested tables, as TOML or JSON gives them.
        kind: a dataclass. A list may stand for a tuple, a whole number for a number, a text for a `Path`.
        file: for errors.
        what: what the tree is, for errors: "recipe".
        base: folder that paths are relative to.

    Raises:
        InputError: an unknown key, a missing one, a value of another kind, or what the dataclass itself refuses.
    """
    import msgspec  # here: it takes longer to load than all that a help text needs

    _refuse_unknown(tree, kind, file, what, "")

    def hook(wanted: type[Any], value: Any) -> Any:
        if wanted is Path and isinstance(value, str):
            return Path(value) if base is None else base / value
        raise NotImplementedError

    try:
        return msgspec.convert(tree, kind, dec_hook=hook)
    except InputError as error:
        if error.file:
            raise
        raise error.at(file=file) from error
    except msgspec.ValidationError as error:
        if isinstance(error.__cause__, InputError):
            raise error.__cause__.at(file=file) from error
        raise _told(str(error), tree, kind, file, what) from error


def _refuse_unknown(tree: object, kind: Any, file: Path | str, what: str, where: str) -> None:
    """msgspec passes over keys that a dataclass does not have; a user who misspells one should know."""
    if get_origin(kind) in (tuple, list) and isinstance(tree, list):
        for i, item in enumerate(cast("list[object]", tree)):
            _refuse_unknown(item, get_args(kind)[0], file, what, f"{where}[{i + 1}]")
        return
    if get_origin(kind) is not None and type(None) in get_args(kind):
        kind = next(arg for arg in get_args(kind) if arg is not type(None))
    if not dataclasses.is_dataclass(kind) or not isinstance(tree, Mapping):
        return
    hints = get_type_hints(kind)
    fields = {f.name: hints[f.name] for f in dataclasses.fields(kind) if f.init}
    for key, value in cast("Mapping[str, object]", tree).items():
        if key not in fields:
            near = difflib.get_close_matches(str(key), fields, 1)
            suggestion = f"Did you mean {near[0]}? " if near else ""
            raise InputError(
                f"{where or f'the {what}'} has no such key",
                file=file,
                column=f"{where}.{key}" if where else str(key),
                remedy=f"{suggestion}Use one of: {', '.join(fields)}",
            )
        _refuse_unknown(value, fields[key], file, what, f"{where}.{key}" if where else str(key))


def _told(message: str, tree: object, kind: Any, file: Path | str, what: str) -> InputError:
    """msgspec's own words ("Expected `int`, got `str` - at `$.train.epochs`") as an error of ours."""
    problem, _, at = message.partition(" - at `$")
    path = re.findall(r"\.([A-Za-z_]\w*)|\[(\d+|\.\.\.)\]", at.rstrip("`"))
    place, value, wanted = "", tree, kind
    for name, index in path:
        if name:
            place += f".{name}" if place else name
            value = cast("Mapping[str, Any]", value).get(name) if isinstance(value, Mapping) else None
            hints = get_type_hints(_plain(wanted)) if dataclasses.is_dataclass(_plain(wanted)) else {}
            wanted = hints.get(name)
        else:
            place += f"[{int(index) + 1}]" if index.isdigit() else "[…]"
            items = cast("list[Any]", value) if isinstance(value, list) else []
            value = items[int(index)] if index.isdigit() and int(index) < len(items) else None
            args = get_args(_plain(wanted))
            wanted = args[0] if args else None
    missing = re.match(r"Object missing required field `(\w+)`", problem)
    if missing:
        return InputError(
            f"{place or f'the {what}'} lacks {missing[1]}", file=file, column=missing[1], remedy=f"Add {missing[1]} = …"
        )
    return InputError(
        f"{place or f'the {what}'} has a value it cannot take",
        file=file,
        column=place or None,
        value=value,
        remedy=f"Give {_wanted(problem, wanted)}",
    )


def _plain(kind: Any) -> Any:
    """The kind without `| None`."""
    if get_origin(kind) is Union or str(get_origin(kind)) == "<class 'types.UnionType'>":
        return next(arg for arg in get_args(kind) if arg is not type(None))
    return kind


def _wanted(problem: str, kind: Any) -> str:
    kind = _plain(kind)
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(str, get_args(kind)))}"
    if get_origin(kind) in (tuple, list):
        args = [arg for arg in get_args(kind) if arg is not ...]
        inner = _WORDS.get(getattr(args[0], "__name__", ""), "values").removeprefix("a ") if args else "values"
        return f"a list of {inner}s" if inner != "values" else "a list"
    name = re.search(r"Expected `(\w+)", problem)
    return _WORDS.get(name[1] if name else "", "a value of the right kind")
