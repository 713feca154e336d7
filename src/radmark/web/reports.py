"""What a project's marks go out as: every annotation format, every other output of `radmark.outputs`, the agreement."""

import io
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from radmark.core.errors import InputError
from radmark.core.marks import Marks
from radmark.core.report import Report
from radmark.io import FORMATS
from radmark.io.format import Format
from radmark.measure import examine
from radmark.outputs.output import Options, Output, outputs
from radmark.outputs.writer import Writer
from radmark.web.project import Project, examined, marks_of, study_of
from radmark.web.rows import Item

LEFT_OUT = "left-out.txt"
"""In the zip: which films could not be written so, and why."""


def export_reports(project: Project, reader: str | None, output: Output) -> bytes:
    """A folder per reader and reading, in it a file per film, or one of all films.

    Args:
        project: what is annotated.
        reader: whose marks; None: everybody's.
        output: what to make of them; measurements included, where it leaves the choice.

    Raises:
        InputError: nothing stands, or no film can be written so.
    """
    problems: list[str] = []
    options = Options(measure=True)
    with TemporaryDirectory(prefix="radmark-") as folder:
        root = Path(folder)
        for author, readings in _readings(project, reader).items():
            out = root / author if output.per_film else root / author / f"{output.name}{output.suffixes[0]}"
            writer = Writer(out, [item.name for item in readings], output.name, options=options)
            done = 0
            for item, marks in readings.items():
                try:
                    writer.add(_report(project, item, marks, output))
                    done += 1
                except InputError as error:
                    problems.append(f"{author}, {item.name}: {error.problem}. {error.remedy}.")
            if done:
                writer.close()
        files = sorted(file for file in root.rglob("*") if file.is_file())
        if not files:
            raise InputError(
                f"no film can be written as {output.title}",
                value=problems[0] if problems else None,
                remedy="Choose another format",
            )
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in files:
                archive.write(file, file.relative_to(root).as_posix())
            if problems:
                archive.writestr(LEFT_OUT, "\n".join(problems) + "\n")
        return packed.getvalue()


def _readings(project: Project, reader: str | None) -> dict[str, dict[Item, Marks]]:
    """Folder -> what stands there, film by film."""
    rows, origins = project.store.all_marks(reader), project.store.origins(reader)
    found: dict[str, dict[Item, Marks]] = {}
    for item in project.store.all_items(reader):
        key = (item.reader, item.image, item.reading)
        marks = marks_of(project.scheme, item, rows.get(key, {}), origins.get(key))
        if marks.said:
            name = "".join(c if c.isalnum() or c in " ,.-_" else "_" for c in str(marks.author))
            found.setdefault(name.strip(". ") or "reader", {})[item] = marks
    return found


def _report(project: Project, item: Item, marks: Marks, output: Output) -> Report:
    picture = project.films.open(item.name)
    if item.pixels not in (None, picture.film.pixel_hash):
        raise InputError(
            "the file holds another picture than the one that was marked", remedy="Put the film back that was marked"
        )
    known = examined(item, picture)
    film = replace(picture.film, spacing=known.spacing, facts=known.facts)
    return examine(film if output.pixels else film.unloaded(), marks)


def _in_format(form: Format) -> Callable[[Project, str | None], str | bytes]:
    """What writes that format: its one file, or its one file per film in a zip."""

    def write(project: Project, reader: str | None) -> str | bytes:
        found = study_of(project, reader)
        if form.text is not None:
            return form.text(found)
        assert form.files is not None  # a format has one or the other
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in form.files(found).items():
                archive.writestr(name, text)
        return packed.getvalue()

    return write


def export_agreement(project: Project, reader: str | None) -> str:
    """How well the readers agree, as `radmark agree` tells it: a page of its own.

    Raises:
        InputError: no film was read twice.
    """
    from radmark.agree.agreement import agreement
    from radmark.agree.panel import panel
    from radmark.agree.report import report_page

    return report_page(agreement(panel(study_of(project, reader))), "How well the readers agree")


@dataclass(frozen=True)
class Export:
    """A format to export to.

    Args:
        write: the file's content, of one reader or of all.
        media: its media type.
        suffix: of its name.
        of_all: whether it is of all readers, and so for adjudicators alone.
    """

    write: Callable[[Project, str | None], str | bytes]
    media: str
    suffix: str
    of_all: bool = False


def _export(form: Format) -> Export:
    if form.text is None:
        return Export(_in_format(form), "application/zip", ".zip")
    media = {".csv": "text/csv; charset=utf-8", ".json": "application/json"}
    return Export(_in_format(form), media.get(form.suffix, "text/plain; charset=utf-8"), form.suffix)


def _of_output(output: Output) -> Export:
    return Export(lambda project, reader: export_reports(project, reader, output), "application/zip", ".zip")


EXPORTS: Mapping[str, Export] = {
    **{name: _export(form) for name, form in FORMATS.items()},
    **{name: _of_output(output) for name, output in outputs().items() if name not in FORMATS},
    "agreement": Export(export_agreement, "text/html; charset=utf-8", ".html", of_all=True),
}
"""By the name the page and the command line say. What a format cannot hold is in docs/formats.md."""
