"""A DICOM presentation state, which viewers lay over the film."""

from collections.abc import Sequence
from pathlib import Path

from radmark.core.report import Report
from radmark.io.dicom_pr import write_dicom_pr
from radmark.outputs.output import Options, Output
from radmark.outputs.reported import remarks, reported
from radmark.outputs.source import dicom_file, need_highdicom


def write(path: Path, reports: Sequence[Report], options: Options) -> None:
    """The state of one film."""
    del options
    (report,) = reports
    write_dicom_pr(
        path,
        dicom_file(report),
        report.marks,
        measurements=reported(report),
        remarks=remarks(report),
        frame_number=report.film.frame_number,
    )


OUTPUT = Output(
    "gsps", "DICOM presentation state", "application/dicom", (), write, ending=".pr.dcm", ready=need_highdicom
)
