"""Scheme files are read as written, and what does not follow the format is named."""

import pytest

from radmark.core import InputError, LandmarkDefinition
from radmark.io import read_scheme, shipped_schemes

HIPS = """
name = "hips"
title = "Two hips"
source = "nobody"
pairs = [["hip_right", "hip_left"]]
edges = [["hip_right", "hip_left"]]
[[landmark]]
name = "hip_right"
definition = "Centre of the patient's right femoral head."
[[landmark]]
name = "hip_left"
"""


def test_a_scheme_file_is_read_as_it_is_written(tmp_path):
    (tmp_path / "hips.toml").write_text(HIPS)
    scheme = read_scheme(str(tmp_path / "hips.toml"))
    assert (scheme.name, scheme.title, scheme.source) == ("hips", "Two hips", "nobody")
    assert scheme.pairs == scheme.edges == (("hip_right", "hip_left"),)
    assert scheme.landmarks == (
        LandmarkDefinition("hip_right", "Centre of the patient's right femoral head."),
        LandmarkDefinition("hip_left", ""),
    )


def test_every_shipped_scheme_can_be_read_under_its_own_name():
    assert "ceph-19" in shipped_schemes()
    for name in shipped_schemes():
        assert read_scheme(name).name == name


def test_the_cephalogram_scheme_is_the_challenges_nineteen():
    names = read_scheme("ceph-19").names
    assert len(names) == 19
    assert names[:3] == ("sella", "nasion", "orbitale")
    assert names[-1] == "articulare"


def test_a_text_file_of_names_is_a_scheme(tmp_path):
    (tmp_path / "mine.txt").write_text("hip_right\nhip_left\n\nsacrum\n")
    scheme = read_scheme(str(tmp_path / "mine.txt"))
    assert scheme.name == "mine"
    assert scheme.names == ("hip_right", "hip_left", "sacrum")
    assert scheme.pairs == (("hip_right", "hip_left"),)


def test_a_name_nobody_knows_is_answered_with_those_that_are_known():
    with pytest.raises(InputError, match=r"no scheme of this name .*\(got 'ceph-20'\)\. Give .* one of: .*ceph-19"):
        read_scheme("ceph-20")


@pytest.mark.parametrize(
    ("old", "new", "column", "remedy"),
    [
        (
            'title = "Two hips"',
            'titel = "Two hips"',
            "titel",
            "Did you mean title? Use one of: name, landmark, title, source, pairs, edges",
        ),
        ('title = "Two hips"', "title = 2", "title", "Give a text"),
        ('name = "hips"\n', "", "name", "Add name = …"),
        (
            'pairs = [["hip_right", "hip_left"]]',
            'pairs = ["hip_right", "hip_left"]',
            "pairs[1]",
            "Give a list of texts",
        ),
        ('edges = [["hip_right", "hip_left"]]', "edges = 1", "edges", "Give a list"),
        ('name = "hip_left"', 'nam = "hip_left"', "landmark[2].nam", "Did you mean name? Use one of: name, definition"),
        ('name = "hip_left"', "name = 1", "landmark[2].name", "Give a text"),
        ('[[landmark]]\nname = "hip_left"', "[[landmark]]", "name", "Add name = …"),
        (
            'pairs = [["hip_right", "hip_left"]]',
            'pairs = [["hip_right", "x"]]',
            None,
            "Use one of: hip_right, hip_left",
        ),
        ('name = "hip_left"', 'name = "hip_right"', None, "Give each its own name"),
        ('title = "Two hips"', "title = ", None, "Fix that line"),
    ],
)
def test_what_is_wrong_in_a_scheme_file_is_named_with_file_and_key(tmp_path, old, new, column, remedy):
    path = tmp_path / "hips.toml"
    assert old in HIPS
    path.write_text(HIPS.replace(old, new))
    with pytest.raises(InputError, match=r"hips\.toml") as caught:
        read_scheme(str(path))
    assert caught.value.column == column
    assert caught.value.remedy.startswith(remedy)


@pytest.mark.parametrize(
    ("landmark", "told"),
    [
        ("landmark = 1", r"column landmark: .*got 1\)\. Give a list"),
        ("landmark = [1]", r"column landmark\[1\]: .*Give a table"),
    ],
)
def test_landmarks_that_are_no_tables_are_refused(tmp_path, landmark, told):
    (tmp_path / "a.toml").write_text(f'name = "a"\n{landmark}\n')
    with pytest.raises(InputError, match=rf"a\.toml, {told}"):
        read_scheme(str(tmp_path / "a.toml"))


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "a.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(
        InputError, match=r"a\.toml: the scheme file cannot be read.*\. Give a text file, saved as UTF-8"
    ):
        read_scheme(str(tmp_path / "a.toml"))
