"""Landmarks of one radiograph: a point on a frame and a state for each landmark of a scheme."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from radmark.core.errors import InputError
from radmark.core.frame import FloatArray, Frame
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


@dataclass(frozen=True, eq=False)
class Landmarks:
    """(K, 2) points, x right and y down in pixels of `frame`, (0, 0) the centre of the top-left pixel, and (K,) states.

    A landmark has finite coordinates exactly when its state is present or occluded; the rest are NaN. Both arrays are
    read-only. A point may lie outside the frame (a cropped film); `frame.holds` tells.

    Raises:
        InputError: shapes do not match the scheme, a state is unknown, or a point contradicts its state.
    """

    scheme: Scheme
    frame: Frame
    points: FloatArray
    states: NDArray[np.int8]

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
            raise InputError(
                f"landmark {self.scheme.names[i]} is {State(int(states[i])).label}, which its coordinates contradict",
                value=points[i].tolist(),
                remedy="A present or occluded landmark has finite coordinates, any other has none",
            )
        points[states > State.OCCLUDED] = np.nan
        points.flags.writeable = False
        states.flags.writeable = False
        object.__setattr__(self, "points", points)
        object.__setattr__(self, "states", states)

    @classmethod
    def present(cls, scheme: Scheme, frame: Frame, points: FloatArray) -> "Landmarks":
        """Landmarks from points alone: a finite point is present, a NaN is not annotated."""
        finite = np.isfinite(points).all(axis=1)
        states = np.where(finite, State.PRESENT, State.NOT_ANNOTATED).astype(np.int8)
        return cls(scheme, frame, points, states)

    @classmethod
    def of(cls, scheme: Scheme, frame: Frame, placed: Mapping[str, tuple[float, float]]) -> "Landmarks":
        """Landmarks by name; those not named are not annotated.

        Raises:
            InputError: a name is not in the scheme.
        """
        points = np.full((len(scheme), 2), np.nan)
        for name, xy in placed.items():
            points[scheme.index(name)] = xy
        return cls.present(scheme, frame, points)

    @property
    def placed(self) -> NDArray[np.bool_]:
        """(K,) which landmarks have a position: the present and the occluded. Only these are scored."""
        return self.states <= State.OCCLUDED

    def __getitem__(self, name: str) -> FloatArray:
        """The (2,) point of a landmark by name; NaN where it has none."""
        return self.points[self.scheme.index(name)]
