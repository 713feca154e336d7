"""A report's results as pictures and DICOM objects hold them: each number with the line, the lines or the ellipse it is."""

from collections.abc import Sequence

from radmark.core.marks import Marks
from radmark.core.report import Report, Result
from radmark.io.dicom_result import Refused, Reported
from radmark.measure.shapes import shape_of


def reported(report: Report) -> list[Reported]:
    """The results that have a number."""
    return [_reported(result, report.marks) for result in report.computed]


def _reported(r: Result, marks: Marks) -> Reported:
    assert r.value is not None
    notes = (f"against: {r.line}", f"positive: {r.sign}", f"after: {r.source}", *r.flags)
    notes += () if r.mm_from is None else (f"millimetres from: {r.mm_from}",)
    notes += () if r.scale_sd_percent is None else (f"scale uncertainty {r.scale_sd_percent:g} % (1 SD)",)
    notes += () if not r.published else (f"published: {r.published}",)
    notes += () if r.side is None else (f"side: {r.side}",)
    shape = shape_of(r, marks)
    own = tuple(name for name in r.points if not name.startswith("teardrop")) or r.points
    return Reported(r.title, r.value, r.unit, shape.kind, shape.points, r.side, own, notes, shape.lines)


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


def remarks(report: Report) -> list[str]:
    """What a picture says once, of all of it: what could not be computed and why, and what every result says."""
    results = report.results
    shared = [flag for flag in (results[0].flags if results else ()) if all(flag in r.flags for r in results)]
    shown = {finding.words for finding in report.film.findings}
    return [*(r.words for r in refused(results)), *(flag for flag in shared if flag not in shown)]
