"""The scheme files that come with radmark, read with the standard library."""

import tomllib
from importlib.resources import files

import pytest

COUNTS = {
    "knee-radiograph": 8,
    "pelvis-radiograph": 20,
    "pelvis-fluoroscopy": 8,
    "pelvis-radiograph-implant": 4,
    "pelvis-fluoroscopy-implant": 5,
    "pelvis-fluoroscopy-trochanter": 6,
    "ceph-19": 19,
}
TABLE_2 = ("teardrop", "ischium", "lesser_trochanter", "greater_trochanter")


def parsed(name: str) -> dict:
    return tomllib.loads((files("radmark") / "schemes" / f"{name}.toml").read_text(encoding="utf-8"))


def names_of(name: str) -> list[str]:
    return [landmark["name"] for landmark in parsed(name)["landmark"]]


@pytest.mark.parametrize(("name", "count"), COUNTS.items())
def test_a_scheme_has_as_many_points_as_the_data_set_it_stands_for(name: str, count: int):
    scheme = parsed(name)
    assert scheme["name"] == name
    assert scheme["title"]
    assert scheme["source"].endswith(".")
    assert "\n" not in scheme["source"]
    assert len(set(names_of(name))) == len(scheme["landmark"]) == count


@pytest.mark.parametrize("name", COUNTS)
def test_every_definition_is_one_line_and_ends_with_a_full_stop(name: str):
    for landmark in parsed(name)["landmark"]:
        assert landmark["definition"].endswith(".")
        assert "\n" not in landmark["definition"]
        assert "  " not in landmark["definition"]


@pytest.mark.parametrize("name", COUNTS)
def test_every_right_has_its_left_and_they_are_a_pair(name: str):
    names = names_of(name)
    sided = {n.removesuffix("_right").removesuffix("_left") for n in names if n.endswith(("_right", "_left"))}
    assert {tuple(pair) for pair in parsed(name)["pairs"]} == {(f"{stem}_right", f"{stem}_left") for stem in sided}
    assert all(f"{stem}_{side}" in names for stem in sided for side in ("right", "left"))


@pytest.mark.parametrize("name", COUNTS)
def test_edges_join_points_of_the_scheme(name: str):
    for start, end in parsed(name)["edges"]:
        assert {start, end} <= set(names_of(name))


def test_the_pelvis_has_the_points_of_the_papers_table_2():
    wanted = {f"{name}_{side}" for name in TABLE_2 for side in ("right", "left")} | {"sacrococcygeal_junction"}
    assert wanted <= set(names_of("pelvis-radiograph"))
