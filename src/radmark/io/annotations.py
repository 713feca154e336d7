"""Annotations of any format: read, and written with what is lost said first. It knows no format by name.

A format is known by its content, not by its name: many of them end in .json or .txt.
"""

from dataclasses import replace
from pathlib import Path

from radmark.core.errors import InputError
from radmark.core.frame import Spacing
from radmark.core.study import Loss, Marked, Study
from radmark.io.atomic import claim_file, claim_folder, write_text
from radmark.io.exchange import Context, with_films
from radmark.io.files import read_text
from radmark.io.format import Content, Format, losses
from radmark.io.formats import FORMATS


def read_by(study: Study, reader: str) -> Study:
    """The marks of one reader or, where the study names none, the same study as this reader's."""
    return study.of_reader(reader) if any(study.readers) else study.named(reader)


def read_annotations(path: Path, format: str | None = None, context: Context | None = None) -> Study:  # noqa: A002
    """The annotations of a file or, where a format has one file per film, of a folder.

    Args:
        path: the file or folder.
        format: one of `FORMATS`; None to recognise it by the content.
        context: what the file may not say: names, films, spacing. With a folder of films each film comes with its file (see
            `with_films`), and the sizes the file states are checked against it; with a scheme only its landmarks are kept, in
            its order.

    Raises:
        InputError: it cannot be read; with the file, the place and the way out.
    """
    context = context or Context()
    study = (_format(format) if format is not None else sniff(path)).read(path, context)
    try:
        if context.scheme is not None:
            study = study.in_scheme(context.scheme)
        if context.spacing is not None:
            study = replace(study, rows=tuple(_spaced(row, context.spacing) for row in study.rows))
        return study if context.films is None else with_films(study, context.films)
    except InputError as error:
        raise error if error.file else error.at(file=path) from error


def _spaced(row: Marked, spacing: Spacing) -> Marked:
    film = replace(row.film, spacing=spacing)
    return Marked(film, row.marks if film.grid is None else row.marks.framed(film.grid))


def write_annotations(
    path: Path,
    study: Study,
    format: str | None = None,  # noqa: A002
    *,
    overwrite: bool = False,
) -> tuple[Loss, ...]:
    """Write annotations, whole or not at all; returns what the format could not hold.

    Args:
        path: the file, or the folder where the format has one file per film.
        study: what to write.
        format: one of `FORMATS`; None to go by the suffix (.csv the table, .json radmark's own, .xml CVAT, .tps, .txt).
        overwrite: replace what is there.

    Raises:
        InputError: something is there already, several readers have to go into a format of one, or it cannot be written.
    """
    target = _target(path, format)
    lost = losses(study, target.holds)
    if len(study.names) < len(study.rows) and not _apart(study, target):
        raise InputError(
            f"{target.title} has one reading per film, and these are {len(study.rows)} of {len(study.names)}",
            value=", ".join(str(author) for author in study.authors[:4]),
            remedy="Say whose to write (--reader), or choose csv, long or json",
        )
    if target.text is not None:
        content = target.text(study)
        claim_file(path, overwrite=overwrite)
        write_text(path, content)
    elif target.files is not None:
        contents = target.files(study)
        claim_folder(path, overwrite=overwrite, ours=(f"*{target.suffix}",))
        for name, content in contents.items():
            write_text(path / name, content)
    return lost


def losses_of(path: Path, study: Study, format: str | None = None) -> tuple[Loss, ...]:  # noqa: A002
    """What `write_annotations` with the same arguments would lose."""
    return losses(study, _target(path, format).holds)


def _target(path: Path, name: str | None) -> Format:
    return of_suffix(path) if name is None else _format(name)


def _apart(study: Study, target: Format) -> bool:
    """Whether a format can tell these readings of one film apart: by session, or by reader alone."""
    if not target.holds.reader:
        return False
    readers = {(film.name, marks.reader) for film, marks in study.rows}
    return target.holds.session or len(readers) == len(study.rows)


def _format(name: str) -> Format:
    if name not in FORMATS:
        raise InputError("there is no such format", value=name, remedy=f"Use one of: {', '.join(FORMATS)}")
    return FORMATS[name]


def of_suffix(path: Path) -> Format:
    """The format to write under a name.

    Raises:
        InputError: the suffix says none.
    """
    found = FORMATS.of_suffix(path.name)
    if found is None:
        raise InputError(
            "this name does not say which format to write",
            file=path,
            remedy=f"Give --to: one of {', '.join(FORMATS)}",
        )
    return found


def sniff(path: Path) -> Format:
    """The format of a file or folder, by its content.

    Raises:
        InputError: there is nothing, it is none of the formats, or it could be several.
    """
    if path.is_dir():
        per_film = {each.suffix for each in FORMATS.values() if each.files is not None}
        for suffix in sorted(per_film, key=len, reverse=True):
            inside = sorted(file for file in path.rglob(f"*{suffix}") if file.is_file())
            if inside:
                return sniff(inside[0])
        raise InputError(
            "the folder holds no annotations", file=path, remedy="Give the file, or a folder of such files"
        )
    content = Content(path, read_text(path))
    found = [each for each in FORMATS.values() if each.recognise(content)]
    if len(found) != 1:
        text = content.text
        may_be = " and ".join(each.name for each in found)
        raise InputError(
            f"the file could be {may_be}" if found else "the format of the annotations is not known",
            file=path,
            value=text[:40].splitlines()[0] if text.strip() else "an empty file",
            remedy=f"Say it with --from: one of {', '.join(FORMATS)}",
        )
    return found[0]
