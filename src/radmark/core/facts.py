"""Facts of a film: what is known of it beside its pixels, each with who says so.

A fact comes from the film's header, from a column of the annotation table, from the user (a flag, a request's parameter, the
page) or is inferred from the points. The user goes before the table, the table before the header, the header before inference;
where two of them differ a finding names both.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, cast

from radmark.core.errors import InputError
from radmark.core.finding import Finding, check, stop

Side = Literal["left", "right"]
"""The patient's."""


class FactSource(StrEnum):
    """Who says so; in the order of precedence."""

    USER = "user"  # a flag, a request's parameter, the page
    TABLE = "table"  # a column of the annotation table
    HEADER = "header"  # the film's own file
    INFERRED = "inferred"  # from the points


_PRECEDENCE = {source: rank for rank, source in enumerate(FactSource)}


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact.

    Args:
        name: a key of `FACTS`.
        value: as `FACTS` says; already checked.
        source: who says so.
    """

    name: str
    value: object
    source: FactSource

    @property
    def text(self) -> str:
        """The value as a cell of a table holds it; `fact` reads it back."""
        value = self.value
        return ",".join(map(str, cast("tuple[float, ...]", value))) if isinstance(value, tuple) else str(value)


@dataclass(frozen=True, slots=True)
class FactKind:
    """What a fact is.

    Args:
        words: what it says, for the docs and for errors; unit and range included.
        read: a cell, a flag or a header's text to its value; raises ValueError.
        disagree: how far it reaches where the table and the header contradict each other: "stop" where a wrong one turns a sign.
    """

    words: str
    read: Callable[[str], object]
    disagree: Callable[..., Finding] = check


def _one_of(*words: str) -> Callable[[str], object]:
    def read(text: str) -> object:
        word = text.strip().lower()
        short = {word[0]: word for word in words if words != ("standard", "mirrored", "unknown")}
        word = short.get(word, word)
        if word not in words:
            raise ValueError
        return word

    return read


def _number(low: float, high: float) -> Callable[[str], object]:
    def read(text: str) -> object:
        value = float(text)
        if not (math.isfinite(value) and low <= value <= high):
            raise ValueError
        return value

    return read


def _date(text: str) -> object:
    """ISO 8601 or DICOM's YYYYMMDD, as ISO."""
    found = re.fullmatch(r"(\d{4})-?(\d{2})-?(\d{2})", text.strip())
    if found is None or not (1 <= int(found[2]) <= 12 and 1 <= int(found[3]) <= 31):
        raise ValueError
    return "-".join(found.groups())


def _names_and_mm(text: str) -> object:
    """ "25.4" or "NAME,NAME,25.4", as written: calibration says what it means."""
    if not text.strip() or not 0 < float(text.split(",")[-1]) < 3000:
        raise ValueError
    return text.strip()


def _four_mm(text: str) -> object:
    values = tuple(float(part) for part in text.split(","))
    if len(values) != 4 or not all(map(math.isfinite, values)) or not 0 <= values[1] < 0.7 * values[0]:
        raise ValueError
    return values


def _word(text: str) -> object:
    if not text.strip():
        raise ValueError
    return text.strip()


FACTS: Mapping[str, FactKind] = {
    "patient": FactKind("whose film it is", _word),
    "side": FactKind("the patient's side on a film of one side: left or right", _one_of("left", "right"), stop),
    "display": FactKind(
        "how the film lies: standard (the patient's right on the left of the picture), mirrored or unknown",
        _one_of("standard", "mirrored", "unknown"),
        stop,
    ),
    "operated": FactKind("the operated side: left or right", _one_of("left", "right"), stop),
    "view": FactKind("projection, such as AP", _word),
    "date": FactKind("the day of the film: YYYY-MM-DD", _date),
    "head_mm": FactKind("diameter of the prosthetic head in mm: MM or NAME,NAME,NAME,MM", _names_and_mm),
    "ball_mm": FactKind(
        "diameter of a marker ball in mm, with landmarks on its outline: NAME,NAME,…,MM", _names_and_mm
    ),
    "known_mm": FactKind("two landmarks and their true distance in mm: NAME,NAME,MM", _names_and_mm),
    "magnification": FactKind("how much larger the film shows the patient: 1 to 1.6", _number(1.0, 1.6)),
    "pelvic_tilt_deg": FactKind(
        "posterior tilt of the pelvis on the film in degrees, negative forwards: -60 to 60", _number(-60, 60)
    ),
    "cone_beam": FactKind(
        "where the cup is in the beam: SID,HEIGHT,LATERAL,UP in mm, HEIGHT above the detector and below 0.7 of SID",
        _four_mm,
    ),
}
"""The facts there are, by name; also the names of their columns."""


def fact(name: str, text: str, source: FactSource) -> Fact:
    """A fact from its text.

    Raises:
        InputError: there is no such fact, or the text is no value of it.
    """
    kind = FACTS.get(name)
    if kind is None:
        raise InputError("there is no such fact of a film", value=name, remedy=f"Use one of: {', '.join(FACTS)}")
    try:
        return Fact(name, kind.read(text), source)
    except ValueError:
        raise InputError(f"this is not a value of {name}", value=text, remedy=f"Give {kind.words}") from None


def chosen(facts: Sequence[Fact], name: str) -> Fact | None:
    """The fact of that name that goes before the others; None where nobody says."""
    of_name = [fact for fact in facts if fact.name == name]
    return min(of_name, key=lambda fact: _PRECEDENCE[fact.source], default=None)


def contradictions(facts: Sequence[Fact]) -> tuple[Finding, ...]:
    """A finding for each fact that two sources state differently. A patient's name or number is never repeated.

    Where the user's own word overrules a file, it is a thing to check; where two files differ and a wrong side would turn a sign,
    no number that depends on it may be used.
    """
    found: list[Finding] = []
    for name, kind in FACTS.items():
        used = chosen(facts, name)
        others = [f for f in facts if f.name == name and used is not None and f.value != used.value]
        if used is None or not others:
            continue
        other = min(others, key=lambda f: _PRECEDENCE[f.source])
        if name == "patient":
            words = f"the {used.source} and the {other.source} name different patients; the {used.source}'s is used"
        else:
            words = f"{name}: the {used.source} says {used.value}, the {other.source} says {other.value}; {used.value} is used"
        severity = check if used.source is FactSource.USER else kind.disagree
        found.append(severity(f"{name}_contradicted", words, name))
    return tuple(found)
