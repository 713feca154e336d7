"""An error names the place, the thing, the value and the way out."""

from pathlib import Path

import pytest

from radmark.core import InputError, RadmarkError


def test_an_error_names_file_row_column_value_and_remedy() -> None:
    error = InputError(
        "the point lies outside the image",
        remedy="Correct it or leave the cell empty",
        file=Path("points.csv"),
        row=7,
        column="hip_left_x",
        value=-12.5,
    )
    assert str(error) == (
        "points.csv, row 7, column hip_left_x: the point lies outside the image (got -12.5). "
        "Correct it or leave the cell empty."
    )


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ({}, "it is wrong. Mend it."),
        ({"file": "a.csv"}, "a.csv: it is wrong. Mend it."),
        ({"row": 2}, "row 2: it is wrong. Mend it."),
        ({"column": "x"}, "column x: it is wrong. Mend it."),
        ({"file": "a.csv", "column": "x"}, "a.csv, column x: it is wrong. Mend it."),
        ({"value": ""}, "it is wrong (got ''). Mend it."),
        ({"value": 0}, "it is wrong (got 0). Mend it."),
    ],
)
def test_what_is_not_known_is_not_mentioned(place: dict, said: str) -> None:
    assert str(InputError("it is wrong", remedy="Mend it", **place)) == said


def test_one_except_catches_all_that_is_raised_on_purpose() -> None:
    assert issubclass(InputError, RadmarkError)
