"""What is wrong with a data set, before an hour is spent on it.

The table is read by the very path that training reads it by (`inspect_table`); here every image is decoded as well, and
the data set is looked at as a whole: who is in which part, whose left is whose right, what the millimetres say.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from radmark.card import data_facts
from radmark.core.dataset import Case, same_pixels
from radmark.core.errors import InputError
from radmark.core.landmarks import State
from radmark.core.scheme import Scheme, one_sided
from radmark.io import IMAGE_SUFFIXES, Finding, Severity, TableOptions, inspect_table, read_image

_SHOWN = 10  # findings of one kind in the text; a wrong folder would otherwise fill the screen


@dataclass(frozen=True, slots=True)
class LandmarkCount:
    """In how many images a landmark is placed, absent, and not annotated."""

    placed: int
    absent: int
    not_annotated: int


@dataclass(frozen=True)
class Report:
    """What a data set holds and what is wrong with it. The counts are over the rows without an error.

    Args:
        annotations: the table.
        images: the folder.
        n_rows: rows that name an image file there is.
        n_images: rows without an error in the table.
        n_patients: how many patients those are.
        scheme: the landmarks; None where the table could not be read.
        landmarks: counts by landmark name.
        readers: the names in the `reader` column, or the one the caller gave.
        parts: images by part of the `split` column.
        sizes: images by (width, height).
        spacing_mm: lowest and highest millimetres a pixel, x or y; None where unknown throughout.
        findings: all findings, those of the table first.
        data: the data set in numbers, for its card; None where there is no row without an error.
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
    findings: tuple[Finding, ...] = ()
    data: Mapping[str, Any] | None = None

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Findings with which training would fail or lie."""
        return tuple(finding for finding in self.findings if finding.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """Findings worth a look."""
        return tuple(finding for finding in self.findings if finding.severity is Severity.WARNING)

    def as_text(self) -> str:
        """The report for a person: counts first, then one line a finding with the way out."""
        lines = [f"{self.annotations}, images in {self.images}", *self._counts(), ""]
        for title, findings in (("error", self.errors), ("warning", self.warnings)):
            if findings:
                lines.append(f"{_many(len(findings), title)}:")
                lines += _listed(findings)
                lines.append("")
        if not self.errors:
            lines.append("No error: this data set can be trained on.")
        else:
            lines.append("Mend the errors first: with them training would stop, or learn something wrong.")
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


def check_dataset(annotations: Path, images: Path, **options: Unpack[TableOptions]) -> Report:
    """Look a data set over; the arguments are those of `radmark.io.read_dataset`. Every image is decoded.

    What is wrong is in the report's findings and raises nothing.
    """
    inspection = inspect_table(annotations, images, **options)
    if inspection.scheme is None:
        return Report(annotations, images, findings=inspection.findings)
    cases = inspection.cases
    known_broken = {finding.cause.file for finding in inspection.findings if finding.kind == "unreadable-image"}
    looked_at = _looked_at(file for file in inspection.files if str(file) not in known_broken)
    s = _Set(annotations, inspection.scheme, cases, inspection.files, looked_at)
    findings = [
        *inspection.findings,
        *_unreadable(s),
        *_constant(s),
        *_duplicates(s),
        *_parted_patients(s),
        *_few_patients(s),
        *_rare_landmarks(s),
        *_one_sided_names(s),
        *_swapped_sides(s),
        *_same_place(s),
        *([] if options.get("absent_corner_px") is not None else _corner_points(s)),
        *_doubtful_spacing(s),
        *_without_annotation(s, images),
    ]
    readers = {case.attributes["reader"] for case in cases if case.attributes.get("reader")}
    known = [case.landmarks.frame.spacing for case in cases if case.landmarks.frame.spacing]
    millimetres = [mm for one in known for mm in (one.x_mm, one.y_mm)]
    return Report(
        annotations=annotations,
        images=images,
        n_rows=len(inspection.files),
        n_images=len(cases),
        n_patients=len({case.patient for case in cases}),
        scheme=inspection.scheme,
        landmarks={name: _count(cases, k) for k, name in enumerate(inspection.scheme.names)},
        readers=tuple(sorted(readers)) or ((inspection.reader,) if inspection.reader else ()),
        parts=Counter(case.part for case in cases if case.part),
        sizes=Counter((case.landmarks.frame.width, case.landmarks.frame.height) for case in cases),
        spacing_mm=(min(millimetres), max(millimetres)) if millimetres else None,
        findings=tuple(findings),
        data=data_facts(cases, inspection.scheme, inspection.reader) if cases else None,
    )


def _many(n: int, thing: str) -> str:
    return f"{n} {thing}{'' if n == 1 else 's'}"


def _listed(findings: Sequence[Finding]) -> Iterator[str]:
    """One line a finding, the first ten of each kind."""
    of_kind: Counter[str] = Counter(finding.kind for finding in findings)
    shown: Counter[str] = Counter()
    for finding in findings:
        shown[finding.kind] += 1
        if shown[finding.kind] <= _SHOWN:
            yield f"  {finding.cause}"
        if shown[finding.kind] == of_kind[finding.kind] > _SHOWN:
            yield f"  … and {of_kind[finding.kind] - _SHOWN} more like these ({finding.kind})"


# ----------------------------------------------------------------------------------------------- the data set at hand


@dataclass(frozen=True, slots=True)
class _Picture:
    """What decoding an image told: its hash and whether it is all one gray, or why it cannot be decoded."""

    pixel_hash: str = ""
    constant: bool = False
    broken: InputError | None = None


@dataclass(frozen=True)
class _Set:
    annotations: Path
    scheme: Scheme
    cases: tuple[Case, ...]
    rows: Mapping[Path, int]
    pictures: Mapping[Path, _Picture]

    def finding(
        self, severity: Severity, kind: str, problem: str, remedy: str, *, case: Case | None = None, column: str = ""
    ) -> Finding:
        row = None if case is None else self.rows[case.image]
        value = None if case is None else case.name
        place = InputError(problem, remedy=remedy, file=self.annotations, row=row, column=column or None, value=value)
        return Finding(severity, kind, place)

    def error(self, kind: str, problem: str, remedy: str, *, case: Case | None = None, column: str = "") -> Finding:
        return self.finding(Severity.ERROR, kind, problem, remedy, case=case, column=column)

    def warning(self, kind: str, problem: str, remedy: str, *, case: Case | None = None, column: str = "") -> Finding:
        return self.finding(Severity.WARNING, kind, problem, remedy, case=case, column=column)


def _looked_at(files: Iterator[Path]) -> dict[Path, _Picture]:
    """Decode every image, one at a time; what is kept of it is a few bytes."""
    pictures: dict[Path, _Picture] = {}
    for file in files:
        try:
            image = read_image(file)
        except InputError as broken:
            pictures[file] = _Picture(broken=broken)
        else:
            pictures[file] = _Picture(image.pixel_hash, constant=bool(image.pixels.min() == image.pixels.max()))
    return pictures


def _count(cases: Sequence[Case], k: int) -> LandmarkCount:
    states = [int(case.landmarks.states[k]) for case in cases]
    absent, unknown = states.count(State.ABSENT), states.count(State.NOT_ANNOTATED)
    return LandmarkCount(len(states) - absent - unknown, absent, unknown)


# ------------------------------------------------------------------------------------------------------- the images


def _unreadable(s: _Set) -> Iterator[Finding]:
    for picture in s.pictures.values():
        if picture.broken is not None:
            yield Finding(Severity.ERROR, "unreadable-image", picture.broken)


def _constant(s: _Set) -> Iterator[Finding]:
    for case in s.cases:
        if case.image in s.pictures and s.pictures[case.image].constant:
            problem = "the image is one gray all over"
            yield s.error("constant-image", problem, "Export it again, or remove its row", case=case)


def _duplicates(s: _Set) -> Iterator[Finding]:
    """The same pixels under two names: harmless in one part and patient, a leak otherwise."""
    by_name = {case.name: case for case in s.cases}
    hashes = {case.name: s.pictures[case.image].pixel_hash for case in s.cases if s.pictures[case.image].pixel_hash}
    for names in same_pixels(hashes):
        same = [by_name[name] for name in names]
        others = ", ".join(names[1:])
        if len({case.part for case in same}) > 1:
            problem = f"{others} is the same picture, in another part of the split"
            yield s.error("same-picture", problem, "Keep one of them, or the score will flatter", case=same[0])
        elif len({case.patient for case in same}) > 1:
            problem = f"{others} is the same picture under another patient, so that a split may part them"
            remedy = "Keep one of them, or give both the same patient_id"
            yield s.error("same-picture", problem, remedy, case=same[0])
        else:
            problem = f"{others} is the same picture, and counts twice"
            yield s.warning("same-picture", problem, "Keep one of them", case=same[0])


def _without_annotation(s: _Set, images: Path) -> Iterator[Finding]:
    folders = {images, *(file.parent for file in s.rows)}
    there = {file for folder in folders for file in folder.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES}
    left = sorted(file.name for file in there - set(s.rows))
    if left:
        shown = ", ".join(left[:3]) + (", …" if len(left) > 3 else "")
        problem = f"{_many(len(left), 'image')} in the folder {'has' if len(left) == 1 else 'have'} no row: {shown}"
        yield s.warning("no-annotation", problem, "Annotate them, or leave them out if that is meant")


# ------------------------------------------------------------------------------------------------------- the patients


def _parted_patients(s: _Set) -> Iterator[Finding]:
    home: dict[str, Case] = {}
    for case in s.cases:
        first = home.setdefault(case.patient, case) if case.part else case
        if first.part != case.part:
            problem = f"patient {case.patient} is in part {first.part} ({first.name}) and in part {case.part}"
            remedy = "Keep all films of a patient in one part, or the score will flatter"
            yield s.error("parted-patient", problem, remedy, case=case, column="split")


def _few_patients(s: _Set) -> Iterator[Finding]:
    if s.cases and len({case.patient for case in s.cases}) < 2:
        problem = "all images are of one patient, and a score needs a patient the model has not seen"
        yield s.error("one-patient", problem, "Add images of other patients, or mend patient_id", column="patient_id")


# ------------------------------------------------------------------------------------------------------ the landmarks


def _rare_landmarks(s: _Set) -> Iterator[Finding]:
    for k, name in enumerate(s.scheme.names):
        placed = _count(s.cases, k).placed
        if s.cases and placed == 0:
            problem = f"{name} is placed in no image, so nothing can be learnt of it"
            yield s.error("rare-landmark", problem, "Annotate it, or use a scheme without it", column=f"{name}_x")
        elif 0 < placed < 3:
            problem = f"{name} is placed in {_many(placed, 'image')} only"
            yield s.warning("rare-landmark", problem, "Annotate it in more images", column=f"{name}_x")


def _one_sided_names(s: _Set) -> Iterator[Finding]:
    alone = one_sided(s.scheme.names)
    if alone:
        problem = f"{', '.join(alone)} {'has' if len(alone) == 1 else 'have'} a side and no partner on the other side"
        yield s.warning(
            "one-sided", problem, "Check the spelling; without the partner, mirrored training is not possible"
        )


def _swapped_sides(s: _Set) -> Iterator[Finding]:
    """Pairs that lie the other way round than in three quarters of the data set or more, one finding an image.

    Where there is no such habit, as in lateral views, there is nothing to say.
    """
    against: dict[str, list[str]] = defaultdict(list)
    viewers: list[str] = []
    for right, left in s.scheme.pairs:
        gaps = {case.name: case.landmarks[right][0] - case.landmarks[left][0] for case in s.cases}
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
    for case in s.cases:
        pairs = against.get(case.name, [])
        if pairs:
            more = f" (and {_many(len(pairs) - 1, 'pair')} more)" if len(pairs) > 1 else ""
            remedy = "Check whether left and right are swapped, or the film is mirrored"
            yield s.warning("swapped-sides", pairs[0] + more, remedy, case=case)


def _same_place(s: _Set) -> Iterator[Finding]:
    for case in s.cases:
        at: dict[tuple[float, float], list[str]] = defaultdict(list)
        for name, (x, y), placed in zip(s.scheme.names, case.landmarks.points, case.landmarks.placed, strict=True):
            if placed:
                at[float(x), float(y)].append(name)
        for (x, y), names in at.items():
            if len(names) > 1:
                problem = f"{' and '.join(names)} are at the very same place, {x:g}, {y:g}"
                yield s.warning("same-place", problem, "Check both points", case=case, column=f"{names[1]}_x")


def _corner_points(s: _Set) -> Iterator[Finding]:
    """The habit of clicking what is not visible into the corner; the box is that of the program that began it."""
    found: list[tuple[Case, str, int]] = []
    for case in s.cases:
        box = 100 if max(case.landmarks.frame.width, case.landmarks.frame.height) > 1000 else 50
        in_corner = (case.landmarks.points < box).all(axis=1)  # NaN is not below anything
        found += [(case, s.scheme.names[k], box) for k in np.flatnonzero(in_corner)]
    if found:
        case, name, box = found[0]
        problem = f"{_many(len(found), 'point')} within {box} pixels of the top-left corner, {name} here"
        remedy = f"If a click there means absent, give --absent-corner-px {box}"
        yield s.warning("corner-points", problem, remedy, case=case, column=f"{name}_x")


# ----------------------------------------------------------------------------------------------------- the millimetres


def _doubtful_spacing(s: _Set) -> Iterator[Finding]:
    known = [(case, one) for case in s.cases if (one := case.landmarks.frame.spacing) is not None]
    if not known:
        return
    unknown = [case for case in s.cases if case.landmarks.frame.spacing is None]
    if unknown:
        problem = f"{_many(len(unknown), 'image')} without a spacing among {len(s.cases)}, this the first"
        remedy = "Fill spacing_x_mm and spacing_y_mm, or millimetres leave these images out"
        yield s.warning("spacing", problem, remedy, case=unknown[0], column="spacing_x_mm")
    made_up = [case for case, one in known if one.x_mm == one.y_mm == 1.0]
    if made_up:
        problem = (
            f"{_many(len(made_up), 'image')} with a spacing of exactly 1.0 mm, which looks made up, this the first"
        )
        remedy = "Find the true spacing, or leave it out: wrong millimetres are worse than none"
        yield s.warning("spacing", problem, remedy, case=made_up[0], column="spacing_x_mm")
    middle = {axis: float(np.median([getattr(one, axis) for _, one in known])) for axis in ("x_mm", "y_mm")}
    for case, one in known:
        for axis, median in middle.items():
            value: float = getattr(one, axis)
            if max(value / median, median / value) > 3:
                problem = f"the spacing of {value:g} mm is more than three times off the usual {median:g} mm"
                yield s.warning("spacing", problem, "Check its unit and the row", case=case, column=f"spacing_{axis}")
        if not 0.9 <= one.x_mm / one.y_mm <= 1.1:
            problem = f"a pixel is {one.x_mm:g} mm wide and {one.y_mm:g} mm high, and detectors have square ones"
            yield s.warning("spacing", problem, "Check both values", case=case, column="spacing_x_mm")
