"""radmark's own JSON, of annotations and of predictions alike, with all that is known of them; a format that loses nothing.

Coordinates are radmark's own: x right, y down, in pixels of the source image, (0, 0) the centre of its top-left pixel, which the
file says (`pixel_origin`). Each landmark has a state: present, occluded, absent (looked for and not in the picture) or
not_annotated (nobody looked). Of a film there may be `spacing` with its source, `patient_id`, `split`, `facts` (side, display, …,
each with who says so) and `attributes`; of who marked it `reader` and `session` (which reading), or `model`, or `consensus_of`.

Schema version 1. Earlier versions wrote less under the same number, and the annotation page a file of its own kind, with
`readings` in place of `images`: both are read here.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

from radmark import RESEARCH_USE, __version__
from radmark.core.errors import InputError
from radmark.core.facts import Fact, FactSource, fact
from radmark.core.frame import Spacing, SpacingSource
from radmark.core.marks import Author, Consensus, Mark, Model, Origin, Reader, State
from radmark.core.scheme import Scheme
from radmark.core.study import Loss, Marked, Study
from radmark.io.exchange import (
    FACT_COLUMNS,
    QUANTITIES,
    Context,
    FilmRow,
    author_of,
    decimals,
    film_row,
    gathered,
    stated,
)
from radmark.io.files import Tree, read_json
from radmark.io.format import ALL, Format

_PIXEL_ORIGIN = "centre of the top-left pixel"


def text(study: Study, more: Mapping[str, Mapping[str, object]] = MappingProxyType({})) -> str:
    """The file for a study, and what else `more` says of a film by its name."""
    images = [film_tree(each) | dict(more.get(each.film.name, {})) for each in study.rows]
    return json.dumps(head(study.scheme) | {"images": images}, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def head(scheme: Scheme) -> dict[str, object]:
    """What the file says before its films."""
    return {
        "schema_version": 1,
        "made_by": f"radmark {__version__}",
        "notice": RESEARCH_USE,
        "pixel_origin": _PIXEL_ORIGIN,
        "scheme": {"name": scheme.name, "landmarks": list(scheme.names)},
    }


def film_tree(each: Marked) -> dict[str, object]:
    """One film of that file, and what one author says of it, as JSON takes it."""
    film, marks = each
    spacing = film.spacing
    width, height = film.size or (None, None)
    facts = stated(film)
    patient = facts.pop("patient", None)
    told = {
        **_author_tree(marks.author),
        "patient_id": None if patient is None else patient.text,
        "split": film.part,
        "facts": {name: {"value": found.text, "source": found.source.value} for name, found in facts.items()},
        "attributes": dict(film.attributes),
    }
    return {
        "image_name": film.name,
        "image_width": width,
        "image_height": height,
        "spacing": spacing and {"x_mm": spacing.x_mm, "y_mm": spacing.y_mm, "source": spacing.source.value},
        **{key: value for key, value in told.items() if value},
        "landmarks": {name: _landmark(marks.mark(name)) for name in marks.scheme.names},
    }


def _author_tree(author: Author | None) -> dict[str, object]:
    match author:
        case Reader(name, reading):
            return {"reader": name, "session": reading}
        case Model(sha256, name):
            return {"model": {"sha256": sha256, "name": name}}
        case Consensus(of):
            return {"consensus_of": list(of)}
        case None:
            return {}


def _landmark(mark: Mark) -> dict[str, object]:
    x, y = (decimals(mark.x), decimals(mark.y)) if mark.placed else (None, None)
    known = {q.name: q.json(value) for q in QUANTITIES if (value := getattr(mark, q.name)) is not None}
    return {"x": x, "y": y, "state": mark.state.label, "confidence": None, **known}


def read(path: Path, context: Context) -> Study:
    """Annotations or predictions that `text`, an earlier version, the annotation page or another program wrote in this schema."""
    _ = context
    root = read_json(path)
    if root.get("schema_version").value != 1:
        raise root.get("schema_version").wrong("the version of this file is not known here", "Use a newer radmark")
    if root.get("pixel_origin").value != _PIXEL_ORIGIN:
        raise root.get("pixel_origin").wrong(
            "the origin of the coordinates is another", f'Convert them and write "{_PIXEL_ORIGIN}"'
        )
    landmarks = [
        name.get("name") if isinstance(name.value, dict) else name for name in root.get("scheme").get("landmarks")
    ]
    names = [name.text() for name in landmarks]
    lost: Counter[str] = Counter()
    page = root.has("readings") and not root.has("images")
    images = list(root.get("readings" if page else "images"))
    # A batch also lists the films it could not use, with nothing but the reason.
    used = [image for image in images if image.has("landmarks") or not image.has("problem")]
    rows = [_row(image, lost, of_page=page) for image in used]
    why = "the annotation page's own, kept in its project"
    told = [Loss(what, count, why) for what, count in lost.items()]
    if len(used) < len(images):
        told.append(Loss("film", len(images) - len(used), "it could not be used, for the reason the file states"))
    return gathered(path, rows, told, names)


def _row(image: Tree, lost: Counter[str], *, of_page: bool) -> FilmRow:
    def said(key: str) -> str | None:
        return image.get(key).text() if image.has(key) else None

    attributes = {key: value.text() for key, value in _members(image, "attributes").items()}
    marks = {name: _mark(mark, of_page=of_page) for name, mark in image.get("landmarks").fields().items()}
    if of_page:
        lost.update(what for what in ("calibration", "seconds") if image.has(what))
        attributes |= {"done": "yes" if image.get("done").value is True else "no"}
        attributes |= {"comment": said("comment") or ""} if image.get("comment").value else {}
    facts = {name: _fact(name, found) for name, found in _members(image, "facts").items()}
    for name in FACT_COLUMNS:  # what earlier versions took for an attribute
        with suppress(InputError):
            if name in attributes and name not in facts:
                facts[name] = fact(name, attributes[name], FactSource.TABLE)
                del attributes[name]
    try:
        return film_row(
            image.get("image_name").text(),
            marks,
            size=image.size("image_width", "image_height") if image.has("image_width") else None,
            spacing=_spacing(image.get("spacing")) if image.has("spacing") else None,
            author=_author(image, marks),
            patient=said("patient_id"),
            part=said("split"),
            facts=tuple(facts.values()),
            attributes=attributes,
        )
    except InputError as error:
        raise error if error.file else error.at(file=image.file, column=image.where) from error


def _members(image: Tree, key: str) -> dict[str, Tree]:
    return image.get(key).fields() if image.has(key) else {}


def _author(image: Tree, marks: Mapping[str, Mark]) -> Author | None:
    if image.has("consensus_of"):
        return Consensus(tuple(name.text() for name in image.get("consensus_of")))
    if image.has("model"):
        model = image.get("model")
        sha256, name = model.get("sha256"), model.get("name")
        if not isinstance(sha256.value, str):
            raise sha256.wrong("a text is expected here", 'Write the sha256 of the model\'s file, or ""')
        return Model(sha256.value, name.text() if model.has("name") else "model")
    told = {
        key: image.get(key).text() for key in ("reader", "session") if image.has(key) and image.get(key).value != ""
    }
    if image.has("reading"):  # the annotation page counts from 1
        number = image.get("reading").whole()
        told |= {"session": str(number)} if number != 1 else {}
    sure = any(mark.confidence is not None for mark in marks.values())
    return author_of(lambda column: told.get(column, ""), sure=sure)


def _fact(name: str, found: Tree) -> Fact:
    source = found.get("source")
    if source.value not in list(FactSource):
        raise source.wrong("there is no such source of a fact", f"Use one of: {', '.join(FactSource)}")
    try:
        return fact(name, found.get("value").text(), FactSource(source.text()))
    except InputError as error:
        raise error if error.file else error.at(file=found.file, column=found.where) from error


def _spacing(spacing: Tree) -> Spacing:
    source = spacing.get("source")
    if source.value not in list(SpacingSource):
        raise source.wrong("there is no such source of a spacing", f"Use one of: {', '.join(SpacingSource)}")
    return Spacing(spacing.get("x_mm").number(), spacing.get("y_mm").number(), SpacingSource(source.text()))


def _mark(landmark: Tree, *, of_page: bool) -> Mark:
    words = {state.label: state for state in State}
    word = landmark.get("state").text()
    if word not in words:
        raise landmark.get("state").wrong("there is no such state", f"Use one of: {', '.join(words)}")
    placed = [landmark.get(key).number() for key in ("x", "y") if landmark.has(key)]
    if len(placed) == 1:
        raise landmark.wrong("one coordinate is given and the other is not", "Give both, or null for both")
    more: dict[str, Any] = {}
    try:
        for quantity in QUANTITIES:
            if landmark.has(quantity.name):
                value = landmark.get(quantity.name).value
                more[quantity.name] = quantity.value(value)
        if of_page and landmark.get("how").value in _ORIGINS:
            more["origin"] = _ORIGINS[str(landmark.get("how").value)]
        x, y = placed or (math.nan, math.nan)
        return Mark(words[word], x, y, **more)
    except InputError as error:
        raise error.at(file=landmark.file, column=landmark.where) from error


_ORIGINS = {
    "placed": Origin.PLACED,
    "moved": Origin.MOVED,
    "keyed": Origin.MOVED,
    "accepted": Origin.ACCEPTED,
    "imported": Origin.IMPORTED,
}
"""What the annotation page calls how a mark came to be; its other words say less."""

FORMAT = Format(
    "json", "radmark's JSON", ".json", ALL, lambda content: content.has("schema_version"), read, text=text, default=True
)
