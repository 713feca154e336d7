"""The DICOM file a DICOM result is of."""

from pathlib import Path

from radmark.core.errors import InputError
from radmark.core.report import Report
from radmark.io.dicom_result import highdicom
from radmark.outputs.output import Options


def dicom_file(report: Report) -> Path:
    """Where the film's file is.

    Raises:
        InputError: it is not at hand.
    """
    if report.film.path is None:
        raise InputError(
            "a DICOM result takes patient and study from the film's file, which is not at hand",
            value=report.film.name,
            remedy="Give the folder of the films (--films), or write .json or .csv",
        )
    return report.film.path


def need_highdicom(options: Options) -> None:
    """Refuse where the library that writes DICOM objects is missing.

    Raises:
        InputError: it is.
    """
    del options
    highdicom()
