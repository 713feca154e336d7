"""Films: gray values at their full depth, and facts with who says so."""

import numpy as np
import pytest

from radmark.core import Film, Frame, InputError, Severity, Spacing, SpacingSource, same_pixels
from radmark.core.facts import FACTS, Fact, FactSource, fact


@pytest.mark.parametrize(
    ("dtype", "values"),
    [(np.uint8, [0, 51, 255]), (np.uint16, [1000, 13814, 65070]), (np.float32, [-1.0, -0.6, 1.0])],
)
def test_the_darkest_value_becomes_0_and_the_brightest_1(dtype: type, values: list[float]) -> None:
    seen = Film.from_array(np.array([values], dtype)).normalised()
    assert seen.dtype == np.float32
    np.testing.assert_allclose(seen, [[0, 0.2, 1]], atol=1e-6)


def test_sixteen_bits_are_not_squeezed_through_eight() -> None:
    ramp = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    assert len(np.unique(Film.from_array(ramp).normalised())) == 4096


def test_a_blank_film_is_black() -> None:
    assert not Film.from_array(np.full((2, 3), 77, np.uint8)).normalised().any()


def test_an_array_is_height_by_width() -> None:
    with pytest.raises(InputError, match=r"3 wide and 2 high.*\(3, 2\).*\(height, width\)"):
        Film("film", (3, 2), _pixels=np.zeros((3, 2), np.uint8))


def test_a_colour_picture_is_refused() -> None:
    with pytest.raises(InputError, match=r"\(2, 3, 3\)"):
        Film.from_array(np.zeros((2, 3, 3), np.uint8))


@pytest.mark.parametrize("dtype", [np.int16, np.float64, np.bool_])
def test_any_other_depth_is_refused_by_name(dtype: type) -> None:
    with pytest.raises(InputError, match=np.dtype(dtype).name):
        Film.from_array(np.zeros((2, 3), dtype))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_gray_values_are_finite(value: float) -> None:
    with pytest.raises(InputError, match="NaN or infinity"):
        Film.from_array(np.full((2, 3), value, np.float32))


def test_the_picture_is_read_only_and_the_callers_array_is_not() -> None:
    array = np.zeros((2, 3), np.uint8)
    film = Film.from_array(array)
    with pytest.raises(ValueError, match="read-only"):
        film.pixels[0, 0] = 1
    array[0, 0] = 1


def test_the_hash_sees_pixels_shape_and_depth_and_nothing_else() -> None:
    pixels = np.arange(6, dtype=np.uint8)

    def hashed(array: np.ndarray) -> str:
        return Film.from_array(array).pixel_hash

    wide, high = pixels.reshape(2, 3), pixels.reshape(3, 2)
    assert hashed(wide) == hashed(np.asfortranarray(wide))
    assert len({hashed(wide), hashed(high), hashed(wide.astype(np.uint16)), hashed(wide + np.uint8(1))}) == 4


def test_one_picture_under_two_names_is_noticed() -> None:
    assert same_pixels({"a": "1", "b": "2", "c": "1", "d": "3"}) == (("a", "c"),)


# ----------------------------------------------------------------------------------------------------------- its grid


def test_an_array_has_its_own_size_and_the_millimetres_it_was_given() -> None:
    film = Film.from_array(np.zeros((2, 3), np.uint8), spacing_mm=0.143)
    assert film.frame == Frame(3, 2, Spacing(0.143, 0.143, SpacingSource.FLAG))
    assert Film.from_array(np.zeros((2, 3), np.uint8), spacing_mm=(0.1, 0.2)).frame.spacing == Spacing(
        0.1, 0.2, SpacingSource.FLAG
    )


def test_a_film_of_unknown_size_says_so_when_its_grid_is_needed() -> None:
    film = Film("hip.png")
    assert film.grid is None
    with pytest.raises(InputError, match=r"size of the film is needed.*'hip\.png'.*--films"):
        _ = film.frame


@pytest.mark.parametrize("name", ["", "  ", "/etc/passwd", "\\\\server\\a.png", "a\0.png"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="not a valid film name"):
        Film(name)


@pytest.mark.parametrize("name", ["../hip.png", "a/../../hip.png", "..\\hip.png", "C:/hip.png"])
def test_a_name_that_leads_out_of_the_folder_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="leads out of the folder"):
        Film(name)


def test_pixels_load_when_they_are_asked_for_and_a_study_keeps_none() -> None:
    loads: list[str] = []

    def load(film: Film) -> Film:
        loads.append(film.name)
        return Film.from_array(np.ones((2, 3), np.uint8), film.name)

    film = Film("hip.png", (3, 2), load=load)
    assert not film.is_loaded
    assert film.loaded().pixels.shape == (2, 3)
    assert (film.is_loaded, loads) == (False, ["hip.png"])
    assert film.pixels is film.pixels
    assert loads == ["hip.png", "hip.png"]


# ------------------------------------------------------------------------------------------------------------- facts


def said(*facts: tuple[str, str, FactSource]) -> Film:
    return Film("hip.png", facts=tuple(fact(name, text, source) for name, text, source in facts))


def test_the_user_goes_before_the_table_the_table_before_the_header_and_a_guess_comes_last() -> None:
    sources = [FactSource.INFERRED, FactSource.HEADER, FactSource.TABLE, FactSource.USER]
    for upto in range(1, 5):
        values = zip(["left", "right", "left", "right"], sources, strict=True)
        film = said(*[("side", value, source) for value, source in values][:upto])
        assert film.fact("side") == Fact("side", ["left", "right"][1 - upto % 2], sources[upto - 1])


def test_a_table_and_a_header_that_name_different_sides_stop_what_rests_on_the_side() -> None:
    film = said(("side", "left", FactSource.HEADER), ("side", "R", FactSource.TABLE))
    found = next(f for f in film.findings if f.code == "side_contradicted")
    assert (film.side, found.severity, found.about) == ("right", Severity.STOP, "side")
    assert found.words == "side: the table says right, the header says left; right is used"


def test_a_user_who_overrules_the_header_is_asked_to_look() -> None:
    film = said(("display", "standard", FactSource.USER), ("display", "mirrored", FactSource.HEADER))
    (found,) = film.findings
    assert (found.code, found.severity) == ("display_contradicted", Severity.CHECK)


def test_patients_who_differ_are_never_named() -> None:
    film = said(("patient", "Kowalski", FactSource.HEADER), ("patient", "P7", FactSource.TABLE))
    (found,) = [f for f in film.findings if f.about == "patient"]
    assert film.owner == "P7"
    assert "Kowalski" not in found.words
    assert "P7" not in found.words


def test_two_who_say_the_same_do_not_contradict_each_other() -> None:
    film = said(("date", "20240501", FactSource.HEADER), ("date", "2024-05-01", FactSource.TABLE))
    assert film.flags == ("orientation_unknown",)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("side", "L", "left"), ("operated", "Right", "right"), ("display", "MIRRORED", "mirrored"), ("view", "AP", "AP"),
        ("date", "20240501", "2024-05-01"), ("head_mm", "28", "28"), ("known_mm", "a,b,25.4", "a,b,25.4"),
        ("magnification", "1.15", 1.15), ("pelvic_tilt_deg", "-7.5", -7.5),
        ("cone_beam", "1000,0,12.5,-3", (1000.0, 0.0, 12.5, -3.0)),
    ],
)  # fmt: skip
def test_a_fact_is_read_from_a_cell_and_written_back(name: str, text: str, value: object) -> None:
    found = fact(name, text, FactSource.TABLE)
    assert found.value == value
    assert fact(name, found.text, FactSource.TABLE) == found


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("side", "up"), ("display", "m"), ("date", "1.5.2024"), ("date", "2024-13-01"), ("head_mm", "-1"), ("head_mm", "big"),
        ("magnification", "0.9"), ("magnification", "nan"), ("pelvic_tilt_deg", "91"), ("cone_beam", "1,2,3"), ("patient", " "),
    ],
)  # fmt: skip
def test_a_value_that_is_none_is_answered_with_what_may_stand_there(name: str, text: str) -> None:
    with pytest.raises(InputError, match=f"not a value of {name}") as caught:
        fact(name, text, FactSource.USER)
    assert caught.value.remedy == f"Give {FACTS[name].words}"


def test_facts_and_attributes_are_columns_and_the_patient_is_not() -> None:
    film = Film("hip.png", attributes={"sex": "f"}).stated(side="left", patient="P1", magnification=1.1)
    assert film.columns == {"sex": "f", "side": "left", "magnification": "1.1"}
