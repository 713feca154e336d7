"""Label Studio's JSON of tasks: key points in percent of the image, one annotation per reader.

Convention: x right, y down, **percent** of the original width and height, so 0 is the left edge of the first pixel and 100 the
right edge of the last: a **corner** origin. x = x_percent / 100 * original_width - 0.5. Source: labelstud.io,
"KeyPointLabels" (result parameters) and "Export annotations", "Units of image annotations".
A landmark without a region is not annotated; nothing says absent or occluded. `completed_by` is the reader: an id, or an
object with an e-mail address. Skipped (cancelled) annotations and regions of other kinds are left out and counted.
An image's name is that of the task's `data`: the base name of an address, without the eight hexadecimal digits that an
upload puts in front.
"""

import json
import re
from collections import Counter
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

from radmark.core.errors import InputError
from radmark.core.marks import Mark, Reader, State
from radmark.core.study import Loss, Study
from radmark.io.exchange import Context, FilmRow, film_row, gathered, once, sized
from radmark.io.files import Tree, read_json
from radmark.io.format import Content, Format, Holds

_UPLOADED = re.compile(r"^[0-9a-f]{8}-(?=.)")


def read(path: Path, context: Context) -> Study:
    """The key points of all tasks."""
    rows: list[FilmRow] = []
    lost: Counter[str] = Counter()
    times: Counter[tuple[str, str | None]] = Counter()
    for task in read_json(path):
        image = _image(task.get("data"))
        size = context.size_of(image)
        for annotation in task.get("annotations") if task.has("annotations") else ():
            if annotation.has("was_cancelled") and annotation.get("was_cancelled").value is True:
                lost["skipped annotation"] += 1
                continue
            reader = _reader(annotation)
            times[image, reader] += 1
            again = times[image, reader]
            rows.append(_row(annotation, image, size, Reader(reader or "", "" if again == 1 else str(again)), lost))
    why = "only finished key points are read"
    return gathered(path, rows, [Loss(what, count, why) for what, count in sorted(lost.items())])


def _image(data: Tree) -> str:
    fields = data.fields()
    found = fields.get("image") or next(
        (value for value in fields.values() if isinstance(value.value, str)), data.get("image")
    )
    text = found.text()
    parts = urlsplit(text)
    local = parse_qs(parts.query).get("d")
    if local:
        return PurePosixPath(local[0].replace("\\", "/")).name
    if parts.scheme or text.startswith("/"):
        name = PurePosixPath(unquote(parts.path)).name
        return _UPLOADED.sub("", name) if "/upload/" in parts.path else name
    return text.replace("\\", "/")


def _reader(annotation: Tree) -> str | None:
    if not annotation.has("completed_by"):
        return None
    who = annotation.get("completed_by")
    if isinstance(who.value, dict):
        return who.get("email").text() if who.has("email") else str(who.get("id").whole())
    return str(who.whole())


def _row(annotation: Tree, image: str, known: tuple[int, int] | None, reader: Reader, lost: Counter[str]) -> FilmRow:
    marks: dict[str, Mark] = {}
    size = known
    for region in annotation.get("result"):
        if region.get("type").value != "keypointlabels":
            lost["region that is no key point"] += 1
            continue
        stated = region.size("original_width", "original_height")
        if size not in (None, stated):
            raise region.get("original_width").wrong(
                f"the image was {size[0]} x {size[1]} pixels elsewhere" if size else "", "Export again from one image"
            )
        size = stated
        if region.has("image_rotation") and region.get("image_rotation").number() != 0:
            raise region.get("image_rotation").wrong(
                "the image was turned while it was marked", "Turn it back in Label Studio and export again"
            )
        value = region.get("value")
        labels = [label.text() for label in value.get("keypointlabels")]
        if len(labels) != 1:
            raise value.get("keypointlabels").wrong("a key point has no label, or several", "Give it one label")
        once(marks, labels[0], annotation.file, f"film {image}")
        x, y = value.get("x").number() / 100 * size[0] - 0.5, value.get("y").number() / 100 * size[1] - 0.5
        marks[labels[0]] = Mark(State.PRESENT, x, y)
    try:
        return film_row(image, marks, size=size, author=reader if reader != Reader("") else None)
    except InputError as error:
        raise error.at(file=annotation.file) from error


def text(study: Study) -> str:
    """The file for this study: a task per film, an annotation per reader, ready for Label Studio's import.

    Raises:
        InputError: the size of a film is unknown, and percent are of its size.
    """
    tasks: dict[str, list[object]] = {}
    for film, marks in study.rows:
        width, height = sized(film, "Label Studio")
        result = [
            {
                "id": f"{film.name}:{name}"[-60:],
                "from_name": "kp",
                "to_name": "image",
                "type": "keypointlabels",
                "original_width": width,
                "original_height": height,
                "image_rotation": 0,
                "value": {
                    "x": (mark.x + 0.5) / width * 100,
                    "y": (mark.y + 0.5) / height * 100,
                    "width": 0.3,
                    "keypointlabels": [name],
                },
            }
            for name in study.scheme.names
            if (mark := marks.mark(name)).placed
        ]
        who = {} if marks.reader is None else {"completed_by": {"email": marks.reader}}
        tasks.setdefault(film.name, []).append({"result": result, **who})
    content = [
        {"id": number, "data": {"image": image}, "annotations": annotations}
        for number, (image, annotations) in enumerate(tasks.items(), start=1)
    ]
    return json.dumps(content, allow_nan=False, ensure_ascii=False) + "\n"


def _recognised(content: Content) -> bool:
    return content.tree is not None and isinstance(content.tree.value, list)


FORMAT = Format("label-studio", "Label Studio", ".json", Holds(reader=True), _recognised, read, text=text)
