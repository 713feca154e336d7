"""A film: one radiograph, with what is known of it. Pixels load when they are asked for."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from radmark.core.errors import InputError
from radmark.core.facts import FACTS, Fact, FactSource, Side, chosen, contradictions, fact
from radmark.core.finding import Finding, note
from radmark.core.frame import Frame, Spacing, SpacingSource

Pixels = NDArray[Any]
"""(H, W), uint8, uint16 or float32, brighter is denser (bone is bright), as stored: not windowed, not rescaled."""


UNORIENTED = note(
    "orientation_unknown", "orientation unknown: patient's right assumed on the left of the picture", "display"
)
"""Of a film of which nobody says how it lies."""

MIRRORED = note("mirrored_display", "the patient's right is on the right of the picture", "display")
"""Of a film that lies the other way round."""


@dataclass(frozen=True, eq=False, repr=False)
class Film:
    """One radiograph.

    Args:
        name: in its study, with forward slashes; unique there.
        size: (width, height) in pixels; None where no file states it.
        spacing: millimetres per pixel, with where they are from; None where unknown.
        path: of the image file; None where it is not at hand.
        part: of a split, such as "train".
        facts: side, display, patient, date, …: see `core.facts`. Several sources may state one.
        notes: what reading the file found.
        attributes: further columns of a table, as read, for stratified splits and subgroups.
        file_spacing: what the file itself states, where it can be believed; `spacing` may be somebody else's.
        frame_number: of a file of several frames, which one, from 1.
        load: gives the film with its pixels; None where there are none to load.

    Raises:
        InputError: no name, one that leads out of the folder of films, or a size of no pixel.
    """

    name: str
    size: tuple[int, int] | None = None
    spacing: Spacing | None = None
    path: Path | None = None
    part: str | None = None
    facts: tuple[Fact, ...] = ()
    notes: tuple[Finding, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict[str, str])
    file_spacing: Spacing | None = None
    frame_number: int | None = None
    load: "Callable[[Film], Film] | None" = None
    _pixels: Pixels | None = None

    def __post_init__(self) -> None:
        # Files of Linux may have a backslash in their names; on Windows it parts folders, as the slash does.
        parts = self.name.replace("\\", "/").split("/")
        if not self.name.strip() or "\0" in self.name or not parts[0]:
            raise InputError("not a valid film name", value=self.name, remedy="Give a path inside the folder of films")
        if ".." in parts or (len(parts[0]) == 2 and parts[0][1] == ":"):
            raise InputError(
                "a film's name leads out of the folder of films", value=self.name, remedy="Give a path inside it"
            )
        if self.size is not None and min(self.size) < 1:
            raise InputError("a film needs at least one pixel", value=self.size, remedy="Check the image size")
        object.__setattr__(self, "attributes", MappingProxyType(dict(self.attributes)))
        if self._pixels is not None:
            object.__setattr__(self, "_pixels", _checked(self._pixels, self.size))

    def __getstate__(self) -> dict[str, Any]:
        # A view of a dict cannot go to another process; the dict can.
        return {**self.__dict__, "attributes": dict(self.attributes)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        object.__setattr__(self, "attributes", MappingProxyType(state["attributes"]))

    @classmethod
    def from_array(
        cls,
        pixels: Pixels,
        name: str = "film",
        *,
        spacing_mm: float | tuple[float, float] | Spacing | None = None,
        facts: Iterable[Fact] = (),
        notes: Iterable[Finding] = (),
        path: Path | None = None,
        **stated: str,
    ) -> "Film":
        """A film from its gray values.

        Args:
            pixels: (H, W) uint8, uint16 or float32, brighter is denser; seen through a read-only view.
            name: of the film.
            spacing_mm: millimetres per pixel, one number or (x, y).
            facts: as in the class.
            notes: as in the class.
            path: of the file they are from.
            stated: facts by name, as the user states them: side="left".

        Raises:
            InputError: no (H, W) array of such numbers, not finite, or a value that is no such fact.
        """
        if isinstance(spacing_mm, int | float):
            spacing_mm = (float(spacing_mm), float(spacing_mm))
        spacing = Spacing(*spacing_mm, SpacingSource.FLAG) if isinstance(spacing_mm, tuple) else spacing_mm
        if pixels.ndim != 2:
            raise InputError(
                "the pixels are not a gray picture",
                value=f"array of shape {pixels.shape}",
                remedy="Give an array of shape (height, width)",
            )
        size = (pixels.shape[1], pixels.shape[0])
        own = (*facts, *(fact(key, str(value), FactSource.USER) for key, value in stated.items()))
        return cls(name, size, spacing, path, facts=own, notes=tuple(notes), _pixels=pixels)

    @property
    def frame(self) -> Frame:
        """The film's grid.

        Raises:
            InputError: its size is unknown.
        """
        if self.size is None:
            raise InputError(
                "the size of the film is needed, and nothing states it",
                value=self.name,
                remedy="Give the folder of the films (--films)",
            )
        return Frame(*self.size, self.spacing)

    @property
    def grid(self) -> Frame | None:
        """`frame`, or None where the size is unknown."""
        return None if self.size is None else self.frame

    # --- pixels ---------------------------------------------------------------------------------------------------------

    @property
    def is_loaded(self) -> bool:
        """Whether the pixels are in memory."""
        return self._pixels is not None

    def loaded(self) -> "Film":
        """The film with its pixels in memory; this object keeps none, so a study of films stays small.

        Raises:
            InputError: the file is missing or cannot be used, or there is none.
        """
        if self._pixels is not None:
            return self
        if self.load is None:
            raise InputError(
                "the film's pixels are not at hand", value=self.name, remedy="Give the folder of the films (--films)"
            )
        return self.load(self)

    def unloaded(self) -> "Film":
        """The film without pixels in memory; where it has a file they load again when they are asked for."""
        return replace(self, _pixels=None)

    @cached_property
    def pixels(self) -> Pixels:
        """(H, W) gray values; loaded when first asked for, and kept."""
        return self._pixels if self._pixels is not None else _there(self.loaded()._pixels)

    @cached_property
    def pixel_hash(self) -> str:
        """sha256 over size, depth and gray values: the same picture under two names has the same hash."""
        head = f"{self.pixels.shape} {self.pixels.dtype} ".encode()
        return hashlib.sha256(head + np.ascontiguousarray(self.pixels).tobytes()).hexdigest()

    def normalised(self) -> NDArray[np.float32]:
        """(H, W) float32 in [0, 1], stretched from the film's own darkest to brightest value at full bit depth.

        A constant film becomes all zeros.
        """
        low, high = float(self.pixels.min()), float(self.pixels.max())
        if high == low:
            return np.zeros(self.pixels.shape, np.float32)
        return ((self.pixels.astype(np.float32) - np.float32(low)) / np.float32(high - low)).astype(np.float32)

    # --- facts ----------------------------------------------------------------------------------------------------------

    def fact(self, name: str) -> Fact | None:
        """The fact of that name, by whoever goes first; None where nobody says."""
        return chosen(self.facts, name)

    def text(self, name: str) -> str | None:
        """A fact's value as text; None where nobody says."""
        found = self.fact(name)
        return None if found is None else str(found.value)

    def number(self, name: str) -> float | None:
        """A fact's value as a number; None where nobody says."""
        found = self.fact(name)
        return float(str(found.value)) if found is not None else None

    def stated(self, **values: str | float | None) -> "Film":
        """The film with facts as the user states them; None says nothing.

        What a user said of the film before, and a file kept, counts as that file's word from then on.

        Raises:
            InputError: a value is none of that fact.
        """
        new = [fact(name, str(value), FactSource.USER) for name, value in values.items() if value is not None]
        again = {found.name for found in new}
        before = (
            replace(found, source=FactSource.TABLE)
            if found.source is FactSource.USER and found.name in again
            else found
            for found in self.facts
        )
        return replace(self, facts=(*before, *new)) if new else self

    @property
    def columns(self) -> Mapping[str, str]:
        """Attributes and facts by their columns' names: what a study is split and grouped by. The patient is not among them."""
        told = {name: found.text for name in FACTS if name != "patient" and (found := self.fact(name)) is not None}
        return {**self.attributes, **told}

    @property
    def patient(self) -> str | None:
        """Whose film it is; None where nobody says."""
        return self.text("patient")

    @property
    def owner(self) -> str:
        """The patient, or the film's own name where nobody says: a film of its own."""
        return self.patient or self.name

    @property
    def side(self) -> Side | None:
        """The patient's side, "left" or "right", on a film of one side."""
        return cast("Side | None", self.text("side"))

    @property
    def view(self) -> str | None:
        """Projection, such as "AP"."""
        return self.text("view")

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What has to be known of the film: what reading it found, and facts that contradict each other."""
        display = self.text("display")
        lies = () if display == "standard" else (MIRRORED,) if display == "mirrored" else (UNORIENTED,)
        return (*self.notes, *lies, *contradictions(self.facts))

    @property
    def flags(self) -> tuple[str, ...]:
        """The codes of the findings."""
        return tuple(finding.code for finding in self.findings)

    def __repr__(self) -> str:
        size = "size unknown" if self.size is None else f"{self.size[0]} x {self.size[1]} px"
        mm = "no millimetres" if self.spacing is None else f"{self.spacing.x_mm:g} mm ({self.spacing.source})"
        told = [f"{f.name} {f.value}" for f in self.facts if f.name != "patient"]
        return f"Film {self.name}: {', '.join([size, mm, *told])}" + (
            f"; {', '.join(self.flags)}" if self.flags else ""
        )


FilmLike = Film | Path | str | Pixels
"""What stands for a film where one is asked for: itself, its file, or its gray values."""


def _there(pixels: Pixels | None) -> Pixels:
    assert pixels is not None  # a loader gives them or raises
    return pixels


def _checked(pixels: Pixels, size: tuple[int, int] | None) -> Pixels:
    if not any(pixels.dtype == depth for depth in (np.uint8, np.uint16, np.float32)):
        raise InputError(
            "pixels are not 8-bit, 16-bit or 32-bit float gray values",
            value=str(pixels.dtype),
            remedy="Convert them to uint8, uint16 or float32",
        )
    if size is not None and pixels.shape != (size[1], size[0]):
        raise InputError(
            f"pixels do not fill a frame {size[0]} wide and {size[1]} high",
            value=f"array of shape {pixels.shape}",
            remedy="Give an array of shape (height, width)",
        )
    if pixels.dtype == np.float32 and not np.isfinite(pixels).all():
        raise InputError("pixels hold NaN or infinity", remedy="Replace them before reading the film")
    pixels = pixels.view()  # so that the caller's own array stays as it was
    pixels.flags.writeable = False
    return pixels
