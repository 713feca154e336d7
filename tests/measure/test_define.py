"""A user's own measurements: the documentation's example on a film worked out by hand, and every mistake told with its place."""

import math
import re
from pathlib import Path

import pytest

from radmark.core import Frame, InputError, Marks, Scheme, Spacing, SpacingSource
from radmark.measure import MEASURES, Result
from radmark.measure.define import read_measures
from radmark.measure.measure import measure

PAGE = Path(__file__).parents[2] / "docs" / "measurements.md"

POINTS = {
    # Millimetres, level, x towards the patient's left and y down.
    "teardrop_right": (-60.0, 0.0), "teardrop_left": (60.0, 0.0), "ischium_right": (-75.0, 50.0), "ischium_left": (75.0, 50.0),
    "femoral_head_right": (-90.0, -20.0), "femoral_head_left": (92.0, -22.0),
    "femoral_neck_right": (-110.0, 0.0), "femoral_neck_left": (112.0, -2.0),
    "femoral_head_medial_right": (-66.0, -20.0), "femoral_head_medial_left": (68.0, -22.0),
    "femoral_head_lateral_right": (-114.0, -20.0), "femoral_head_lateral_left": (116.0, -22.0),
    "femoral_shaft_proximal_right": (-130.0, 80.0), "femoral_shaft_proximal_left": (136.0, 80.0),
    "femoral_shaft_distal_right": (-130.0, 180.0), "femoral_shaft_distal_left": (126.0, 180.0),
}  # fmt: skip


def film(*, turn_deg: float = 0.0, mirror: bool = False, spacing: bool = True) -> Marks:
    c, s = math.cos(math.radians(turn_deg)), math.sin(math.radians(turn_deg))
    x_mm, y_mm = (0.2, 0.25) if spacing else (0.25, 0.25)
    frame = Frame(3000, 2400, Spacing(x_mm, y_mm, SpacingSource.FLAG) if spacing else None)
    sign = -1 if mirror else 1
    points = {n: ((sign * (c * x - s * y) + 300) / x_mm, (s * x + c * y + 300) / y_mm) for n, (x, y) in POINTS.items()}
    return Marks.of(Scheme.from_names(tuple(points)), frame, points)


def defined(tmp_path: Path, text: str) -> Path:
    (tmp_path / "my.toml").write_text(text, encoding="utf-8")
    return tmp_path / "my.toml"


@pytest.fixture
def example(tmp_path: Path) -> Path:
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    return defined(tmp_path, text)


def by_key(results: tuple[Result, ...]) -> dict[tuple[str, str | None], Result]:
    return {(r.key, r.side): r for r in results}


@pytest.mark.parametrize("turn_deg", [0.0, 7.0, -5.0])
@pytest.mark.parametrize("mirror", [False, True])
def test_the_documentations_example_measures_what_the_drawing_has(example: Path, turn_deg: float, mirror: bool) -> None:
    entries = (*MEASURES, *read_measures(example))
    found = by_key(measure(film(turn_deg=turn_deg, mirror=mirror), measures=entries, mirrored=mirror))
    by_hand = {
        ("ischial_width", None): 150.0,
        ("shaft_to_neck", "right"): 135.0,  # straight down, then inwards and up by 45 degrees
        ("shaft_to_neck", "left"): 135.0 - math.degrees(math.atan(0.1)),  # this shaft leans inwards, 10 in 100
        ("head_share", "right"): 40.0,  # 48 of 120 mm
        ("head_share", "left"): 40.0,
        ("my_offset", "right"): 40.0,
    }  # fmt: skip
    for which, value in by_hand.items():
        assert found[which].value == pytest.approx(value), which
    assert found["head_share", "left"].unit == "%"
    assert found["ischial_width", None].unit == "mm"
    for side in ("right", "left"):
        assert found["my_offset", side].value == pytest.approx(found["femoral_offset", side].value)
        assert found["my_offset", side].sign == "head medial to the axis"
        assert found["my_offset", side].source == "our protocol, version 2"
        assert "user-defined" in found["my_offset", side].flags


def test_scatter_passes_through_a_users_measurement_as_through_radmarks(example: Path) -> None:
    found = by_key(measure(film(), measures=(*MEASURES, *read_measures(example)), sd_px=2.0))
    # Each end scatters along x by 2 pixels of 0.2 mm.
    assert found["ischial_width", None].sd == pytest.approx(math.sqrt(2) * 0.4)
    assert found["my_offset", "left"].sd == pytest.approx(found["femoral_offset", "left"].sd)


def test_along_a_line_the_sign_is_the_lines_own(tmp_path: Path) -> None:
    file = defined(
        tmp_path,
        '[[measure]]\nkey = "height"\nkind = "projection"\nline = ["femoral_shaft_distal_{s}", "femoral_shaft_proximal_{s}"]\n'
        'from = "femoral_neck_{s}"\nto = "femoral_head_{s}"\ndirection = "along"\n',
    )
    found = by_key(measure(film(), measures=read_measures(file)))
    assert found["height", "right"].value == pytest.approx(20)  # the head is 20 mm above the neck, the shaft points up
    assert found["height", "right"].sign == "towards the line's second point"


def test_without_millimetres_lengths_are_pixels_and_shares_stay(example: Path) -> None:
    found = by_key(measure(film(spacing=False), measures=read_measures(example)))
    assert (found["ischial_width", None].value, found["ischial_width", None].unit) == (pytest.approx(600), "px")
    assert found["head_share", "left"].value == pytest.approx(40)


def test_a_landmark_the_film_lacks_is_named(tmp_path: Path) -> None:
    file = defined(tmp_path, '[[measure]]\nkey = "d"\nkind = "distance"\npoints = ["teardrop_left", "nowhere"]\n')
    (result,) = measure(film(), measures=read_measures(file))
    assert result.words == "not computable: missing [nowhere]"


GOOD = '[[measure]]\nkey = "canal"\nkind = "angle"\nlines = [["a", "b"], ["c", "d"]]\n'


@pytest.mark.parametrize(
    ("old", "new", "place", "remedy"),
    [
        ('kind = "angle"', 'kind = "area"', r"column kind of \[\[measure\]\] 1 \(canal\)", "'distance', 'angle'"),
        ('kind = "angle"\n', "", r"column kind of \[\[measure\]\] 1 \(canal\)", "in quotes"),
        ('key = "canal"', 'key = "The Canal"', r"column key of", "like femoral_offset"),
        ('key = "canal"', 'key = "femoral_offset"', r"column key of", "my_femoral_offset"),
        ('key = "canal"', "", r"column key of \[\[measure\]\] 1: ", "in quotes"),
        ('[["a", "b"], ["c", "d"]]', '["a", "b"]', "column lines of", "two different landmarks"),
        ('[["a", "b"], ["c", "d"]]', '[["a", "b"]]', "column lines of", "two lines"),
        ('[["a", "b"], ["c", "d"]]', '[["a", "a"], ["c", "d"]]', "column lines of", "two different landmarks"),
        ("lines =", "line =", "column line of", "has no such key"),
        ("lines =", "signed = 1\nlines =", "column signed of", "signed = true"),
        ("lines =", 'unit = "mm"\nlines =', "column unit of", "'deg'"),
        ("lines =", "title = 3\nlines =", "column title of", "in quotes"),
        ("[[measure]]", "[measure]", "column measure", "Write"),
        (GOOD, "", "column measure", "Write"),
        ("[[measure]]", "version = 1\n[[measure]]", "column version", "tables only"),
        ("kind =", "kind", r"my\.toml: the file of measurements is not valid TOML", "Fix that line"),
        ("[[measure]]", GOOD + "[[measure]]", r"column key of \[\[measure\]\] 2 \(canal\)", "taken"),
        (
            GOOD,
            '[[measure]]\nkey = "p"\nkind = "projection"\nline = ["a", "b"]\nfrom = "a"\nto = "c"\ndirection = "up"\n',
            "column direction of", "'along', 'across'",
        ),
        (
            GOOD,
            '[[measure]]\nkey = "p"\nkind = "projection"\nline = ["a", "b"]\nfrom = "a"\nto = "a"\ndirection = "along"\n',
            "column to of", "two different landmarks",
        ),
        (GOOD, '[[measure]]\nkey = "d"\nkind = "distance"\npoints = "a"\n', "column points of", "two different landmarks"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_file_table_key_and_the_way_out(
    tmp_path: Path, old: str, new: str, place: str, remedy: str
) -> None:
    assert old in GOOD
    file = defined(tmp_path, GOOD.replace(old, new))
    with pytest.raises(InputError, match=r"my\.toml") as caught:
        read_measures(file)
    assert re.search(place, str(caught.value)), str(caught.value)
    assert remedy in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"my\.toml: there is no such file of measurements"):
        read_measures(tmp_path / "my.toml")
