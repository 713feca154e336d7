from pathlib import Path

import numpy as np
import pytest

from radmark.core import InputError
from radmark.web.readers import Reader, consensus, read_readers


def write(folder: Path, text: str) -> Path:
    (folder / "readers.toml").write_text(text, encoding="utf-8")
    return folder / "readers.toml"


def test_a_readers_file_says_who_reads_what(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        """
        [[reader]]
        name = "Dr A"
        images = ["a/*"]
        second_share = 0.5
        second_after_days = 7

        [[reader]]
        name = "Dr B"
        blind = true

        [[reader]]
        name = "Dr C"
        role = "adjudicator"
        """,
    )
    a, b, c = read_readers(file)
    assert (a.name, a.role, a.blind, a.proposals) == ("Dr A", "reader", False, True)
    assert a.films(["a/1", "b/1"]) == ["a/1"]
    assert (a.second_share, a.second_after_days) == (0.5, 7.0)
    assert (b.blind, b.proposals, b.films(["a/1", "b/1"])) == (True, False, ["a/1", "b/1"])
    assert (c.role, c.blind) == ("adjudicator", False)


def test_the_flag_blinds_readers_and_no_adjudicator(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        '[[reader]]\nname = "A"\n[[reader]]\nname = "B"\nblind = false\n'
        '[[reader]]\nname = "C"\nproposals = true\n[[reader]]\nname = "D"\nrole = "adjudicator"\n',
    )
    a, b, c, d = read_readers(file, blind=True)
    assert [r.blind for r in (a, b, c, d)] == [True, False, True, False]
    assert [r.proposals for r in (a, b, c, d)] == [False, True, True, True]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "does not list readers"),
        ("reader = 1", "does not list readers"),
        ("reader = [1]", "a reader is a table"),
        ('[[reader]]\nname = "A"\n[other]\n', "does not list readers"),
        ("[[reader]]\n", "has no name"),
        ('[[reader]]\nname = ""', "needs a name"),
        ('[[reader]]\nname = " A"', "needs a name"),
        ('[[reader]]\nname = "A\\u0000"', "needs a name"),
        ('[[reader]]\nname = "A"\nage = 3', "no such key"),
        ('[[reader]]\nname = "A"\nblind = 1', "no bool"),
        ('[[reader]]\nname = "A"\nsecond_share = true', "no int"),
        ('[[reader]]\nname = "A"\nsecond_share = 1.5', "not between 0 and 1"),
        ('[[reader]]\nname = "A"\nsecond_share = nan', "not between 0 and 1"),
        ('[[reader]]\nname = "A"\nsecond_after_days = inf', "not between 0 and 3650"),
        ('[[reader]]\nname = "A"\nrole = "king"', "no such role"),
        ('[[reader]]\nname = "A"\nimages = [1]', "no list of patterns"),
        ('[[reader]]\nname = "A"\nimages = []', "no list of patterns"),
        ('[[reader]]\nname = "A"\n[[reader]]\nname = "A"', "stands twice"),
        ("[[reader", "cannot be read"),
    ],
)
def test_a_readers_file_that_makes_no_sense_is_refused_with_its_name(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as error:
        read_readers(write(tmp_path, text))
    assert error.value.file is not None
    assert error.value.file.endswith("readers.toml")


def test_a_share_is_read_twice_and_always_the_same() -> None:
    names = [f"{i}.png" for i in range(50)]
    reader = Reader("A", second_share=0.2)
    twice = reader.twice(names)
    assert len(twice) == len(set(twice)) == 10
    assert set(twice) < set(names)
    assert reader.twice(names[::-1]) == twice
    assert set(Reader("B", second_share=0.2).twice(names)) != set(twice)
    assert Reader("A").twice(names) == []


def test_one_reader_far_off_is_marked_and_hardly_moves_the_consensus() -> None:
    points = np.array([[100.0, 100.0], [102.0, 100.0], [101.0, 102.0], [160.0, 100.0]])
    found = consensus(points)
    assert found.outliers.tolist() == [False, False, False, True]
    assert np.hypot(*(found.point - [101, 100.7])) < 2  # the mean would lie 15 px away
    np.testing.assert_allclose(found.distances, np.hypot(*(points - found.point).T))


def test_of_two_readers_nobody_is_the_outlier_and_the_consensus_is_the_middle() -> None:
    found = consensus(np.array([[0.0, 0.0], [100.0, 0.0]]))
    np.testing.assert_allclose(found.point, [50, 0])
    assert not found.outliers.any()
    assert found.spread == 50


def test_readers_who_agree_to_a_fraction_of_a_pixel_are_no_outliers_to_each_other() -> None:
    found = consensus(np.array([[0.0, 0.0], [0.0, 0.01], [0.01, 0.0], [0.0, 0.9]]))
    assert not found.outliers.any()


def test_one_reading_is_its_own_consensus() -> None:
    found = consensus(np.array([[3.0, 4.0]]))
    assert found.point.tolist() == [3, 4]
    assert found.spread == 0
