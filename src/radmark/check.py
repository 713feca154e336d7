"""What is wrong with a table and its films, before an hour is spent on them.

The table is read by the very path that training reads it by (`inspect_table`); here every film is decoded as well, and
the study is looked at as a whole: who is in which part, whose left is whose right, what the millimetres say.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from radmark.card import data_facts
from radmark.core.errors import InputError
from radmark.core.film import Film
from radmark.core.marks import State
from radmark.core.scheme import Scheme, one_sided, unpaired_sides
from radmark.core.split import same_pixels
from radmark.core.study import Marked
from radmark.io import IMAGE_SUFFIXES, Problem, Severity, TableOptions, inspect_table, read_film

_SHOWN = 10  # problems of one kind in the text; a wrong folder would otherwise fill the screen


@dataclass(frozen=True, slots=True)
class LandmarkCount:
    """In how many images a landmark is placed, absent, and not annotated."""

    placed: int
    absent: int
    not_annotated: int


@dataclass(frozen=True)
class Checked:
    """What a table and its films hold, and what is wrong with them. The counts are over the rows without an error.

    Args:
        annotations: the table.
        images: the folder.
        n_rows: rows that name an image file there is.
        n_images: rows without an error in the table.
        n_patients: how many patients those are.
        scheme: the landmarks; None where the table could not be read.
        landmarks: counts by landmark name.
        readers: their names.
        parts: images by part of the `split` column.
        sizes: images by (width, height).
        spacing_mm: lowest and highest millimetres per pixel, x or y; None where unknown throughout.
        problems: all of them, those of the table first.
        data: all in numbers, for the data card; None where there is no row without an error.
    """

    annotations: Path
    images: Path
    n_rows: int = 0
    n_images: int = 0
    n_patients: int = 0
    scheme: Scheme | None = None
    landmarks: Mapping[str, LandmarkCount] = field(default_factory=dict[str, LandmarkCount])
    readers: tuple[str, ...] = ()
    parts: Mapping[str, int] = field(default_factory=dict[str, int])
    sizes: Mapping[tuple[int, int], int] = field(default_factory=dict[tuple[int, int], int])
    spacing_mm: tuple[float, float] | None = None
    problems: tuple[Problem, ...] = ()
    data: Mapping[str, Any] | None = None

    @property
    def errors(self) -> tuple[Problem, ...]:
        """Problems with which training would fail or lie."""
        return tuple(problem for problem in self.problems if problem.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """Problems worth a look."""
        return tuple(problem for problem in self.problems if problem.severity is Severity.WARNING)

    def as_text(self) -> str:
        """The report for a person: counts first, then one line per problem with the way out."""
        lines = [f"{self.annotations}, images in {self.images}", *self._counts(), ""]
        for title, problems in (("error", self.errors), ("warning", self.warnings)):
            if problems:
                lines.append(f"{_many(len(problems), title)}:")
                lines += _listed(problems)
                lines.append("")
        if not self.errors:
            lines.append("No error: this data set can be trained on.")
        else:
            lines.append("Fix the errors first: with them training would stop, or learn something wrong.")
        return "\n".join(lines) + "\n"

    def _counts(self) -> Iterator[str]:
        if self.scheme is None:
            return
        usable = "" if self.n_images == self.n_rows else f" (of {self.n_rows} in the table, the others have errors)"
        yield (
            f"{_many(self.n_images, 'image')}{usable}, {_many(self.n_patients, 'patient')}, "
            f"{_many(len(self.scheme), 'landmark')} (scheme {self.scheme.name})"
        )
        if self.readers:
            yield f"read by: {', '.join(self.readers)}"
        if self.parts:
            yield f"split: {', '.join(f'{part} {n}' for part, n in self.parts.items())}"
        if self.sizes:
            common = sorted(self.sizes.items(), key=lambda item: -item[1])
            shown = ", ".join(f"{width} x {height} ({n})" for (width, height), n in common[:5])
            yield f"sizes: {shown}{f' and {len(common) - 5} others' if len(common) > 5 else ''}"
        if self.spacing_mm is None:
            yield "spacing: unknown, so results will be in pixels (give spacing_x_mm, spacing_y_mm or --spacing-mm)"
        else:
            low, high = self.spacing_mm
            yield f"spacing: {low:.6g} mm" + (f" to {high:.6g} mm" if high != low else "")
        for name, count in self.landmarks.items():
            if count.placed < self.n_images:
                missing = f"absent in {count.absent}, not annotated in {count.not_annotated}"
                yield f"{name}: placed in {count.placed}, {missing}"


def check_dataset(annotations: Path, images: Path, **options: Unpack[TableOptions]) -> Checked:
    """Look a table and its films over; the arguments are those of `radmark.io.read_dataset`. Every film is decoded.

    What is wrong is in the report's problems and raises nothing.
    """
    inspection = inspect_table(annotations, images, **options)
    if inspection.scheme is None:
        return Checked(annotations, images, problems=inspection.problems)
    rows = inspection.rows
    known_broken = {problem.cause.file for problem in inspection.problems if problem.kind == "unreadable-image"}
    looked_at = _looked_at(file for file in inspection.files if str(file) not in known_broken)
    s = _Set(annotations, inspection.scheme, rows, inspection.files, looked_at)
    problems: list[Problem] = [
        *inspection.problems,
        *_unreadable(s),
        *_constant(s),
        *_duplicates(s),
        *_parted_patients(s),
        *_few_patients(s),
        *_rare_landmarks(s),
        *_one_sided_names(s),
        *_swapped_sides(s),
        *_same_place(s),
        *(() if options.get("absent_corner_px") is not None else _corner_points(s)),
        *_doubtful_spacing(s),
        *_without_annotation(s, images),
    ]
    known = [marks.frame.spacing for _, marks in rows if marks.frame.spacing]
    millimetres = [mm for one in known for mm in (one.x_mm, one.y_mm)]
    return Checked(
        annotations=annotations,
        images=images,
        n_rows=len(inspection.files),
        n_images=len(rows),
        n_patients=len({film.owner for film, _ in rows}),
        scheme=inspection.scheme,
        landmarks={name: _count(rows, k) for k, name in enumerate(inspection.scheme.names)},
        readers=tuple(sorted({marks.reader for _, marks in rows if marks.reader})),
        parts=Counter(film.part for film, _ in rows if film.part),
        sizes=Counter((marks.frame.width, marks.frame.height) for _, marks in rows),
        spacing_mm=(min(millimetres), max(millimetres)) if millimetres else None,
        problems=tuple(problems),
        data=data_facts(rows, inspection.scheme) if rows else None,
    )


def _many(n: int, thing: str) -> str:
    return f"{n} {thing}{'' if n == 1 else 's'}"


def _listed(problems: Sequence[Problem]) -> Iterator[str]:
    """One line per problem, the first ten of each kind."""
    of_kind: Counter[str] = Counter(problem.kind for problem in problems)
    shown: Counter[str] = Counter()
    for problem in problems:
        shown[problem.kind] += 1
        if shown[problem.kind] <= _SHOWN:
            yield f"  {problem.cause}"
        if shown[problem.kind] == of_kind[problem.kind] > _SHOWN:
            yield f"  … and {of_kind[problem.kind] - _SHOWN} more like these ({problem.kind})"


# ----------------------------------------------------------------------------------------------- the data set at hand


@dataclass(frozen=True, slots=True)
class _Picture:
    """What decoding a film told: its hash and whether it is all one gray, or why it cannot be decoded."""

    pixel_hash: str = ""
    constant: bool = False
    broken: InputError | None = None


@dataclass(frozen=True)
class _Set:
    annotations: Path
    scheme: Scheme
    rows: tuple[Marked, ...]
    lines: Mapping[Path, int]
    pictures: Mapping[Path, _Picture]

    def picture(self, film: Film) -> _Picture:
        """What decoding told; nothing where the table already says that it cannot be read."""
        assert film.path is not None  # a table's film has a file
        return self.pictures.get(film.path, _Picture())

    def problem(
        self, severity: Severity, kind: str, problem: str, remedy: str, *, film: Film | None = None, column: str = ""
    ) -> Problem:
        line = None if film is None or film.path is None else self.lines[film.path]
        value = None if film is None else film.name
        place = InputError(problem, remedy=remedy, file=self.annotations, row=line, column=column or None, value=value)
        return Problem(severity, kind, place)

    def error(self, kind: str, problem: str, remedy: str, *, film: Film | None = None, column: str = "") -> Problem:
        return self.problem(Severity.ERROR, kind, problem, remedy, film=film, column=column)

    def warning(self, kind: str, problem: str, remedy: str, *, film: Film | None = None, column: str = "") -> Problem:
        return self.problem(Severity.WARNING, kind, problem, remedy, film=film, column=column)


def _looked_at(files: Iterator[Path]) -> dict[Path, _Picture]:
    """Decode every film, one at a time; what is kept of it is a few bytes."""
    pictures: dict[Path, _Picture] = {}
    for file in files:
        try:
            film = read_film(file)
        except InputError as broken:
            pictures[file] = _Picture(broken=broken)
        else:
            pictures[file] = _Picture(film.pixel_hash, constant=bool(film.pixels.min() == film.pixels.max()))
    return pictures


def _count(rows: Sequence[Marked], k: int) -> LandmarkCount:
    states = [int(marks.states[k]) for _, marks in rows]
    absent, unknown = states.count(State.ABSENT), states.count(State.NOT_ANNOTATED)
    return LandmarkCount(len(states) - absent - unknown, absent, unknown)


# ------------------------------------------------------------------------------------------------------- the images


def _unreadable(s: _Set) -> Iterator[Problem]:
    for picture in s.pictures.values():
        if picture.broken is not None:
            yield Problem(Severity.ERROR, "unreadable-image", picture.broken)


def _constant(s: _Set) -> Iterator[Problem]:
    for film, _ in s.rows:
        if s.picture(film).constant:
            problem = "the image is one gray all over"
            yield s.error("constant-image", problem, "Export it again, or remove its row", film=film)


def _duplicates(s: _Set) -> Iterator[Problem]:
    """The same pixels under two names: harmless in one part and patient, a leak otherwise."""
    by_name = {film.name: film for film, _ in s.rows}
    hashes = {film.name: told.pixel_hash for film, _ in s.rows if (told := s.picture(film)).pixel_hash}
    for names in same_pixels(hashes):
        same = [by_name[name] for name in names]
        others = ", ".join(names[1:])
        if len({film.part for film in same}) > 1:
            problem = f"{others} is the same picture, in another part of the split"
            yield s.error("same-picture", problem, "Keep one of them, or the score will flatter", film=same[0])
        elif len({film.owner for film in same}) > 1:
            problem = f"{others} is the same picture under another patient, so that a split may part them"
            remedy = "Keep one of them, or give both the same patient_id"
            yield s.error("same-picture", problem, remedy, film=same[0])
        else:
            problem = f"{others} is the same picture, and counts twice"
            yield s.warning("same-picture", problem, "Keep one of them", film=same[0])


def _without_annotation(s: _Set, images: Path) -> Iterator[Problem]:
    folders = {images, *(file.parent for file in s.lines)}
    there = {file for folder in folders for file in folder.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES}
    left = sorted(file.name for file in there - set(s.lines))
    if left:
        shown = ", ".join(left[:3]) + (", …" if len(left) > 3 else "")
        problem = f"{_many(len(left), 'image')} in the folder {'has' if len(left) == 1 else 'have'} no row: {shown}"
        yield s.warning("no-annotation", problem, "Annotate them, or leave them out if that is meant")


# ------------------------------------------------------------------------------------------------------- the patients


def _parted_patients(s: _Set) -> Iterator[Problem]:
    home: dict[str, Film] = {}
    for film, _ in s.rows:
        first = home.setdefault(film.owner, film) if film.part else film
        if first.part != film.part:
            problem = f"patient {film.owner} is in part {first.part} ({first.name}) and in part {film.part}"
            remedy = "Keep all films of a patient in one part, or the score will flatter"
            yield s.error("parted-patient", problem, remedy, film=film, column="split")


def _few_patients(s: _Set) -> Iterator[Problem]:
    if s.rows and len({film.owner for film, _ in s.rows}) < 2:
        problem = "all images are of one patient, and a score needs a patient the model has not seen"
        yield s.error(
            "one-patient", problem, "Add images of other patients, or correct patient_id", column="patient_id"
        )


# ------------------------------------------------------------------------------------------------------ the landmarks


def _rare_landmarks(s: _Set) -> Iterator[Problem]:
    for k, name in enumerate(s.scheme.names):
        placed = _count(s.rows, k).placed
        if s.rows and placed == 0:
            problem = f"{name} is placed in no image, so nothing can be learnt of it"
            yield s.error("rare-landmark", problem, "Annotate it, or use a scheme without it", column=f"{name}_x")
        elif 0 < placed < 3:
            problem = f"{name} is placed in {_many(placed, 'image')} only"
            yield s.warning("rare-landmark", problem, "Annotate it in more images", column=f"{name}_x")


def _one_sided_names(s: _Set) -> Iterator[Problem]:
    alone = one_sided(s.scheme.names)
    if alone:
        problem = f"{', '.join(alone)} {'has' if len(alone) == 1 else 'have'} a side and no partner on the other side"
        yield s.warning(
            "one-sided", problem, "Check the spelling; without the partner, mirrored training is not possible"
        )
    alike = unpaired_sides(s.scheme)
    if alike:
        problem = f"{', '.join(alike)} look like two sides of one landmark and are in no left/right pair"
        remedy = "Write sides as _left and _right or _L and _R, or give a --scheme with these pairs: mirrored training needs them"
        yield s.warning("one-sided", problem, remedy)


def _swapped_sides(s: _Set) -> Iterator[Problem]:
    """Pairs that lie the other way round than in three quarters of the data set or more, one problem per film.

    Where there is no such habit, as in lateral views, there is nothing to say.
    """
    against: dict[str, list[str]] = defaultdict(list)
    viewers: list[str] = []
    for right, left in s.scheme.pairs:
        gaps = {film.name: marks[right][0] - marks[left][0] for film, marks in s.rows}
        known = {name: gap for name, gap in gaps.items() if np.isfinite(gap) and gap != 0}
        to_the_left = sum(gap < 0 for gap in known.values())
        usual = max(to_the_left, len(known) - to_the_left)
        if len(known) < 4 or usual < 0.75 * len(known):
            continue
        if usual != to_the_left:
            viewers.append(right)
        for name, gap in known.items():
            if (gap < 0) != (usual == to_the_left):
                habit = f"{'left' if gap > 0 else 'right'} of it in {usual} of {len(known)} images"
                against[name].append(f"{right} lies to the {'right' if gap > 0 else 'left'} of {left}, {habit}")
    if viewers:
        problem = f"{', '.join(viewers)} lie to the right in most images, where a frontal film has the patient's left"
        remedy = "Sides are the patient's: check whether they were named as the viewer sees them"
        yield s.warning("viewer-sides", problem, remedy, column=f"{viewers[0]}_x")
    for film, _ in s.rows:
        pairs = against.get(film.name, [])
        if pairs:
            more = f" (and {_many(len(pairs) - 1, 'pair')} more)" if len(pairs) > 1 else ""
            remedy = "Check whether left and right are swapped, or the film is mirrored"
            yield s.warning("swapped-sides", pairs[0] + more, remedy, film=film)


def _same_place(s: _Set) -> Iterator[Problem]:
    for film, marks in s.rows:
        at: dict[tuple[float, float], list[str]] = defaultdict(list)
        for name, (x, y), placed in zip(s.scheme.names, marks.points, marks.placed, strict=True):
            if placed:
                at[float(x), float(y)].append(name)
        for (x, y), names in at.items():
            if len(names) > 1:
                problem = f"{' and '.join(names)} are at the very same place, {x:g}, {y:g}"
                yield s.warning("same-place", problem, "Check both points", film=film, column=f"{names[1]}_x")


def _corner_points(s: _Set) -> Iterator[Problem]:
    """The habit of clicking what is not visible into the corner; the box is that of the program that began it."""
    found: list[tuple[Film, str, int]] = []
    for film, marks in s.rows:
        box = 100 if max(marks.frame.width, marks.frame.height) > 1000 else 50
        in_corner = (marks.points < box).all(axis=1)  # NaN is not below anything
        found += [(film, s.scheme.names[k], box) for k in np.flatnonzero(in_corner)]
    if found:
        film, name, box = found[0]
        problem = f"{_many(len(found), 'point')} within {box} pixels of the top-left corner, {name} here"
        remedy = f"If a click there means absent, give --absent-corner-px {box}"
        yield s.warning("corner-points", problem, remedy, film=film, column=f"{name}_x")


# ----------------------------------------------------------------------------------------------------- the millimetres


def _doubtful_spacing(s: _Set) -> Iterator[Problem]:
    known = [(film, one) for film, marks in s.rows if (one := marks.frame.spacing) is not None]
    if not known:
        return
    unknown = [film for film, marks in s.rows if marks.frame.spacing is None]
    if unknown:
        problem = f"{_many(len(unknown), 'image')} without a spacing among {len(s.rows)}, this the first"
        remedy = "Fill spacing_x_mm and spacing_y_mm, or millimetres leave these images out"
        yield s.warning("spacing", problem, remedy, film=unknown[0], column="spacing_x_mm")
    made_up = [film for film, one in known if one.x_mm == one.y_mm == 1.0]
    if made_up:
        problem = (
            f"{_many(len(made_up), 'image')} with a spacing of exactly 1.0 mm, which looks made up, this the first"
        )
        remedy = "Find the true spacing, or leave it out: wrong millimetres are worse than none"
        yield s.warning("spacing", problem, remedy, film=made_up[0], column="spacing_x_mm")
    middle = {axis: float(np.median([getattr(one, axis) for _, one in known])) for axis in ("x_mm", "y_mm")}
    for film, one in known:
        for axis, median in middle.items():
            value: float = getattr(one, axis)
            if max(value / median, median / value) > 3:
                problem = f"the spacing of {value:g} mm is more than three times off the usual {median:g} mm"
                yield s.warning("spacing", problem, "Check its unit and the row", film=film, column=f"spacing_{axis}")
        if not 0.9 <= one.x_mm / one.y_mm <= 1.1:
            problem = f"a pixel is {one.x_mm:g} mm wide and {one.y_mm:g} mm high, and detectors have square ones"
            yield s.warning("spacing", problem, "Check both values", film=film, column="spacing_x_mm")
