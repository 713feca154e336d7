"""COCO key points: one JSON file, images, annotations and a category that names the landmarks.

Convention: x right, y down, pixels, 0-based; a whole number is the **centre** of a pixel, the top-left one is (0, 0). That is
radmark's own, so nothing is converted. COCO's own page does not say it; its key points are whole pixel indices from 0 to
W - 1 (unlike its boxes, which span 0 to W), as detectron2 found out and reads them (data/datasets/coco.py, pull request 175).
Flat triplets x, y, v: v = 2 visible (present), 1 labelled but hidden (occluded), 0 not labelled (x = y = 0). There is no
word for "looked for and not in the picture": absent becomes 0. Source: cocodataset.org, "Data format", 4.
One object per image: the box and area that COCO asks for are those of the whole image.
"""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from radmark.core.errors import InputError
from radmark.core.marks import Mark, State
from radmark.core.study import Loss, Study
from radmark.io.exchange import Context, FilmRow, decimals, film_row, gathered, sized
from radmark.io.files import Tree, read_json
from radmark.io.format import Content, Format, Holds

_STATES = {0: State.NOT_ANNOTATED, 1: State.OCCLUDED, 2: State.PRESENT}


def read(path: Path, context: Context) -> Study:
    """The key points of a COCO file."""
    _ = context
    root = read_json(path)
    images = _by_id(root.get("images"))
    names: dict[int, tuple[str, ...]] = {}
    for number, category in _by_id(root.get("categories")).items():
        if category.has("keypoints"):
            names[number] = tuple(name.text() for name in category.get("keypoints"))
    used: set[int] = set()
    marks: dict[int, dict[str, Mark]] = {}
    lost: Counter[str] = Counter()
    for annotation in root.get("annotations"):
        if not annotation.has("keypoints"):
            lost["object without key points"] += 1
            continue
        category, image = annotation.get("category_id").whole(), annotation.get("image_id").whole()
        if category not in names:
            raise annotation.get("category_id").wrong("no category of this id has key points", "Name its keypoints")
        if image not in images:
            raise annotation.get("image_id").wrong("there is no image of this id", "Add it to images")
        if image in marks:
            raise annotation.get("image_id").wrong(
                "an image has two objects with key points, and radmark keeps one set of landmarks per image",
                "Leave one annotation for each image",
            )
        used.add(category)
        marks[image] = _marks(annotation, names[category])
    if len(used) > 1:
        raise root.get("categories").wrong(
            "the annotations are of several categories with key points", "Leave one category in a file"
        )
    if not used and len(names) != 1:
        raise root.get("annotations").wrong("no annotation has key points", "Give a file with at least one")
    scheme_names = names[used.pop() if used else next(iter(names))]
    rows: list[FilmRow] = []
    for number, image in images.items():
        size = image.size("width", "height") if image.has("width") or image.has("height") else None
        rows.append(_row(image, marks.get(number, {}), size))
    why = "only key points are read"
    return gathered(path, rows, [Loss(what, count, why) for what, count in lost.items()], scheme_names)


def _row(image: Tree, marks: dict[str, Mark], size: tuple[int, int] | None) -> FilmRow:
    try:
        return film_row(image.get("file_name").text().replace("\\", "/"), marks, size=size)
    except InputError as error:
        raise error.at(file=image.file, column=f"{image.where}.file_name") from error


def _by_id(items: Tree) -> dict[int, Tree]:
    found: dict[int, Tree] = {}
    for item in items:
        number = item.get("id").whole()
        if number in found:
            raise item.get("id").wrong("an id appears twice", "Give each its own")
        found[number] = item
    return found


def _marks(annotation: Tree, names: Sequence[str]) -> dict[str, Mark]:
    flat = list(annotation.get("keypoints"))
    if len(flat) != 3 * len(names):
        raise annotation.get("keypoints").wrong(
            f"the category has {len(names)} key points, so {3 * len(names)} numbers are expected, not {len(flat)}",
            "Write x, y and v for each",
        )
    marks: dict[str, Mark] = {}
    for k, name in enumerate(names):
        x, y, v = flat[3 * k : 3 * k + 3]
        visible = v.whole()
        if visible not in _STATES:
            raise v.wrong("visibility is none of 0, 1 and 2", "Write 2 for visible, 1 for hidden, 0 for not labelled")
        x_px, y_px = x.number(), y.number()
        marks[name] = Mark(_STATES[visible], x_px, y_px) if visible else Mark(State.NOT_ANNOTATED)
    return marks


def text(study: Study) -> str:
    """The file for this study.

    Raises:
        InputError: the size of a film is unknown.
    """
    scheme = study.scheme
    images: list[object] = []
    annotations: list[object] = []
    for number, (film, marks) in enumerate(study.rows, start=1):
        width, height = sized(film, "COCO")
        images.append({"id": number, "file_name": film.name, "width": width, "height": height})
        flat: list[float | int] = []
        count = 0
        scores: list[float] = []
        for name in scheme.names:
            mark = marks.mark(name)
            if mark.placed:
                count += 1
                flat += [decimals(mark.x), decimals(mark.y), 2 if mark.state == State.PRESENT else 1]
                scores += [] if mark.confidence is None else [mark.confidence]
            else:
                flat += [0, 0, 0]
        annotation: dict[str, object] = {
            "id": number,
            "image_id": number,
            "category_id": 1,
            "bbox": [0, 0, width, height],
            "area": width * height,
            "iscrowd": 0,
            "num_keypoints": count,
            "keypoints": flat,
        }
        if scores:
            annotation["score"] = decimals(sum(scores) / len(scores))
        annotations.append(annotation)
    skeleton = [[scheme.index(a) + 1, scheme.index(b) + 1] for a, b in scheme.edges]
    content = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": scheme.name, "keypoints": list(scheme.names), "skeleton": skeleton}],
    }
    return json.dumps(content, allow_nan=False, ensure_ascii=False) + "\n"


def _recognised(content: Content) -> bool:
    return content.has("categories") or content.has("images", "annotations")


FORMAT = Format("coco", "COCO key points", ".json", Holds(occluded=True), _recognised, read, text=text)
