"""A user's own measurements, from a TOML file with a table [[measure]] for each.

Every table has `key` and `kind`, and by kind: distance: points = [a, b]; angle and ratio: lines = [[a, b], [c, d]]; projection:
line = [a, b], from = c, to = d, direction = "along" or "across". Optional: title, positive (what a positive value means), source,
unit, and for an angle signed. docs/measurements.md shows each.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from radmark.core.errors import InputError
from radmark.measure.catalog import MEASURES
from radmark.measure.entry import Kind, Line, Measure, Points, feet
from radmark.measure.geometry import angle_deg, cross, signed_angle_deg
from radmark.trees import read_toml

_COMMON = ("key", "kind", "title", "positive", "source", "unit")
_KEYS = {
    "distance": ("points",),
    "angle": ("lines", "signed"),
    "ratio": ("lines",),
    "projection": ("line", "from", "to", "direction"),
}
_UNITS = {"distance": ("mm",), "angle": ("deg",), "ratio": ("", "%"), "projection": ("mm",)}
_POSITIVE = {
    "distance": "always",
    "angle": "0 to 180",
    "ratio": "always",
    "along": "towards the line's second point",
    "across": "to the right hand of the line as it runs on the film; on the patient's right, to the left hand",
    "signed": "clockwise on the film; on the patient's right, anticlockwise",
}

_Compute = Callable[[Points, int], float]


@dataclass(frozen=True)
class _Made:
    """What a table means: the landmarks, the function, the default sense of its sign, what it is against, what comes out."""

    needs: tuple[str, ...]
    compute: _Compute
    sense: str
    line: str
    kind: Kind
    lines: tuple[Line, ...]


def read_measures(file: Path) -> tuple[Measure, ...]:
    """The measurements a file defines, in its order.

    Raises:
        InputError: the file cannot be read or does not follow the format; the file, the table and the key are named.
    """
    tree = read_toml("file of measurements", file)
    tables = tree.pop("measure", None)
    if tree:
        raise InputError(
            "a file of measurements has no such key",
            file=file,
            column=min(tree),
            remedy="Write [[measure]] tables only",
        )
    if not isinstance(tables, list) or not tables:
        raise InputError(
            "no measurement is defined here",
            file=file,
            column="measure",
            remedy="Write [[measure]], key = … and kind = …",
        )
    entries: list[Measure] = []
    for number, table in enumerate(cast("list[Any]", tables), start=1):
        if not isinstance(table, dict):
            raise InputError(
                "a table for each measurement is expected", file=file, column="measure", value=table,
                remedy="Write [[measure]]",
            )  # fmt: skip
        reader = _Table(cast("dict[str, Any]", table), file, number)
        entry = _entry(reader)
        if entry.key in {m.key for m in (*MEASURES, *entries)}:
            raise reader.error("this key is taken", "key", "Choose another, such as my_" + entry.key)
        entries.append(entry)
    return tuple(entries)


class _Table:
    """One [[measure]], whose mistakes are reported with file, table and key."""

    def __init__(self, table: Mapping[str, Any], file: Path, number: int) -> None:
        self.table, self.file, self.number = table, file, number

    def error(self, problem: str, key: str, remedy: str) -> InputError:
        named = self.table.get("key")
        which = f" ({named})" if isinstance(named, str) else ""
        return InputError(
            problem,
            file=self.file,
            column=f"{key} of [[measure]] {self.number}{which}",
            value=self.table.get(key),
            remedy=remedy,
        )

    def text(self, key: str, default: str | None = None) -> str:
        value = self.table.get(key, default)
        if not isinstance(value, str) or (default is None and not value):
            raise self.error("a text is expected", key, f'Write {key} = "…", in quotes')
        return value

    def one_of(self, key: str, known: tuple[str, ...], default: str | None = None) -> str:
        value = self.text(key, default)
        if value not in known:
            raise self.error("that is not known", key, f"Use one of: {', '.join(repr(k) for k in known)}")
        return value

    def names(self, key: str) -> tuple[str, str]:
        return self.pair(self.table.get(key), key, f'Write {key} = ["a_{{s}}", "b_{{s}}"], two landmarks')

    def lines(self) -> tuple[tuple[str, str], tuple[str, str]]:
        remedy = 'Write lines = [["a_{s}", "b_{s}"], ["c", "d"]], each from its first landmark to its second'
        match self.table.get("lines"):
            case [one, other]:
                return self.pair(one, "lines", remedy), self.pair(other, "lines", remedy)
            case _:
                raise self.error("two lines are expected", "lines", remedy)

    def pair(self, value: object, key: str, remedy: str) -> tuple[str, str]:
        match value:
            case [str(one), str(other)] if one and other and one != other:
                return one, other
            case _:
                raise self.error("two different landmarks are expected", key, remedy)


def _entry(table: _Table) -> Measure:
    kind = table.one_of("kind", tuple(_KEYS))
    for key in table.table:
        if key not in (*_COMMON, *_KEYS[kind]):
            raise table.error(
                f"a measurement of kind {kind} has no such key", key, f"Use {', '.join((*_COMMON, *_KEYS[kind]))}"
            )
    key = table.text("key")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", key):
        raise table.error("a key is small letters, digits and _", "key", "Write it like femoral_offset")
    unit = table.one_of("unit", _UNITS[kind], _UNITS[kind][0])
    made = _made(table, kind, unit)
    return Measure(
        key,
        table.text("title", key.replace("_", " ")),
        made.kind,
        made.needs,
        made.compute,
        any("{s}" in name for name in made.needs),
        made.line,
        table.text("positive", _POSITIVE[made.sense]),
        table.text("source", "user-defined"),
        made.lines,
        ("user-defined",),
        always=True,
    )


def _made(table: _Table, kind: str, unit: str) -> _Made:
    if kind == "distance":
        a, b = table.names("points")
        return _Made((a, b), lambda p, _: float(np.hypot(*(p[b] - p[a]))), kind, "none", "length", ((a, b),))
    if kind == "projection":
        return _projection(table)
    (a, b), (c, d) = table.lines()
    needs, line = tuple(dict.fromkeys((a, b, c, d))), f"{a} to {b}"
    lines = tuple(tuple(sorted(ends, key=needs.index)) for ends in ((a, b), (c, d)))
    if kind == "ratio":
        times = 100.0 if unit == "%" else 1.0

        def ratio(p: Points, _: int) -> float:
            below = float(np.hypot(*(p[d] - p[c])))
            return times * float(np.hypot(*(p[b] - p[a]))) / below if below else math.nan

        return _Made(needs, ratio, kind, f"{c} to {d}", "percent" if unit == "%" else "ratio", lines)
    signed = table.table.get("signed", False)
    if not isinstance(signed, bool):
        raise table.error("true or false is expected", "signed", "Write signed = true")
    if signed:
        return _Made(needs, lambda p, s: s * signed_angle_deg(p[b] - p[a], p[d] - p[c]), "signed", line, "angle", lines)
    return _Made(needs, lambda p, _: angle_deg(p[b] - p[a], p[d] - p[c]), kind, line, "angle", lines)


def _projection(table: _Table) -> _Made:
    a, b = table.names("line")
    ends = [table.text(key) for key in ("from", "to")]
    start, end = ends
    if start == end:
        raise table.error("two different landmarks are expected", "to", "Name where the distance ends")
    direction = table.one_of("direction", ("along", "across"))

    def projection(p: Points, s: int) -> float:
        axis, way = p[b] - p[a], p[end] - p[start]
        length = float(np.hypot(*axis))
        if not length:
            return math.nan
        return float(way @ axis) / length if direction == "along" else s * cross(axis, way) / length

    needs = tuple(dict.fromkeys((a, b, start, end)))
    lines = feet((a, b), *(point for point in (start, end) if point not in (a, b)))
    return _Made(needs, projection, direction, f"{a} to {b}", "length", lines)
