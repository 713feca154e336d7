"""Who reads which films, and what they may see.

A readers file is TOML, once for each reader a table [[reader]] with `name` and, where wanted, `role` ("reader" or
"adjudicator"), `images` (patterns such as "series-a/*"; all by default), `blind` (sees neither others' points nor proposals),
`proposals` (may see the model's; by default where not blind), and `second_share` with `second_after_days`: the share of the films
to be read a second time, and how long after the first.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from radmark.core.errors import InputError
from radmark.trees import converted, read_toml
from radmark.web.films import matching

Role = Literal["reader", "adjudicator"]


@dataclass(frozen=True)
class Account:
    """Somebody who reads films, and how: what core calls a reader, with settings.

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


@dataclass(frozen=True)
class _Entry:
    """One [[reader]] as it is written; None: as the other settings have it."""

    name: str
    role: Role = "reader"
    images: tuple[str, ...] = ("*",)
    blind: bool | None = None
    proposals: bool | None = None
    second_share: float = 0.0
    second_after_days: float = 14.0

    def account(self, blind: bool) -> Account:
        blinded = blind and self.role == "reader" if self.blind is None else self.blind
        proposals = not blinded if self.proposals is None else self.proposals
        return Account(self.name, self.role, self.images, blinded, proposals, self.second_share, self.second_after_days)


@dataclass(frozen=True)
class _File:
    """A file of readers."""

    reader: tuple[_Entry, ...]


def read_readers(path: Path, *, blind: bool = False) -> tuple[Account, ...]:
    """The readers of a file; `blind` hides other readings from everyone except adjudicators.

    Raises:
        InputError: the file is not as the module says; the reader and the key are named.
    """
    entries = converted(read_toml("file of readers", path), _File, file=path, what="file of readers").reader
    if not entries:
        raise InputError("the file lists no reader", file=path, remedy='Write [[reader]] and name = "…" for each')
    if empty := next((entry for entry in entries if not entry.images), None):
        raise InputError(
            "a reader has no images",
            file=path,
            column="images",
            value=empty.name,
            remedy='Write images = ["series-a/*"]',
        )
    try:
        readers = tuple(entry.account(blind) for entry in entries)
    except InputError as error:
        raise error.at(file=path) from error
    names = [reader.name for reader in readers]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(
            "a reader appears twice in the file", file=path, value=twice[0], remedy="Give each their own name"
        )
    return readers
