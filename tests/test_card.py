"""The data part of the cards, counted by hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from radmark import cli
from radmark.card import data_card, data_card_markdown, data_facts, groups, text
from radmark.core import Film, Frame, Marked, Marks, Scheme, Spacing, SpacingSource, State
from radmark.core.marks import Reader

SCHEME = Scheme.from_names(("a", "b"), "two")


def marked(
    i: int, states: tuple[int, int], *, spacing: Spacing | None = None, reader: str | None = None, **attributes: str
) -> Marked:
    points = np.where(np.array(states)[:, None] <= State.OCCLUDED, [[1.0, 2.0], [3.0, 4.0]], np.nan)
    name, size = f"Doe-{i}.png", (40 + i % 2, 30)
    film = Film(name, size, spacing, part="train" if i < 2 else "test", attributes=attributes)
    author = None if reader is None else Reader(reader)
    marks = Marks(SCHEME, Frame(*size, spacing), points, np.array(states), film=name, author=author)
    return Marked(film.stated(patient=f"p{i // 2}"), marks)


def test_words_are_groups_and_an_empty_cell_is_not_stated() -> None:
    assert groups("sex", ["F", "M", "", "F"], list("abcd")) == {"F": [0, 3], "M": [1], "not stated": [2]}


def test_ages_are_put_in_bands_of_ten_years() -> None:
    assert groups("age", ["69", "70", "61,5", "8"], list("abcd")) == {
        "0 to <10": [3],
        "60 to <70": [2, 0],
        "70 to <80": [1],
    }


def test_other_numbers_are_groups_as_they_stand_or_quarters_of_the_images() -> None:
    assert groups("kvp", ["70", "80", "70"], list("abc")) == {"70": [0, 2], "80": [1]}
    assert groups("dose", [str(i) for i in range(12)], [str(i) for i in range(12)]) == {
        "0 to 2": [0, 1, 2],
        "3 to 5": [3, 4, 5],
        "6 to 8": [6, 7, 8],
        "9 to 11": [9, 10, 11],
    }


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("born", ["19500312", "19480101"]),
        ("patient", [f"Doe {i // 2}" for i in range(12)]),
        ("note", [f"note {i}" for i in range(21)]),
    ],
)
def test_what_tells_patients_apart_is_counted_and_never_shown(column: str, values: list[str]) -> None:
    told: list[dict[str, Any]] = [{column: value} for value in values]
    rows = [marked(i, (0, 0), **attributes) for i, attributes in enumerate(told)]
    data = data_facts(rows, SCHEME)
    assert data["attributes"][column] == {"distinct": len(set(values)), "missing": 0, "groups": None}
    card = data_card(data, SCHEME, {})
    for written in (json.dumps(card), data_card_markdown(card)):
        assert values[0] not in written
        assert "Doe" not in written


def test_images_patients_states_spacing_and_parts_are_counted() -> None:
    table = Spacing(0.1, 0.2, SpacingSource.TABLE)
    rows = [
        marked(0, (0, 1), spacing=table, reader="R1", sex="F"),
        marked(1, (0, 2), spacing=table, reader="R1", sex="F"),
        marked(2, (0, 3), reader="R2"),
    ]
    data = data_facts(rows, SCHEME)
    assert (data["images"], data["patients"], data["patients_stated"]) == (3, 2, True)
    assert data["sizes_px"] == [{"width": 40, "height": 30, "images": 2}, {"width": 41, "height": 30, "images": 1}]
    assert data["spacing_sources"] == {"table": 2, "not stated": 1}
    assert data["spacing_mm"] == [0.1, 0.2]
    assert data["readers"] == ["R1", "R2"]
    assert data["split"] == {"train": {"images": 2, "patients": 1}, "test": {"images": 1, "patients": 1}}
    assert data["landmarks"]["a"] == {"present": 3, "occluded": 0, "absent": 0, "not_annotated": 0}
    assert data["landmarks"]["b"] == {"present": 0, "occluded": 1, "absent": 1, "not_annotated": 1}
    assert data["attributes"]["sex"]["groups"] == {
        "F": {"images": 2, "patients": 1, "small": True},
        "not stated": {"images": 1, "patients": 1, "small": True},
    }
    card = data_card(data, SCHEME, {})
    assert "age of the patients" in card["not_stated"]
    assert "sex of the patients" not in card["not_stated"]


def test_a_value_cannot_leave_its_cell_or_become_markup() -> None:
    assert text("a|b\n<b>*c*") == r"a\|b \<b\>\*c\*"


def test_check_writes_a_data_card_and_replaces_nothing(tmp_path: Path) -> None:
    assert cli.main(["phantom", "--kind", "pelvis-fluoroscopy", "--n", "2", "--size", "128", str(tmp_path / "p")]) == 0
    asked = ["check", str(tmp_path / "p/annotations.csv"), "--images", str(tmp_path / "p/images"), "--card"]
    assert cli.main([*asked, str(tmp_path / "card.json")]) in (0, 1)
    card = json.loads((tmp_path / "card.json").read_text())
    assert (card["kind"], card["data"]["images"]) == ("data card", 2)
    assert cli.main([*asked, str(tmp_path / "card.md")]) in (0, 1)
    assert "For research use only" in (tmp_path / "card.md").read_text()
    before = (tmp_path / "card.md").read_bytes()
    assert cli.main([*asked, str(tmp_path / "card.md")]) == 2
    assert (tmp_path / "card.md").read_bytes() == before
    assert cli.main([*asked, str(tmp_path / "card.txt")]) == 2
