"""An annotated picture: the film with its points, its measurements and where they come from."""

from collections.abc import Sequence
from pathlib import Path

from radmark.core.errors import InputError
from radmark.core.report import Report
from radmark.draw import annotated
from radmark.io.atomic import replacing
from radmark.outputs.output import Options, Output
from radmark.outputs.reported import remarks, reported


def write(path: Path, reports: Sequence[Report], options: Options) -> None:
    """The picture of one film, as PNG.

    Raises:
        InputError: its pixels hold text, by its own word, and nobody looked.
    """
    (report,) = reports
    if "burned_in_annotation" in report.film.flags and not options.burned_in_ok:
        raise InputError(
            "the film's pixels hold text, which may name the patient",
            file=report.film.path or report.film.name,
            remedy="Look at it, and give --burned-in-ok if it does not; or write another format",
        )
    picture = annotated(report.film, report.marks, reported(report), remarks=remarks(report))
    with replacing(path) as temporary:
        picture.save(temporary, format="PNG")


OUTPUT = Output("png", "annotated picture", "image/png", (".png",), write, ending=".annotated.png", pixels=True)
