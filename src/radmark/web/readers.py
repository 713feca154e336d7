"""Who reads which films, and what several readings of one film have in common.

A readers file is TOML, once for each reader a table [[reader]] with `name` and, where wanted, `role` ("reader" or
"adjudicator"), `images` (patterns such as "series-a/*"; all by default), `blind` (sees neither others' points nor proposals),
`proposals` (may see the model's; by default where not blind), and `second_share` with `second_after_days`: the share of the films
to be read a second time, and how long after the first.
"""

import hashlib
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from radmark.core.errors import InputError
from radmark.core.frame import FloatArray
from radmark.web.films import matching

Role = Literal["reader", "adjudicator"]

OUTLIER_FACTOR = 3.0
"""A point is an outlier when it lies this many times further from the consensus than the others do in the middle."""

OUTLIER_PX = 3.0
"""And at least this far: where all others agree to a fraction of a pixel, nobody is far off."""


@dataclass(frozen=True)
class Reader:
    """Somebody who reads films.

    Raises:
        InputError: the name is empty, too long or of odd characters, or a number is out of its range.
    """

    name: str
    role: Role = "reader"
    images: tuple[str, ...] = ("*",)
    blind: bool = False
    proposals: bool = True
    second_share: float = 0.0
    second_after_days: float = 14.0

    def __post_init__(self) -> None:
        if not 1 <= len(self.name) <= 100 or self.name != self.name.strip() or not self.name.isprintable():
            raise InputError(
                "a reader needs a name of 1 to 100 printable characters",
                column="name",
                value=self.name,
                remedy="Give a name or a code, such as R1",
            )
        if not 0 <= self.second_share <= 1:
            raise InputError(
                "the share to read twice is not between 0 and 1",
                column="second_share",
                value=self.second_share,
                remedy="Give a share such as 0.2",
            )
        if not (math.isfinite(self.second_after_days) and 0 <= self.second_after_days <= 3650):
            raise InputError(
                "the days until the second reading are not between 0 and 3650",
                column="second_after_days",
                value=self.second_after_days,
                remedy="Give a number of days such as 14",
            )

    def films(self, names: Sequence[str]) -> list[str]:
        """Which of the films are this reader's."""
        return list(names) if self.images == ("*",) else matching(names, self.images)

    def twice(self, names: Sequence[str]) -> list[str]:
        """Which of these are to be read a second time, drawn by reader and name: the same in every start."""

        def lot(name: str) -> float:
            return int.from_bytes(hashlib.sha256(f"{self.name}\0{name}".encode()).digest()[:8], "big") / 2**64

        return sorted(names, key=lot)[: round(self.second_share * len(names))]


_KEYS: Mapping[str, tuple[type, ...]] = {
    "name": (str,),
    "role": (str,),
    "images": (list,),
    "blind": (bool,),
    "proposals": (bool,),
    "second_share": (int, float),
    "second_after_days": (int, float),
}


def read_readers(path: Path, *, blind: bool = False) -> tuple[Reader, ...]:
    """The readers of a file; `blind` blinds all of them that are no adjudicators.

    Raises:
        InputError: the file is not as the module says; the reader and the key are named.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise InputError("there is no such file of readers", file=path, remedy="Check the path") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(
            f"the file of readers cannot be read: {error}", file=path, remedy="Give a TOML file with [[reader]] tables"
        ) from error
    entries = table.get("reader")
    if set(table) != {"reader"} or not isinstance(entries, list) or not entries:
        raise InputError(
            "the file does not list readers",
            file=path,
            value=", ".join(table) or None,
            remedy='Write [[reader]] and name = "…" for each, and nothing else',
        )
    readers = tuple(_reader(entry, path, blind) for entry in cast("list[Any]", entries))
    names = [reader.name for reader in readers]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(
            "a reader stands twice in the file", file=path, value=twice[0], remedy="Give each their own name"
        )
    return readers


def _reader(entry: object, path: Path, blind: bool) -> Reader:
    if not isinstance(entry, dict):
        raise InputError("a reader is a table", file=path, value=entry, remedy='Write [[reader]] and name = "…"')
    table = cast("dict[str, Any]", entry)
    for key, value in table.items():
        if key not in _KEYS:
            raise InputError(
                "a reader has no such key", file=path, column=key, remedy=f"Use one of: {', '.join(_KEYS)}"
            )
        if not isinstance(value, _KEYS[key]) or (isinstance(value, bool) and bool not in _KEYS[key]):
            kind = _KEYS[key][0].__name__
            raise InputError(f"this is no {kind}", file=path, column=key, value=value, remedy="Mend the value")
    if "name" not in table:
        raise InputError("a reader has no name", file=path, column="name", remedy='Add name = "…"')
    role = table.get("role", "reader")
    if role not in ("reader", "adjudicator"):
        raise InputError(
            "there is no such role", file=path, column="role", value=role, remedy="Use reader or adjudicator"
        )
    patterns = table.get("images", ["*"])
    if not patterns or not all(isinstance(pattern, str) for pattern in patterns):
        raise InputError(
            "images is no list of patterns", file=path, column="images", remedy='Write images = ["series-a/*"]'
        )
    blinded = table.get("blind", blind and role == "reader")
    try:
        return Reader(
            name=table["name"],
            role=role,
            images=tuple(patterns),
            blind=blinded,
            proposals=table.get("proposals", not blinded),
            second_share=float(table.get("second_share", 0.0)),
            second_after_days=float(table.get("second_after_days", 14.0)),
        )
    except InputError as error:
        raise error.at(file=path) from error


# ------------------------------------------------------------------------------------------------------- consensus


@dataclass(frozen=True, eq=False)
class Consensus:
    """What several points of one landmark have in common, in their unit.

    Args:
        point: (2,) the geometric median.
        distances: (N,) of each point to it.
        outliers: (N,) which of them lie far off.
        spread: the median distance.
    """

    point: FloatArray
    distances: FloatArray
    outliers: np.ndarray
    spread: float


def consensus(points: FloatArray) -> Consensus:
    """The consensus of (N, 2) points, N at least 1. With fewer than 3 there is no telling who is off, and nobody is."""
    from radmark.agree.consensus import (
        geometric_median,  # its room loads scipy's statistics, which the page can do without
    )

    middle = geometric_median(points)
    distances = np.hypot(*(points - middle).T)
    outliers = np.zeros(len(points), bool)
    if len(points) >= 3:
        for i in range(len(points)):
            others = float(np.median(np.delete(distances, i)))
            outliers[i] = distances[i] > max(OUTLIER_FACTOR * others, OUTLIER_PX)
    return Consensus(middle, distances, outliers, float(np.median(distances)))
