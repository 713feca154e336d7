"""A study: films, and marks on them by any number of authors; each author once on each film."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from radmark.core import Film, Frame, InputError, Marked, Marks, Scheme, State, Study
from radmark.core.marks import ABSENT, Author, Consensus, Model, Reader

MakeDataset = Callable[..., Study]
FRAME = Frame(40, 30)


def marked(scheme: Scheme, name: str, author: Author | None = None, at: tuple[float, float] = (1, 2)) -> Marked:
    film = Film.from_array(np.zeros((30, 40), np.uint8), name)
    return Marked(film, Marks.of(scheme, FRAME, {"sacrum": at}, film=name, author=author))


def test_a_study_is_not_empty(scheme: Scheme) -> None:
    with pytest.raises(InputError, match="no annotated film"):
        Study(scheme, ())


def test_an_author_marks_a_film_once(make_dataset: MakeDataset, scheme: Scheme) -> None:
    row = make_dataset(["a"]).rows[0]
    with pytest.raises(InputError, match=r"twice, by the same reader .*film-0\.png"):
        Study(scheme, (row, row))
    anna = marked(scheme, "a.png", Reader("anna"))
    with pytest.raises(InputError, match=r"twice, by the same reader .*anna"):
        Study(scheme, (anna, anna))


def test_a_film_has_a_row_for_each_author_and_each_reading(scheme: Scheme) -> None:
    authors = (
        Reader("anna"),
        Reader("anna", "2"),
        Reader("ben"),
        Model("a" * 64),
        Model("b" * 64),
        Consensus(("anna", "ben")),
        None,
    )
    study = Study(scheme, tuple(marked(scheme, "a.png", author) for author in authors))
    assert (study.authors, study.names, len(study)) == (authors, ("a.png",), 7)
    assert study.readers == ("anna", "ben", None, "consensus")
    assert len(study.films) == 1


def test_a_study_is_of_one_scheme(make_dataset: MakeDataset) -> None:
    knees = Scheme.from_names(("medial", "lateral"), "knees")
    row = Marked(Film("film-0.png"), Marks.present(knees, Frame(4, 4), np.zeros((2, 2)), film="film-0.png"))
    with pytest.raises(InputError, match=r"film-0\.png is marked in scheme knees, not hips"):
        Study(make_dataset(["a"]).scheme, (row,))


def test_marks_stand_beside_the_film_they_are_of(scheme: Scheme) -> None:
    film, _ = marked(scheme, "a.png")
    _, marks = marked(scheme, "b.png")
    with pytest.raises(InputError, match=r"marks of film b\.png"):
        Study(scheme, (Marked(film, marks),))


def test_a_subset_keeps_the_order_of_the_whole(make_dataset: MakeDataset) -> None:
    assert make_dataset(["a", "b", "c"]).subset(["film-2.png", "film-0.png"]).names == ("film-0.png", "film-2.png")


def test_a_subset_of_a_film_that_is_not_there_is_refused(make_dataset: MakeDataset) -> None:
    with pytest.raises(InputError, match=r"film-9\.png"):
        make_dataset(["a", "b"]).subset(["film-0.png", "film-9.png"])


def test_a_name_takes_all_readings_of_a_reader_and_a_reading_can_be_named(scheme: Scheme) -> None:
    authors = (Reader("anna"), Reader("anna", "2"), Reader("ben"))
    study = Study(scheme, tuple(marked(scheme, "a.png", author) for author in authors))
    assert study.of_reader("anna").authors == authors[:2]
    assert study.of_reader("anna, reading 2").authors == authors[1:2]
    with pytest.raises(InputError, match=r"'carl'\)\. Use one of: anna; anna, reading 2; ben"):
        study.of_reader("carl")


def test_rows_that_name_nobody_are_said_to_be_somebodys_and_keep_which_reading_they_are(scheme: Scheme) -> None:
    study = Study(scheme, (marked(scheme, "a.png"), marked(scheme, "a.png", Reader("", "2"))))
    assert study.named("anna").authors == (Reader("anna"), Reader("anna", "2"))


def test_rows_in_parts_of_a_scheme_are_gathered_in_all_of_it(scheme: Scheme) -> None:
    part = Scheme.from_names(("sacrum",), "part")
    study = Study.gather(scheme, [marked(part, "a.png")])
    assert study.rows[0].marks.states.tolist() == [State.NOT_ANNOTATED, State.NOT_ANNOTATED, State.PRESENT]


def test_what_another_scheme_leaves_out_is_counted(scheme: Scheme) -> None:
    film, _ = marked(scheme, "a.png")
    marks = Marks.of(scheme, FRAME, {"sacrum": (1, 2), "hip_left": ABSENT}, film="a.png")
    study = Study(scheme, (Marked(film, marks),)).in_scheme(Scheme.from_names(("sacrum",), "part"))
    assert study.rows[0].marks.points.tolist() == [[1, 2]]
    assert [(loss.what, loss.count) for loss in study.lost] == [("landmark hip_left", 1)]


# ------------------------------------------------------------------------------------------------ one reading per film


def test_a_training_set_is_one_reading_per_film(scheme: Scheme) -> None:
    anna, ben = marked(scheme, "a.png", Reader("anna"), (1, 2)), marked(scheme, "a.png", Reader("ben"), (3, 4))
    study = Study(scheme, (anna, ben))
    with pytest.raises(InputError, match=r"several readings of one film \(got 'a\.png'\).*--reader.*anna.*ben"):
        study.training_set()
    assert study.training_set("ben").rows == (ben,)
    assert Study(scheme, (anna,)).training_set().rows == (anna,)


def test_films_read_by_different_readers_are_one_training_set(scheme: Scheme) -> None:
    study = Study(scheme, (marked(scheme, "a.png", Reader("anna")), marked(scheme, "b.png", Reader("ben"))))
    assert study.training_set().names == ("a.png", "b.png")


def test_a_film_without_a_size_or_without_pixels_is_not_trained_on(scheme: Scheme) -> None:
    film, marks = marked(scheme, "a.png")
    nowhere = Marked(Film("a.png"), replace(marks, on=None))
    with pytest.raises(InputError, match=r"size of the film is needed.*--films"):
        Study(scheme, (nowhere,)).training_set()
    with pytest.raises(InputError, match=r"pixels are not at hand \(got 'a\.png'\).*--films"):
        Study(scheme, (Marked(Film("a.png", film.size), marks),)).training_set()
