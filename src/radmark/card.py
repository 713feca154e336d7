"""What a study is made of, for the cards: a data card of its own, and the data part of a model card.

A card is made to be passed on. So it holds counts, and no name of an image or a patient; and a column whose values tell
patients apart, such as a number of the hospital, is counted and not shown.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from radmark import RESEARCH_USE
from radmark.core.facts import FactSource
from radmark.core.marks import State
from radmark.core.scheme import Scheme
from radmark.core.study import Marked
from radmark.io.atomic import write_text

CARD_FILES = ("card.md", "card.json")
"""A card for people and the same for programs."""

NOT_STATED = "not stated"
SMALL_GROUP = 10
"""A group of fewer patients than this is marked: its figures say little, and a person in it may be recognised."""

_MANY = 20  # values of words that still are groups; more of them are free text
_FEW_NUMBERS = 10  # numbers of so few values are groups as they stand: a tube voltage, a size of implant
_IDENTIFYING = 5  # so many values, each one patient's alone, are no groups but a name for the patient
_LIKE_AN_IDENTIFIER = 1e5  # no age, size, voltage or dose is so large; dates and hospital numbers are
_SIZES = 10


def groups(column: str, values: Sequence[str], patients: Sequence[str]) -> dict[str, list[int]] | None:
    """Which images fall into which group of a column; None where its values make no groups.

    Ages are put in bands of ten years, other numbers of more than ten values in quarters of the images (by value; ties stay
    together). Words of more than 20 values, large whole numbers, and columns of which each value is one patient's alone
    make no groups.

    Args:
        column: its name.
        values: one for each image, "" for none.
        patients: whose the images are.

    Returns:
        group -> indices of its images, the group "not stated" last.
    """
    said = [i for i, value in enumerate(values) if value.strip()]
    numbers = {i: number for i in said if (number := _number(values[i])) is not None}
    found: dict[str, list[int]] = {}
    if said and len(numbers) == len(said):
        if max(abs(number) for number in numbers.values()) >= _LIKE_AN_IDENTIFIER:
            return None
        if re.fullmatch(r"age([ _(\[].*)?", column.strip().lower()):
            for i, age in sorted(numbers.items(), key=lambda item: item[1]):
                low = 10 * math.floor(age / 10)
                found.setdefault(f"{low} to <{low + 10}", []).append(i)
        elif len(set(numbers.values())) > _FEW_NUMBERS:
            quarter = np.searchsorted(np.quantile(list(numbers.values()), (0.25, 0.5, 0.75)), list(numbers.values()))
            for q in range(4):
                members = [i for i, own in zip(numbers, quarter.tolist(), strict=True) if own == q]
                if members:
                    low, high = (pick(numbers[i] for i in members) for pick in (min, max))
                    found[f"{low:g} to {high:g}"] = members
        else:
            for i, _ in sorted(numbers.items(), key=lambda item: item[1]):
                found.setdefault(values[i].strip(), []).append(i)
    else:
        for i in said:
            found.setdefault(values[i].strip(), []).append(i)
        found = dict(sorted(found.items()))
        if len(found) > _MANY:
            return None
        alone = all(len({patients[i] for i in members}) == 1 for members in found.values())
        if alone and len(found) > _IDENTIFYING:
            return None
    left = [i for i, value in enumerate(values) if not value.strip()]
    if left:
        found.setdefault(NOT_STATED, []).extend(left)
    return found


def columns(rows: Sequence[Marked]) -> dict[str, list[str]]:
    """Every column by which films may be grouped: a value for each row, "" where it has none.

    These are the films' attributes, the facts that a table states (but for the patient), and the reader where there are several.
    """
    each = [
        {
            **film.attributes,
            **{f.name: str(f.value) for f in film.facts if f.source is FactSource.TABLE and f.name != "patient"},
        }
        for film, _ in rows
    ]
    names = dict.fromkeys(name for of in each for name in of)
    found = {name: [of.get(name, "") for of in each] for name in names}
    readers = [marks.reader or "" for _, marks in rows]
    if "reader" not in found and len(set(readers)) > 1:
        found["reader"] = readers
    return found


def data_facts(
    rows: Sequence[Marked], scheme: Scheme, parts: Mapping[str, Sequence[str]] | None = None
) -> dict[str, Any]:
    """Marked films in numbers, as JSON takes them; null is "not stated".

    Args:
        rows: one for each film.
        scheme: its landmarks.
        parts: film names by part of the split; None takes the films' own.
    """
    frames = [marks.frame for _, marks in rows]
    patients = [film.owner for film, _ in rows]
    sizes = Counter((frame.width, frame.height) for frame in frames).most_common()
    millimetres = [mm for frame in frames if frame.spacing for mm in (frame.spacing.x_mm, frame.spacing.y_mm)]
    sources = Counter(frame.spacing.source.value if frame.spacing else NOT_STATED for frame in frames)
    if parts is None:
        named = dict.fromkeys(film.part for film, _ in rows if film.part)
        parts = {part: [film.name for film, _ in rows if film.part == part] for part in named}
    patient_of = {film.name: film.owner for film, _ in rows}
    states = np.array([marks.states for _, marks in rows]).reshape(len(rows), len(scheme))
    return {
        "images": len(rows),
        "patients": len(set(patients)),
        "patients_stated": any(film.patient is not None and film.patient != film.name for film, _ in rows),
        "sizes_px": [{"width": w, "height": h, "images": n} for (w, h), n in sizes[:_SIZES]],
        "other_sizes": max(0, len(sizes) - _SIZES),
        "spacing_sources": dict(sources),
        "spacing_mm": [min(millimetres), max(millimetres)] if millimetres else None,
        "readers": sorted({marks.reader for _, marks in rows if marks.reader}) or None,
        "split": {
            part: {"images": len(names), "patients": len({patient_of[name] for name in names})}
            for part, names in parts.items()
        }
        or None,
        "landmarks": {
            name: {state.label: int((states[:, k] == state).sum()) for state in State}
            for k, name in enumerate(scheme.names)
        },
        "attributes": {name: _attribute(name, values, patients) for name, values in columns(rows).items()},
    }


def _attribute(name: str, values: Sequence[str], patients: Sequence[str]) -> dict[str, Any]:
    found = groups(name, values, patients)
    return {
        "distinct": len({value.strip() for value in values if value.strip()}),
        "missing": sum(not value.strip() for value in values),
        "groups": found and {group: count(members, patients) for group, members in found.items()},
    }


def count(members: Sequence[int], patients: Sequence[str]) -> dict[str, Any]:
    """Images and patients of a group, and whether it is small."""
    n = len({patients[i] for i in members})
    return {"images": len(members), "patients": n, "small": n < SMALL_GROUP}


def data_card(data: Mapping[str, Any], scheme: Scheme, findings: Mapping[str, int]) -> dict[str, Any]:
    """A data card as JSON takes it.

    Args:
        data: from `data_facts`.
        scheme: its landmarks.
        findings: how many of each kind `radmark check` had, as "error: <kind>".
    """
    return {
        "card": 1,
        "kind": "data card",
        "notice": RESEARCH_USE,
        "scheme": scheme_facts(scheme),
        "data": dict(data),
        "findings": dict(findings),
        "not_stated": not_stated(data),
    }


def data_card_markdown(card: Mapping[str, Any]) -> str:
    """A data card for people."""
    scheme = card["scheme"]
    lines = [f"# Data card: {text(scheme['title'] or scheme['name'])}", "", f"**{card['notice']}**", ""]
    lines += [*scheme_lines(scheme), "## Data", "", *data_lines(card["data"]), "## Findings of the check", ""]
    lines += table(("finding", "times"), card["findings"].items()) if card["findings"] else ["None.", ""]
    lines += not_stated_lines(card["not_stated"])
    return "\n".join(lines)


def scheme_facts(scheme: Scheme) -> dict[str, Any]:
    """A scheme as a card tells it."""
    return {
        "name": scheme.name,
        "title": scheme.title,
        "source": scheme.source or None,
        "landmarks": {landmark.name: landmark.definition or None for landmark in scheme.landmarks},
    }


def not_stated(data: Mapping[str, Any]) -> list[str]:
    """What a card's reader would ask and no file answers."""
    named = [name.lower() for name in data["attributes"]]
    asked = {
        "which images are of one patient": data["patients_stated"],
        "who read the films": data["readers"],
        "millimetres per pixel of every image": NOT_STATED not in data["spacing_sources"],
        "age of the patients": any(re.match(r"age\b|age_", name) for name in named),
        "sex of the patients": any(re.match(r"(sex|gender)\b|(sex|gender)_", name) for name in named),
        "where, when and on which machines the films were taken": False,
        "how the films were chosen": False,
        "consent and licence of the films": False,
    }
    return [what for what, known in asked.items() if not known]


# ---- words -----------------------------------------------------------------------------------------------------------


def text(value: object) -> str:
    """A value in Markdown as plain text: nothing in it is markup, and it stays in its cell."""
    plain = " ".join(str(value).split())
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", plain)


def table(head: Sequence[str], rows: Any) -> list[str]:
    """A Markdown table and an empty line; None is "not stated"."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(text(NOT_STATED if cell is None else cell) for cell in row)} |" for row in rows]
    return [*lines, ""]


def scheme_lines(scheme: Mapping[str, Any]) -> list[str]:
    """The scheme's part of a card."""
    source = text((scheme["source"] or NOT_STATED).rstrip("."))
    head = ["## Scheme", "", f"{text(scheme['name'])}, {len(scheme['landmarks'])} landmarks. Source: {source}.", ""]
    return [*head, *table(("landmark", "definition"), scheme["landmarks"].items())]


def data_lines(data: Mapping[str, Any]) -> list[str]:
    """The data's part of a card."""
    apart = "" if data["patients_stated"] else " (not stated: each image is counted as a patient of its own)"
    sizes = ", ".join(f"{s['width']} x {s['height']} ({s['images']})" for s in data["sizes_px"])
    sizes += f" and {data['other_sizes']} other sizes" if data["other_sizes"] else ""
    mm = data["spacing_mm"]
    sources = ", ".join(f"{name} ({n})" for name, n in data["spacing_sources"].items())
    split: Mapping[str, Mapping[str, int]] = data["split"] or {}
    lines = [
        f"- images: {data['images']}",
        f"- patients: {data['patients']}{apart}",
        f"- sizes in pixels (images): {sizes}",
        f"- millimetres per pixel: {NOT_STATED if mm is None else f'{mm[0]:.6g} to {mm[1]:.6g}'}",
        f"- where the millimetres come from (images): {sources}",
        f"- readers: {text(', '.join(data['readers'])) if data['readers'] else NOT_STATED}",
        "- split: "
        + (
            "; ".join(f"{text(p)} {n['images']} images of {n['patients']} patients" for p, n in split.items())
            or NOT_STATED
        ),
        "",
        *table(
            ("landmark", *(state.label.replace("_", " ") for state in State)),
            ((name, *(of[state.label] for state in State)) for name, of in data["landmarks"].items()),
        ),
    ]
    rows: list[tuple[object, ...]] = []
    for column, found in data["attributes"].items():
        if found["groups"] is None:
            rows.append((column, f"{found['distinct']} values, not shown", data["images"] - found["missing"], ""))
        else:
            rows += [(column, g, n["images"], patients(n)) for g, n in found["groups"].items()]
    if not rows:
        return [*lines, "No further column (sex, age, scanner, implant) is in the annotations: not stated.", ""]
    return [*lines, *table(("column", "group", "images", "patients"), rows), small_note()]


def patients(of: Mapping[str, Any]) -> str:
    """Patients of a group, a small group marked."""
    return f"{of['patients']} (!)" if of["small"] else str(of["patients"])


def small_note() -> str:
    """What the mark of `patients` means."""
    return f"(!) fewer than {SMALL_GROUP} patients: too few to conclude from, and perhaps a person is recognised.\n"


def not_stated_lines(what: Sequence[str]) -> list[str]:
    """The last part of a card."""
    return ["## Not stated", "", *(f"- {one}" for one in what), ""]


def write_card(folder: Path, card: Mapping[str, Any], markdown: str) -> None:
    """`card.json` and `card.md` in a folder."""
    write_text(folder / "card.json", json_text(card))
    write_text(folder / "card.md", markdown)


def json_text(card: Mapping[str, Any]) -> str:
    """A card as the text of its JSON file; no NaN."""
    return json.dumps(card, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _number(value: str) -> float | None:
    try:
        number = float(value.strip().replace(",", "."))
    except ValueError:
        return None
    return number if math.isfinite(number) else None
