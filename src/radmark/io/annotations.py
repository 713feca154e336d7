"""Annotations of any format: read, and written with what is lost said first. The formats do not know each other; this does.

A format is told by its content, not by its name: six of them end in .json or .txt.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from radmark.core.errors import InputError
from radmark.core.readings import Loss, Reading, Readings
from radmark.io import coco, cvat, isbi, label_studio, labelme, long_table, points_json, points_txt, slicer, table, tps
from radmark.io.atomic import claim_file, claim_folder, write_text
from radmark.io.exchange import Context, Holds, losses, sized
from radmark.io.files import parse_json, read_text


@dataclass(frozen=True)
class Format:
    """One format: how it is read and written, and what it holds.

    Args:
        name: as --from and --to say it.
        title: in words.
        holds: what there is a place for.
        read: a file, or for a format of a file an image also a folder, into readings.
        text: readings into the one file; None where the format has a file an image.
        files: readings into files by name; None where the format has one file.
        suffix: of its files.
    """

    name: str
    title: str
    holds: Holds
    read: Callable[[Path, Context], Readings]
    suffix: str
    text: Callable[[Readings], str] | None = None
    files: Callable[[Readings], Mapping[str, str]] | None = None


FORMATS: Mapping[str, Format] = {
    f.name: f
    for f in (
        Format("csv", "the annotation table", table.HOLDS, table.read, ".csv", text=table.text),
        Format("long", "the long table", long_table.HOLDS, long_table.read, ".csv", text=long_table.text),
        Format("json", "radmark's JSON", points_json.HOLDS, points_json.read, ".json", text=points_json.text),
        Format("txt", "the authors' older text", points_txt.HOLDS, points_txt.read, ".txt", text=points_txt.text),
        Format("coco", "COCO key points", coco.HOLDS, coco.read, ".json", text=coco.text),
        Format("cvat", "CVAT for images 1.1, points", cvat.HOLDS, cvat.read, ".xml", text=cvat.text),
        Format(
            "cvat-skeleton", "CVAT for images 1.1, skeletons", cvat.HOLDS_SKELETON, cvat.read, ".xml",
            text=cvat.text_skeleton,
        ),
        Format("label-studio", "Label Studio", label_studio.HOLDS, label_studio.read, ".json", text=label_studio.text),
        Format("labelme", "LabelMe", labelme.HOLDS, labelme.read, ".json", files=labelme.files),
        Format("slicer", "3D Slicer markups", slicer.HOLDS, slicer.read, slicer.SUFFIX, files=slicer.files),
        Format("tps", "TPS", tps.HOLDS, tps.read, ".tps", text=tps.text),
        Format("isbi", "ISBI 2015 text", isbi.HOLDS, isbi.read, ".txt", files=isbi.files),
    )
}  # fmt: skip
"""Every annotation format, by name."""


def read_annotations(path: Path, format: str | None = None, context: Context | None = None) -> Readings:  # noqa: A002
    """The annotations of a file or, where a format has a file an image, of a folder.

    Args:
        path: the file or folder.
        format: one of `FORMATS`; None to tell it by the content.
        context: what the file may not say: names, images, spacing. With a folder of images the sizes the file says are checked
            against theirs; with a scheme only its landmarks are kept, in its order.

    Raises:
        InputError: it cannot be read; with the file, the place and the way out.
    """
    context = context or Context()
    found = _format(format) if format is not None else sniff(path)
    readings = found.read(path, context)
    if context.scheme is not None:
        try:
            readings = readings.in_scheme(context.scheme)
        except InputError as error:
            raise error.at(file=path) from error
    return replace(readings, readings=tuple(_completed(path, reading, context) for reading in readings.readings))


def write_annotations(
    path: Path,
    readings: Readings,
    format: str | None = None,  # noqa: A002
    *,
    overwrite: bool = False,
) -> tuple[Loss, ...]:
    """Write annotations, whole or not at all; returns what the format could not hold.

    Args:
        path: the file, or the folder where the format has a file an image.
        readings: what to write.
        format: one of `FORMATS`; None to tell it by the suffix (.csv the table, .json radmark's own, .xml CVAT, .tps, .txt).
        overwrite: replace what is there.

    Raises:
        InputError: something is there already, several readers have to go into a format of one, or it cannot be written.
    """
    target = _target(path, format)
    lost = losses(readings, target.holds)
    if len(readings.images) < len(readings.readings) and not (target.holds.reader and _apart(readings, target)):
        raise InputError(
            f"{target.title} has one reading an image, and these are {len(readings.readings)} of {len(readings.images)}",
            value=", ".join(str(reader) for reader in readings.readers[:4]),
            remedy="Say whose to write (--reader), or choose long or json",
        )
    if target.text is not None:
        content = target.text(readings)
        claim_file(path, overwrite=overwrite)
        write_text(path, content)
    elif target.files is not None:
        contents = target.files(readings)
        claim_folder(path, overwrite=overwrite, ours=(f"*{target.suffix}",))
        for name, content in contents.items():
            write_text(path / name, content)
    return lost


def losses_of(path: Path, readings: Readings, format: str | None = None) -> tuple[Loss, ...]:  # noqa: A002
    """What `write_annotations` with the same arguments would lose."""
    return losses(readings, _target(path, format).holds)


def _target(path: Path, name: str | None) -> Format:
    return of_suffix(path) if name is None else _format(name)


def _apart(readings: Readings, target: Format) -> bool:
    """Whether a format that has readers, but not sessions, still tells these readings apart."""
    return target.holds.session or len({(r.image, r.reader) for r in readings.readings}) == len(readings.readings)


def _completed(path: Path, reading: Reading, context: Context) -> Reading:
    try:
        size = reading.size if context.images is None else sized(reading, context)
    except InputError as error:
        raise error.at(file=path) from error
    return replace(reading, size=size, spacing=context.spacing or reading.spacing)


_BY_SUFFIX = (
    (slicer.SUFFIX, "slicer"),
    (".csv", "csv"),
    (".json", "json"),
    (".xml", "cvat"),
    (".tps", "tps"),
    (".txt", "txt"),
)


def _format(name: str) -> Format:
    if name not in FORMATS:
        raise InputError("there is no such format", value=name, remedy=f"Use one of: {', '.join(FORMATS)}")
    return FORMATS[name]


def of_suffix(path: Path) -> Format:
    """The format to write under a name.

    Raises:
        InputError: the suffix says none.
    """
    for suffix, name in _BY_SUFFIX:
        if path.name.lower().endswith(suffix):
            return FORMATS[name]
    raise InputError(
        "the format to write is not told by this name", file=path, remedy=f"Give --to: one of {', '.join(FORMATS)}"
    )


def sniff(path: Path) -> Format:
    """The format of a file or folder, by its content.

    Raises:
        InputError: there is nothing, or it is none of the formats.
    """
    if path.is_dir():
        for suffix in (slicer.SUFFIX, ".json", ".txt"):
            inside = sorted(file for file in path.rglob(f"*{suffix}") if file.is_file())
            if inside:
                return sniff(inside[0])
        raise InputError(
            "the folder holds no annotations", file=path, remedy="Give the file, or a folder of such files"
        )
    text = read_text(path)
    begin = text.lstrip()[:1]
    name = _sniff_json(path, text) if begin in ("{", "[") else "cvat" if begin == "<" else _sniff_lines(text)
    if name is None:
        raise InputError(
            "the format of the annotations is not known",
            file=path,
            value=text[:40].splitlines()[0] if text.strip() else "an empty file",
            remedy=f"Say it with --from: one of {', '.join(FORMATS)}",
        )
    return FORMATS[name]


def _sniff_json(path: Path, text: str) -> str | None:
    root = parse_json(text, path)
    if isinstance(root.value, list):
        return "label-studio"
    for key, name in (("schema_version", "json"), ("markups", "slicer"), ("shapes", "labelme"), ("categories", "coco")):
        if root.has(key):
            return name
    return "coco" if root.has("images") and root.has("annotations") else None


def _sniff_lines(text: str) -> str | None:
    line = next((line for line in text.splitlines() if line.strip()), "")
    cells = [cell.strip().strip('"') for cell in line.replace(";", ",").replace("\t", ",").split(",")]
    if line.strip().upper().startswith(("LM=", "LM3=")):
        return "tps"
    if "n_landmarks" in cells or {"image_name", "image_width", "image_height"} <= set(cells):
        return "csv" if "landmark" not in cells else "long"
    if {"landmark", "x", "y"} <= set(cells):
        return "long"
    if len(cells) == 2 and all(_is_number(cell) for cell in cells):
        return "isbi"
    if len(cells) >= 4 and cells[1].isdigit() and len(cells) == 2 + 2 * int(cells[1]):
        return "txt"
    return None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
