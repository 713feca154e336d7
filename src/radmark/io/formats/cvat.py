"""CVAT for images 1.1: one XML file; a landmark is a `<points>` of one point, or a point of a `<skeleton>`.

Convention: x right, y down, floating pixels; (0, 0) is the **corner** of the top-left pixel, whose centre is (0.5, 0.5): the
coordinates are those of CVAT's canvas, on which an image W wide covers 0 to W. So x = x_cvat - 0.5.
`occluded="1"` is hidden but placed; `outside="1"`, which only a skeleton's points have, is "out of the frame": absent. What is
not there is not annotated. Source: docs.cvat.ai, "XML annotation format", "Annotation with skeletons" (hidden elements are
"outside ... for example if a part is out of a frame").

XML is parsed without entities: a document type is refused, so nothing is expanded and nothing is fetched.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from radmark.core.errors import InputError
from radmark.core.marks import ABSENT, Mark, State
from radmark.core.study import Loss, Study
from radmark.io.exchange import Context, FilmRow, decimals, film_row, gathered, once, sized
from radmark.io.files import read_text
from radmark.io.format import Content, Format, Holds

_SHAPES = ("box", "polygon", "polyline", "mask", "cuboid", "ellipse", "tag")
_MAX_DEPTH = 50


@dataclass
class _Element:
    tag: str
    attributes: Mapping[str, str]
    row: int
    children: "list[_Element]" = field(default_factory=list["_Element"])


def read(path: Path, context: Context) -> Study:
    """Points and skeletons of a CVAT file."""
    _ = context
    root = _parse(read_text(path), path)
    if root.tag != "annotations":
        raise _wrong(path, root, "this is not CVAT's XML", root.tag, 'Export the task as "CVAT for images 1.1"')
    rows: list[FilmRow] = []
    lost: Counter[str] = Counter()
    for element in root.children:
        if element.tag == "track":
            raise _wrong(path, element, "this is CVAT for video", "track", 'Export the task as "CVAT for images 1.1"')
        if element.tag == "image":
            rows.append(_row(path, element, lost))
    why = "only points and skeletons are read"
    return gathered(path, rows, [Loss(what, count, why) for what, count in sorted(lost.items())])


def _row(path: Path, image: _Element, lost: Counter[str]) -> FilmRow:
    marks: dict[str, Mark] = {}
    name = _attribute(path, image, "name")
    for shape in image.children:
        if shape.tag in _SHAPES:
            lost[shape.tag] += 1
        for points in (shape,) if shape.tag == "points" else shape.children if shape.tag == "skeleton" else ():
            if points.tag == "points":
                label = _attribute(path, points, "label")
                once(marks, label, path, f"film {name}", points.row)
                marks[label] = _mark(path, points)
    size = (_whole(path, image, "width"), _whole(path, image, "height"))
    try:
        return film_row(name.replace("\\", "/"), marks, size=size)
    except InputError as error:
        raise error.at(file=path, row=image.row) from error


def _mark(path: Path, points: _Element) -> Mark:
    if points.attributes.get("outside", "0") == "1":
        return ABSENT
    text = _attribute(path, points, "points")
    if ";" in text:
        raise _wrong(path, points, "several points have one label", text[:60], "Label each landmark's point by itself")
    parts = text.split(",")
    try:
        x, y = (float(part) for part in parts)
        return Mark(
            State.OCCLUDED if points.attributes.get("occluded", "0") == "1" else State.PRESENT, x - 0.5, y - 0.5
        )
    except (ValueError, InputError) as error:
        raise _wrong(
            path, points, "this is not a point", text[:60], 'Write points="x,y", such as "610.5,905.5"'
        ) from error


def _attribute(path: Path, element: _Element, name: str) -> str:
    value = element.attributes.get(name, "").strip()
    if not value:
        raise _wrong(path, element, f"<{element.tag}> has no {name}", None, f'Add {name}="…"')
    return value


def _whole(path: Path, element: _Element, name: str) -> int:
    text = _attribute(path, element, name)
    if not (text.isascii() and text.isdigit() and len(text) < 8):
        raise _wrong(path, element, f"{name} is not a number of pixels", text[:60], f'Write {name}="1024"')
    return int(text)


def _wrong(path: Path, element: _Element, problem: str, value: object, remedy: str) -> InputError:
    return InputError(problem, file=path, row=element.row, value=value, remedy=remedy)


def _parse(text: str, path: Path) -> _Element:
    """The elements of an XML text, each with its line. A document type, and so every entity, is refused."""
    parser = expat.ParserCreate()
    top = _Element("", {}, 0)
    stack = [top]

    def start(tag: str, attributes: dict[str, str]) -> None:
        if len(stack) > _MAX_DEPTH:
            raise InputError("the XML is nested too deeply", file=path, remedy="Export the task again")
        element = _Element(tag, attributes, parser.CurrentLineNumber)
        stack[-1].children.append(element)
        stack.append(element)

    def end(tag: str) -> None:
        _ = tag
        stack.pop()

    def doctype(*words: object) -> NoReturn:
        _ = words
        raise InputError(
            "the XML has a document type, which CVAT never writes and which can hold entity bombs",
            file=path,
            row=parser.CurrentLineNumber,
            remedy="Remove the <!DOCTYPE …>, or export the task again",
        )

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(text.encode("utf-8", "surrogatepass"), True)
    except expat.ExpatError as error:
        raise InputError(
            f"this is not XML: {expat.ErrorString(error.code)}",
            file=path,
            row=error.lineno,
            remedy="Export the task again, whole",
        ) from error
    return top.children[0]


def text(study: Study) -> str:
    """The file for this study, a `<points>` for each landmark that is placed."""
    return _document(study, skeleton=False)


def text_skeleton(study: Study) -> str:
    """The file for this study, a `<skeleton>` per film; an absent landmark is outside, one not annotated is left out."""
    return _document(study, skeleton=True)


def _document(study: Study, *, skeleton: bool) -> str:
    lines = ['<?xml version="1.0" encoding="utf-8"?>', "<annotations>", "  <version>1.1</version>"]
    for number, (film, marks) in enumerate(study.rows):
        width, height = sized(film, "CVAT")
        lines.append(f'  <image id="{number}" name={quoteattr(film.name)} width="{width}" height="{height}">')
        shapes = [
            f"<points label={quoteattr(name)} {_written(mark, skeleton)}/>"
            for name in study.scheme.names
            if (mark := marks.mark(name)).placed or (skeleton and mark.state == State.ABSENT)
        ]
        if skeleton and shapes:
            lines.append(f'    <skeleton label={quoteattr(study.scheme.name)} source="manual" z_order="0">')
            lines += [f"      {shape}" for shape in shapes]
            lines.append("    </skeleton>")
        else:
            lines += [f"    {shape}" for shape in shapes]
        lines.append("  </image>")
    return "\n".join([*lines, "</annotations>", ""])


def _written(mark: Mark, skeleton: bool) -> str:
    occluded = int(mark.state == State.OCCLUDED)
    point = f"{decimals(mark.x + 0.5):.4f},{decimals(mark.y + 0.5):.4f}" if mark.placed else "0.00,0.00"
    rest = f'outside="{int(not mark.placed)}"' if skeleton else 'z_order="0"'
    return f'source="manual" occluded="{occluded}" points="{point}" {rest}'


def _recognised(content: Content) -> bool:
    return content.text.lstrip().startswith("<")


POINTS = Format(
    "cvat", "CVAT for images 1.1, points", ".xml", Holds(occluded=True), _recognised, read, text=text, default=True
)
SKELETONS = Format(
    "cvat-skeleton", "CVAT for images 1.1, skeletons", ".xml", Holds(occluded=True, absent=True), lambda _: False, read,
    text=text_skeleton,
)  # fmt: skip
