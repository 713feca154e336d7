"""A DICOM Structured Report, for the archive the film came from."""

from collections.abc import Sequence
from pathlib import Path

from radmark.core.report import Report
from radmark.io.dicom_sr import write_dicom_sr
from radmark.outputs.output import Options, Output
from radmark.outputs.reported import refused, reported
from radmark.outputs.source import dicom_file, need_highdicom


def write(path: Path, reports: Sequence[Report], options: Options) -> None:
    """The report of one film."""
    (report,) = reports
    write_dicom_sr(
        path,
        dicom_file(report),
        report.marks,
        measurements=reported(report),
        refused=refused(report.results),
        frame_number=report.film.frame_number,
        uid=options.report_uid,
        verified_by=options.verified_by,
    )


OUTPUT = Output(
    "dcm", "DICOM Structured Report", "application/dicom", (".dcm",), write, ending=".sr.dcm", ready=need_highdicom
)
