"""The annotated picture as a DICOM Secondary Capture."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from radmark.core.report import Report
from radmark.draw import annotated
from radmark.io.dicom_result import author_words
from radmark.io.dicom_sc import write_dicom_sc
from radmark.outputs.output import Options, Output
from radmark.outputs.reported import remarks, reported
from radmark.outputs.source import dicom_file, need_highdicom


def write(path: Path, reports: Sequence[Report], options: Options) -> None:
    """The capture of one film."""
    del options
    (report,) = reports
    picture = annotated(report.film, report.marks, reported(report), remarks=remarks(report))
    write_dicom_sc(
        path,
        dicom_file(report),
        report.marks.frame,
        np.asarray(picture),
        author=author_words(report.marks),
        frame_number=report.film.frame_number,
    )


OUTPUT = Output(
    "sc", "DICOM Secondary Capture", "application/dicom", (), write, ending=".sc.dcm", pixels=True, ready=need_highdicom
)
