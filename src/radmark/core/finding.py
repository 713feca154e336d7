"""What has to be known of a film, a landmark or a number: a finding."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How far a finding reaches."""

    NOTE = "note"  # worth knowing; the number stands
    CHECK = "check"  # look before the number is used
    STOP = "stop"  # no number may rest on it


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that has to be known.

    Args:
        code: the same in every version, for programs: `orientation_unknown`.
        severity: how far it reaches.
        words: a plain sentence for people. Never a value that could be a patient's name.
        about: what it concerns: "film", "side", "display", "millimetres", a landmark's name, a measurement's key.
    """

    code: str
    severity: Severity
    words: str
    about: str = "film"

    def __str__(self) -> str:
        return self.words


def note(code: str, words: str, about: str = "film") -> Finding:
    """Worth knowing."""
    return Finding(code, Severity.NOTE, words, about)


def check(code: str, words: str, about: str = "film") -> Finding:
    """To be looked at before a number is used."""
    return Finding(code, Severity.CHECK, words, about)


def stop(code: str, words: str, about: str = "film") -> Finding:
    """No number may rest on it."""
    return Finding(code, Severity.STOP, words, about)
