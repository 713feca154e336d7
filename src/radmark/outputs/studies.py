"""Reports as the study they are of, for the formats of annotations."""

from collections.abc import Sequence
from dataclasses import replace

from radmark.core.report import Report
from radmark.core.study import Marked, Study, one_per_film


def marked(report: Report) -> Marked:
    """A report's film and marks, with the millimetres that were used."""
    return Marked(replace(report.film, spacing=report.marks.frame.spacing), report.marks)


def study_of(reports: Sequence[Report]) -> Study:
    """Films and marks of reports, each of another film.

    Raises:
        InputError: none, two of one film, or of several schemes.
    """
    scheme = one_per_film([report.marks for report in reports])
    return Study.gather(scheme, (marked(report) for report in reports))
