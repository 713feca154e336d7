"""What may come in over the wire, and what goes out: docs/annotate-api.md as types. Nothing here knows a store or a server."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from radmark.core.finding import Finding
from radmark.core.frame import Spacing
from radmark.core.report import Result
from radmark.web.rows import Counts, Item, MarkRow

StateWord = Literal["present", "occluded", "absent", "not_annotated"]
HowWord = Literal["placed", "moved", "keyed", "accepted", "adjudicated", "state", "undo"]


def _storable(text: str) -> str:
    """Text both databases can keep: PostgreSQL has no NUL, and half a surrogate pair is no character."""
    if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise ValueError("it holds a character that is none")
    return text


Text = Annotated[str, AfterValidator(_storable)]
Coordinate = Annotated[float, Field(ge=-1e6, le=1e6)]
Point = tuple[Coordinate, Coordinate]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class EventBody(_Body):
    """One change of one landmark."""

    event_id: UUID
    base_version: int = Field(ge=0, le=2**31 - 2, strict=True)
    landmark: Text = Field(max_length=200)
    x: Coordinate | None
    y: Coordinate | None
    state: StateWord
    how: HowWord


class CommentBody(_Body):
    """What a reader says of an image."""

    text: Text = Field(max_length=4000)


class CalibrationBody(_Body):
    """Two points of a known distance, or points on the rim of a ball of known diameter, in pixels; or nothing any more."""

    kind: Literal["line", "circle", "none"]
    points: list[Point] = Field(default=[], max_length=64)
    mm: float | None = Field(default=None, gt=0, lt=3000)


class TimeBody(_Body):
    """Time spent since the last report."""

    event_id: UUID
    seconds: float = Field(ge=0, le=3600)
    with_proposal: bool = Field(strict=True)


class DoneBody(_Body):
    """Whether the reader is done with an image."""

    done: bool = Field(strict=True)


class EmptyBody(_Body):
    """Nothing to say."""


def spacing_json(spacing: Spacing | None) -> dict[str, Any] | None:
    """Millimetres per pixel, and where they came from."""
    return spacing and {"x_mm": spacing.x_mm, "y_mm": spacing.y_mm, "source": spacing.source.value}


def counts_json(counts: Counts) -> dict[str, int]:
    """How far a reader is."""
    return {"items": counts.items, "done": counts.done, "started": counts.started, "untouched": counts.untouched}


def item_json(item: Item, n_landmarks: int, *, blind: bool) -> dict[str, Any]:
    """A line of the list."""
    return {
        "id": item.id,
        "name": item.name,
        "width": item.frame.width,
        "height": item.frame.height,
        "spacing": spacing_json(item.frame.spacing),
        "reading": item.reading,
        "n_placed": item.n_placed,
        "n_marked": item.n_marked,
        "n_landmarks": n_landmarks,
        "done": item.done,
        "comment": item.comment,
        "uncertainty": None if blind else item.uncertainty,
    }


def mark_json(mark: MarkRow) -> dict[str, Any]:
    """What stands for a landmark."""
    return {
        "x": mark.x,
        "y": mark.y,
        "state": mark.state,
        "how": mark.how,
        "version": mark.version,
        "by": mark.by,
        "at": mark.at,
    }


def finding_json(finding: Finding) -> dict[str, str]:
    """What has to be known of a film or a number."""
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "words": finding.words,
        "about": finding.about,
    }


_OF_RESULT = (
    "key", "title", "side", "value", "unit", "words", "points", "line", "sign", "source", "mm_from", "usable", "reason",
)  # fmt: skip


def result_json(result: Result) -> dict[str, Any]:
    """A measurement; `flags` are the words of its findings."""
    return {
        **{key: getattr(result, key) for key in _OF_RESULT},
        "flags": list(result.flags),
        "findings": [finding_json(finding) for finding in result.findings],
        "missing": list(result.missing),
    }
