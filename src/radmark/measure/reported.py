"""What is measured on a film, once for every format it goes to, and as its pictures and DICOM objects hold it."""

from collections.abc import Sequence
from pathlib import Path

from radmark.core.landmarks import Landmarks
from radmark.core.radiograph import Radiograph
from radmark.io import read_header
from radmark.io.dicom_result import Refused, Reported
from radmark.measure.calibrate import set_aside
from radmark.measure.film import measure_film
from radmark.measure.measure import Result
from radmark.measure.shapes import shape_of


def results_of(image: Path, landmarks: Landmarks, radiograph: Radiograph) -> tuple[Result, ...]:
    """Every result of a film, whichever format they go to."""
    header = read_header(image)
    replaced = () if header is None else set_aside(header.spacing, landmarks.frame.spacing)
    return measure_film(landmarks, None if header is None else radiograph, mm_flags=replaced)


def reported(results: Sequence[Result], landmarks: Landmarks) -> list[Reported]:
    """Results with a number: each with the line, lines or ellipse it is."""
    found: list[Reported] = []
    for r in results:
        if r.value is not None:
            notes = (f"against: {r.line}", f"positive: {r.sign}", f"after: {r.source}", *r.flags)
            notes += () if r.mm_from is None else (f"millimetres from: {r.mm_from}",)
            notes += () if r.scale_sd_percent is None else (f"millimetres sure to {r.scale_sd_percent:g} % (1 sd)",)
            notes += () if not r.published else (f"published: {r.published}",)
            notes += () if r.side is None else (f"side: {r.side}",)
            shape = shape_of(r, landmarks)
            own = tuple(name for name in r.points if not name.startswith("teardrop")) or r.points
            found.append(Reported(r.title, r.value, r.unit, shape.kind, shape.points, r.side, own, notes, shape.lines))
    return found


def refused(results: Sequence[Result]) -> list[Refused]:
    """What has no number though all its landmarks are there, reason by reason."""
    by_reason: dict[str, list[Result]] = {}
    for r in results:
        if r.reason:
            by_reason.setdefault(r.reason, []).append(r)
    return [
        Refused(
            tuple(f"{r.title}, {r.side}" if r.side else r.title for r in rows),
            reason,
            tuple(dict.fromkeys(name for r in rows for name in r.points)),
        )
        for reason, rows in by_reason.items()
    ]
