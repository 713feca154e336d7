"""A landmark scheme: which points, in which order, what each means, and which are left and right of the same thing."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from radmark.core.errors import InputError

_SIDES = {"left": "right", "l": "r"}


@dataclass(frozen=True, slots=True)
class LandmarkDefinition:
    """A landmark's name and, in one sentence, where on the anatomy it is."""

    name: str
    definition: str = ""


@dataclass(frozen=True)
class Scheme:
    """Ordered landmarks of one kind of radiograph.

    Sides are the patient's. `pairs` are (right, left) names; `edges` are lines worth drawing.

    Raises:
        InputError: no landmark, a name twice, a pair or an edge that names an unknown landmark, or a landmark with two
            partners.
    """

    name: str
    landmarks: tuple[LandmarkDefinition, ...]
    title: str = ""
    source: str = ""
    pairs: tuple[tuple[str, str], ...] = field(default=())
    edges: tuple[tuple[str, str], ...] = field(default=())

    def __post_init__(self) -> None:
        if not self.landmarks:
            raise InputError("a scheme needs at least one landmark", value=self.name, remedy="Add a [[landmark]]")
        names = self.names
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InputError(
                "a landmark name appears twice in a scheme", value=", ".join(twice), remedy="Give each its own name"
            )
        for kind, lines in (("pair", self.pairs), ("edge", self.edges)):
            for name in (end for line in lines for end in line):
                if name not in names:
                    raise InputError(
                        f"a {kind} names a landmark that scheme {self.name} does not have",
                        value=name,
                        remedy=f"Use one of: {', '.join(names)}",
                    )
        partners: dict[str, str] = {}
        for one, other in (ends for pair in self.pairs for ends in (pair, pair[::-1])):
            if partners.setdefault(one, other) != other:
                raise InputError(
                    f"a landmark of scheme {self.name} has two partners", value=one, remedy="Leave it in one pair"
                )

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The landmark names in scheme order."""
        return tuple(landmark.name for landmark in self.landmarks)

    @cached_property
    def mirrored(self) -> tuple[int, ...]:
        """In scheme order, the index of the landmark on the other side; of the landmark itself where it has no partner."""
        partner = {one: other for pair in self.pairs for one, other in (pair, pair[::-1])}
        return tuple(self.index(partner.get(name, name)) for name in self.names)

    def __len__(self) -> int:
        return len(self.landmarks)

    def index(self, name: str) -> int:
        """Position of a landmark.

        Raises:
            InputError: the scheme has no such landmark.
        """
        if name not in self.names:
            raise InputError(
                f"scheme {self.name} has no such landmark", value=name, remedy=f"Use one of: {', '.join(self.names)}"
            )
        return self.names.index(name)

    @classmethod
    def from_names(cls, names: Sequence[str], name: str = "custom") -> "Scheme":
        """A scheme out of bare names, its left/right pairs read from the names."""
        return cls(name=name, landmarks=tuple(LandmarkDefinition(n) for n in names), pairs=paired(names))

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> "Scheme":
        """A scheme out of what `dataclasses.asdict` made of one, also after a way through JSON."""
        return cls(
            name=tree["name"],
            landmarks=tuple(LandmarkDefinition(**landmark) for landmark in tree["landmarks"]),
            title=tree["title"],
            source=tree["source"],
            pairs=tuple((a, b) for a, b in tree["pairs"]),
            edges=tuple((a, b) for a, b in tree["edges"]),
        )


def other_side(name: str) -> str | None:
    """The name of the same landmark on the other side (`hip_left` -> `hip_right`, `L_hip` -> `R_hip`), or None."""
    swap = {**_SIDES, **{v: k for k, v in _SIDES.items()}}
    parts = re.split(r"([_\-. ])", name)
    for i, part in enumerate(parts):
        partner = swap.get(part.lower())
        if partner is not None:
            cased = partner.upper() if part.isupper() else partner.capitalize() if part[0].isupper() else partner
            return "".join([*parts[:i], cased, *parts[i + 1 :]])
    return None


def paired(names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The (right, left) pairs among `names`, in the order of their right member."""
    rights = [n for n in names if any(part.lower() in ("right", "r") for part in re.split(r"[_\-. ]", n))]
    return tuple((n, other) for n in rights if (other := other_side(n)) in names)


def one_sided(names: Sequence[str]) -> tuple[str, ...]:
    """The names that say left or right while their partner is not among `names`."""
    return tuple(n for n in names if (other := other_side(n)) is not None and other not in names)


_LIKE_A_SIDE = re.compile(
    r"(?i:left|right|links|rechts)|(?<![A-Za-z])(?i:lt|rt)(?![A-Za-z])"  # hipLeft, hip_lt
    r"|(?<=[a-z0-9])[LR](?![a-z])|^[LR](?=[A-Z])"  # cupL, LHip
)


def unpaired_sides(scheme: Scheme) -> tuple[str, ...]:
    """Landmarks in no pair whose names look like the two sides of one (`cupL`, `cupR`), written as radmark does not pair them."""
    in_pairs = {name for pair in scheme.pairs for name in pair}
    alike: dict[str, list[str]] = {}
    for name in scheme.names:
        if name not in in_pairs and _LIKE_A_SIDE.search(name):
            alike.setdefault(_LIKE_A_SIDE.sub("#", name).lower(), []).append(name)
    return tuple(name for names in alike.values() if len(names) > 1 for name in names)
