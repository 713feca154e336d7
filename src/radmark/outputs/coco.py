"""COCO key points."""

from collections.abc import Sequence
from pathlib import Path

from radmark.core.errors import InputError
from radmark.core.report import Report
from radmark.io.atomic import write_text
from radmark.io.formats import coco
from radmark.outputs.output import Options, Output
from radmark.outputs.studies import study_of


def ready(options: Options) -> None:
    """Refuse measurements.

    Raises:
        InputError: they are asked for.
    """
    if options.measure:
        raise InputError("COCO has no place for measurements", remedy="Omit --measure, or write json or csv")


def write(path: Path, reports: Sequence[Report], options: Options) -> None:
    """One file of all films."""
    ready(options)
    write_text(path, coco.text(study_of(reports)))


OUTPUT = Output("coco", "points as COCO key points", "application/json", (), write, ready=ready)
