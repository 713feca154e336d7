from pathlib import Path

import pytest

from radmark.core import InputError
from radmark.web.accounts import Account, read_readers


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
        ("", "lacks reader"),
        ("reader = 1", "column reader: .*Give a list"),
        ("reader = [1]", r"column reader\[1\]: .*Give a table"),
        ('[[reader]]\nname = "A"\n[other]\n', "column other: .*no such key"),
        ("[[reader]]\n", r"reader\[1\] lacks name"),
        ('[[reader]]\nname = ""', "needs a name"),
        ('[[reader]]\nname = " A"', "needs a name"),
        ('[[reader]]\nname = "A\\u0000"', "needs a name"),
        ('[[reader]]\nname = "A"\nage = 3', "no such key"),
        ('[[reader]]\nname = "A"\nblind = 1', "blind .*Give true or false"),
        ('[[reader]]\nname = "A"\nsecond_share = true', "second_share .*Give a number"),
        ('[[reader]]\nname = "A"\nsecond_share = 1.5', "not between 0 and 1"),
        ('[[reader]]\nname = "A"\nsecond_share = nan', "not between 0 and 1"),
        ('[[reader]]\nname = "A"\nsecond_after_days = inf', "not between 0 and 3650"),
        ('[[reader]]\nname = "A"\nrole = "king"', "role .*Give one of reader, adjudicator"),
        ('[[reader]]\nname = "A"\nimages = [1]', r"images\[1\] .*Give a text"),
        ('[[reader]]\nname = "A"\nimages = []', "has no images"),
        ('[[reader]]\nname = "A"\n[[reader]]\nname = "A"', "appears twice"),
        ("[[reader", "not valid TOML"),
    ],
)
def test_a_readers_file_that_makes_no_sense_is_refused_with_its_name(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as error:
        read_readers(write(tmp_path, text))
    assert error.value.file is not None
    assert error.value.file.endswith("readers.toml")


def test_a_share_is_read_twice_and_always_the_same() -> None:
    names = [f"{i}.png" for i in range(50)]
    reader = Account("A", second_share=0.2)
    twice = reader.twice(names)
    assert len(twice) == len(set(twice)) == 10
    assert set(twice) < set(names)
    assert reader.twice(names[::-1]) == twice
    assert set(Account("B", second_share=0.2).twice(names)) != set(twice)
    assert Account("A").twice(names) == []
