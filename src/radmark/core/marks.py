"""Marks: what one author says of one film. A point and a state for each landmark of a scheme, and how each came to be."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radmark.core.errors import InputError
from radmark.core.frame import FloatArray, Frame, Inset
from radmark.core.scheme import Scheme


class State(IntEnum):
    """What is known of a landmark. The first two have a position, the last two do not."""

    PRESENT = 0  # seen and placed
    OCCLUDED = 1  # hidden (by metal, by overlap), placed all the same
    ABSENT = 2  # looked for and not in the picture: trains an empty map
    NOT_ANNOTATED = 3  # nobody looked: trains nothing

    @property
    def label(self) -> str:
        """The word used in files: present, occluded, absent, not_annotated."""
        return self.name.lower()


class Origin(StrEnum):
    """How a mark came to be."""

    PLACED = "placed"  # by a person
    MOVED = "moved"  # by a person, from where it was
    ACCEPTED = "accepted"  # a model's proposal that a person took as it stands
    IMPORTED = "imported"  # from a file that does not say
    PREDICTED = "predicted"  # by a model, and nobody looked


@dataclass(frozen=True, slots=True)
class Reader:
    """A person who marks films.

    Args:
        name: who.
        reading: which pass over the films; "" for the only one or the first.
    """

    name: str
    reading: str = ""

    def __str__(self) -> str:
        return ", ".join(part for part in (self.name, self.reading and f"reading {self.reading}") if part)


@dataclass(frozen=True, slots=True)
class Model:
    """A trained model. Two of one sha256 are one, whatever they are called.

    Args:
        sha256: of its file; "" where nobody knows it.
        name: what people call it.
    """

    sha256: str
    name: str = field(default="model", compare=False)

    def __str__(self) -> str:
        short = self.sha256[:12]
        return self.name if short in self.name else f"{self.name} {short}"


@dataclass(frozen=True, slots=True)
class Consensus:
    """What several readers agree on."""

    of: tuple[str, ...]

    def __str__(self) -> str:
        return "consensus"


Author = Reader | Model | Consensus


@dataclass(frozen=True, slots=True)
class Mark:
    """One landmark on one film: x right, y down, pixels, (0, 0) the centre of the top-left pixel.

    Args:
        state: what is known of it.
        x: of its point; NaN where it has none.
        y: of its point; NaN where it has none.
        confidence: in [0, 1], where a model says.
        origin: how it came to be, where that is known.
        presence: probability that it is in the picture, where a model says.
        covariance: of the point, (xx, xy, yy) in px², where a model says.

    Raises:
        InputError: a present or occluded landmark without a finite point, or any other with one.
    """

    state: State
    x: float = math.nan
    y: float = math.nan
    confidence: float | None = None
    origin: Origin | None = None
    presence: float | None = None
    covariance: tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        for axis in ("x", "y"):  # one NaN for all, so that two marks without a point are equal
            value = float(getattr(self, axis))
            object.__setattr__(self, axis, math.nan if math.isnan(value) else value)
        if (math.isfinite(self.x) and math.isfinite(self.y)) != self.placed:
            raise _contradiction("a landmark", self.state, self.point)

    @property
    def placed(self) -> bool:
        """Whether it has a position."""
        return self.state <= State.OCCLUDED

    @property
    def point(self) -> tuple[float, float]:
        """(x, y), or two NaN."""
        return (self.x, self.y)


NOT_ANNOTATED = Mark(State.NOT_ANNOTATED)
ABSENT = Mark(State.ABSENT)


def present(x: float, y: float) -> Mark:
    """A landmark that was seen and placed."""
    return Mark(State.PRESENT, x, y)


def _contradiction(which: str, state: State, value: object) -> InputError:
    return InputError(
        f"{which} is {state.label}, which its coordinates contradict",
        value=value,
        remedy="A present or occluded landmark has finite coordinates, any other has none",
    )


@dataclass(frozen=True, eq=False, repr=False)
class Marks:
    """(K, 2) points, x right and y down in pixels of the film, (0, 0) the centre of the top-left pixel, and (K,) states.

    A landmark has finite coordinates exactly when its state is present or occluded; the rest are NaN. Arrays are read-only. A
    point may lie outside the frame (a cropped film); `frame.holds` tells.

    Args:
        scheme: the K landmarks.
        on: the film's grid; None where a file states no size. Ask for it as `frame`.
        points: (K, 2).
        states: (K,) of `State`.
        film: the film's name in its study.
        author: who says so; None where nobody is named.
        origins: (K,) how each came to be; None where a file does not say. Empty: of all.
        confidence: (K,) in [0, 1], NaN where nothing was placed; None where the author is no model. Not yet calibrated.
        presence: (K,) probability that the landmark is in the picture; None where no model says.
        covariance: (K, 2, 2) of each point in px²; None where no model says.

    Raises:
        InputError: shapes do not match the scheme, a state is unknown, a point contradicts its state, a number out of range.
    """

    scheme: Scheme
    on: Frame | None
    points: FloatArray
    states: NDArray[np.int8]
    film: str = ""
    author: Author | None = None
    origins: tuple[Origin | None, ...] = ()
    confidence: FloatArray | None = None
    presence: FloatArray | None = None
    covariance: FloatArray | None = None

    def __post_init__(self) -> None:
        points = np.array(self.points, dtype=np.float64)
        states = np.array(self.states, dtype=np.int8)
        k = len(self.scheme)
        if points.shape != (k, 2) or states.shape != (k,):
            raise InputError(
                f"scheme {self.scheme.name} has {k} landmarks, so {k} points and {k} states are needed",
                value=f"points {points.shape}, states {states.shape}",
                remedy="Give one point and one state for each landmark",
            )
        if not np.isin(states, list(State)).all():
            raise InputError(
                "a landmark has a state there is not",
                value=states.tolist(),
                remedy=f"Use {', '.join(f'{int(s)} ({s.label})' for s in State)}",
            )
        wrong = np.isfinite(points).all(axis=1) != (states <= State.OCCLUDED)
        if wrong.any():
            i = int(np.flatnonzero(wrong)[0])
            raise _contradiction(f"landmark {self.scheme.names[i]}", State(int(states[i])), points[i].tolist())
        points[states > State.OCCLUDED] = np.nan
        _keep(self, "points", points)
        _keep(self, "states", states)
        if len(self.origins) not in (0, k):
            raise InputError("one origin for each landmark is needed", value=len(self.origins), remedy=f"Give {k}")
        for name in ("confidence", "presence"):
            _keep(self, name, _shares(name, getattr(self, name), k))
        if self.covariance is not None:
            _keep(self, "covariance", _covariance(self.covariance, k))

    @classmethod
    def present(cls, scheme: Scheme, frame: Frame | None, points: FloatArray, **more: Any) -> "Marks":
        """Marks from points alone: a finite point is present, a NaN is not annotated; `more` as in the class."""
        finite = np.isfinite(points).all(axis=1)
        states = np.where(finite, State.PRESENT, State.NOT_ANNOTATED).astype(np.int8)
        return cls(scheme, frame, points, states, **more)

    @classmethod
    def of(
        cls, scheme: Scheme, frame: Frame | None, placed: Mapping[str, "Mark | tuple[float, float]"], **more: Any
    ) -> "Marks":
        """Marks by the landmarks' names; those not named are not annotated; `more` as in the class.

        Raises:
            InputError: a name is not in the scheme.
        """
        points = np.full((len(scheme), 2), np.nan)
        states = np.full(len(scheme), State.NOT_ANNOTATED, np.int8)
        confidence, presence = np.full(len(scheme), np.nan), np.full(len(scheme), np.nan)
        covariance = np.full((len(scheme), 2, 2), np.nan)
        origins: list[Origin | None] = [None] * len(scheme)
        for name, given in placed.items():
            mark = given if isinstance(given, Mark) else present(*given)
            k = scheme.index(name)
            points[k], states[k], origins[k] = mark.point, mark.state, mark.origin
            confidence[k] = math.nan if mark.confidence is None else mark.confidence
            presence[k] = math.nan if mark.presence is None else mark.presence
            if mark.covariance is not None:
                xx, xy, yy = mark.covariance
                covariance[k] = (xx, xy), (xy, yy)
        for field_, values in (("confidence", confidence), ("presence", presence), ("covariance", covariance)):
            more.setdefault(field_, None if np.isnan(values).all() else values)
        more.setdefault("origins", tuple(origins) if any(origins) else ())
        return cls(scheme, frame, points, states, **more)

    @property
    def frame(self) -> Frame:
        """The film's grid.

        Raises:
            InputError: the file these marks are from states no size.
        """
        if self.on is None:
            raise InputError(
                "the size of the film is needed, and its annotation file does not state it",
                value=self.film or None,
                remedy="Give the folder of the films (--films)",
            )
        return self.on

    @property
    def placed(self) -> NDArray[np.bool_]:
        """(K,) which landmarks have a position: the present and the occluded. Only these are scored."""
        return self.states <= State.OCCLUDED

    @property
    def said(self) -> bool:
        """Whether anything is said of any landmark."""
        return bool((self.states != State.NOT_ANNOTATED).any())

    def __getitem__(self, name: str) -> FloatArray:
        """The (2,) point of a landmark by name; NaN where it has none."""
        return self.points[self.scheme.index(name)]

    def mark(self, name: str) -> Mark:
        """What is said of a landmark; not annotated where the scheme does not have it."""
        if name not in self.scheme.names:
            return NOT_ANNOTATED
        k = self.scheme.index(name)

        def number(values: FloatArray | None) -> float | None:
            return None if values is None or math.isnan(values[k]) else float(values[k])

        spread = None if self.covariance is None or np.isnan(self.covariance[k]).any() else self.covariance[k]
        x, y = self.points[k].tolist()
        return Mark(
            State(int(self.states[k])),
            x,
            y,
            number(self.confidence),
            self.origins[k] if self.origins else None,
            number(self.presence),
            None if spread is None else (float(spread[0, 0]), float(spread[0, 1]), float(spread[1, 1])),
        )

    @property
    def reader(self) -> str | None:
        """The name of whoever made them, as tables state it; None where nobody is named or a model did."""
        if isinstance(self.author, Reader):
            return self.author.name or None
        return "consensus" if isinstance(self.author, Consensus) else None

    @property
    def reading(self) -> str:
        """Which reading of this reader's it is; "" for the only one."""
        return self.author.reading if isinstance(self.author, Reader) else ""

    @property
    def model(self) -> Model | None:
        """The model that made them, if one did."""
        return self.author if isinstance(self.author, Model) else None

    @property
    def who(self) -> str:
        """Film and author, for messages."""
        return self.film if self.author is None else f"{self.film} ({self.author})"

    def by(self, author: Author | None) -> "Marks":
        """The same marks, said to be this author's."""
        return replace(self, author=author)

    def framed(self, frame: Frame) -> "Marks":
        """The same points on a grid whose size or millimetres are known better; no point moves."""
        return replace(self, on=frame)

    def in_scheme(self, scheme: Scheme) -> "Marks":
        """The landmarks of `scheme`, in its order; those these marks say nothing of are not annotated."""
        if scheme.names == self.scheme.names:
            return self if scheme is self.scheme else replace(self, scheme=scheme)
        places = [self.scheme.names.index(name) if name in self.scheme.names else -1 for name in scheme.names]
        at = np.array(places)
        there = at >= 0

        def taken(values: NDArray[Any] | None, fill: float) -> NDArray[Any] | None:
            if values is None:
                return None
            new = np.full((len(scheme), *values.shape[1:]), fill, values.dtype)
            new[there] = values[at[there]]
            return new

        points, states = taken(self.points, np.nan), taken(self.states, State.NOT_ANNOTATED)
        assert points is not None
        assert states is not None
        return replace(
            self,
            scheme=scheme,
            points=points,
            states=states,
            origins=tuple(self.origins[i] if i >= 0 else None for i in places) if self.origins else (),
            confidence=taken(self.confidence, np.nan),
            presence=taken(self.presence, np.nan),
            covariance=taken(self.covariance, np.nan),
        )

    def moved(self, inset: Inset) -> "Marks":
        """These marks, made on the inset's target grid, on its source film. The only place where coordinates change grid.

        Points go through `inset.to_source`; covariances are divided by the square of its scale.
        """
        covariance = None if self.covariance is None else self.covariance / inset.scale**2
        return replace(self, on=inset.source, points=inset.to_source(self.points), covariance=covariance)

    def __repr__(self) -> str:
        by = "" if self.author is None else f" by {self.author}"
        lines = [f"Marks of {self.film or 'a film'}{by}: {int(self.placed.sum())} of {len(self.scheme)} placed"]
        shown = 12
        for k, name in enumerate(self.scheme.names[:shown]):
            x, y = self.points[k]
            where = f"({x:.1f}, {y:.1f})" if self.placed[k] else State(int(self.states[k])).label
            lines.append(f"  {name:<32} {where}")
        if len(self.scheme) > shown:
            lines.append(f"  … {len(self.scheme) - shown} more")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(
            f"<tr><td>{escape(name)}</td><td>{State(int(s)).label}</td><td>{x:.1f}</td><td>{y:.1f}</td></tr>"
            for name, s, (x, y) in zip(self.scheme.names, self.states, self.points, strict=True)
        )
        return f"<table><tr><th>landmark</th><th>state</th><th>x (px)</th><th>y (px)</th></tr>{rows}</table>"


def _keep(marks: Marks, name: str, value: NDArray[Any] | None) -> None:
    if value is not None:
        value.flags.writeable = False
    object.__setattr__(marks, name, value)


def _shares(name: str, given: "FloatArray | Sequence[float] | None", k: int) -> FloatArray | None:
    if given is None:
        return None
    values = np.array(given, dtype=np.float64)
    known = values[np.isfinite(values)]
    if values.shape != (k,) or ((known < 0) | (known > 1)).any():
        raise InputError(
            f"{name} is one number in [0, 1] for each landmark",
            value=values.tolist(),
            remedy="Give one for each landmark of the scheme",
        )
    return values


def _covariance(given: FloatArray, k: int) -> FloatArray:
    values = np.array(given, dtype=np.float64)
    if values.shape != (k, 2, 2):
        raise InputError(
            "covariance is a 2 x 2 matrix for each landmark", value=values.shape, remedy=f"Give shape ({k}, 2, 2)"
        )
    return values
