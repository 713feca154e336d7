"""Splits of a study: no patient is parted, and the same question gets the same answer."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from radmark.core import InputError, Marked, Split, Study

MakeDataset = Callable[..., Study]
SHARES = {"train": 0.8, "test": 0.2}
# The fixture only makes data sets; it keeps nothing from one example to the next.
drawn = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def patients_of(study: Study, names: tuple[str, ...]) -> set[str]:
    patient = {film.name: film.owner for film in study.films}
    return {patient[name] for name in names}


@drawn
@given(
    patients=st.lists(st.integers(0, 12).map("patient {}".format), min_size=1, max_size=40),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_split_never_parts_a_patient_and_forgets_no_film(
    make_dataset: MakeDataset, patients: list[str], seed: int
) -> None:
    study = make_dataset(patients)
    if len(set(patients)) < 3:
        with pytest.raises(InputError, match="would be empty"):
            Split.by_patient(study, {"train": 0.4, "val": 0.3, "test": 0.3}, seed=seed)
        return
    parts = Split.by_patient(study, {"train": 0.4, "val": 0.3, "test": 0.3}, seed=seed).parts
    homes = Counter(patient for names in parts.values() for patient in patients_of(study, names))
    assert set(homes.values()) == {1}
    assert Counter(name for names in parts.values() for name in names) == Counter(study.names)


def test_a_small_share_of_few_patients_is_one_patient_not_none(make_dataset: MakeDataset) -> None:
    parts = Split.by_patient(make_dataset(["anna", "bert", "carl"]), {"train": 0.9, "val": 0.1}, seed=0).parts
    assert (len(parts["train"]), len(parts["val"])) == (2, 1)


def test_films_of_one_patient_stay_together_however_many(make_dataset: MakeDataset) -> None:
    study = make_dataset(["anna"] * 6 + ["bert", "carl", "dora", "emil"])
    for seed in range(20):
        parts = Split.by_patient(study, {"train": 0.6, "test": 0.4}, seed=seed).parts
        assert not patients_of(study, parts["train"]) & patients_of(study, parts["test"])


def test_shares_are_of_patients_and_exact(make_dataset: MakeDataset) -> None:
    study = make_dataset([f"p{i // 2}" for i in range(100)])
    parts = Split.by_patient(study, SHARES, seed=0).parts
    assert {part: len(patients_of(study, names)) for part, names in parts.items()} == {"train": 40, "test": 10}


def test_the_same_seed_draws_the_same_split_whatever_the_order_of_rows(make_dataset: MakeDataset) -> None:
    study = make_dataset([f"p{i // 2}" for i in range(40)])
    turned = Study(study.scheme, study.rows[::-1])
    one, other = (Split.by_patient(d, SHARES, seed=3).parts for d in (study, turned))
    assert {part: set(names) for part, names in one.items()} == {part: set(names) for part, names in other.items()}


def test_another_seed_draws_another_split(make_dataset: MakeDataset) -> None:
    study = make_dataset([f"p{i}" for i in range(40)])
    assert len({Split.by_patient(study, SHARES, seed=seed).parts["test"] for seed in range(10)}) == 10


@drawn
@given(women=st.integers(0, 30), men=st.integers(10, 30), seed=st.integers(0, 1000))
def test_stratified_parts_differ_by_one_at_most_in_each_stratum(
    make_dataset: MakeDataset, women: int, men: int, seed: int
) -> None:
    sex = ["f"] * women + ["m"] * men
    study = make_dataset([f"p{i}" for i in range(len(sex))], sex)
    sex_of = {film.name: film.attributes["sex"] for film in study.films}
    parts = Split.by_patient(study, {"a": 1, "b": 1, "c": 1}, seed=seed, stratify="sex").parts
    for value in ("f", "m"):
        counts = [sum(sex_of[name] == value for name in names) for names in parts.values()]
        assert max(counts) - min(counts) <= 1


def test_a_column_that_is_not_there_is_answered_with_those_that_are(make_dataset: MakeDataset) -> None:
    with pytest.raises(InputError, match=r"'age'\)\. Use one of: sex"):
        Split.by_patient(make_dataset(["a", "b"], ["f", "m"]), SHARES, seed=0, stratify="age")


@drawn
@given(patients=st.lists(st.integers(0, 15).map(str), min_size=8, max_size=40), k=st.integers(2, 5))
def test_every_patient_is_tested_in_exactly_one_fold(make_dataset: MakeDataset, patients: list[str], k: int) -> None:
    study = make_dataset(patients)
    if len(set(patients)) < k:
        return
    folds = Split.folds(study, k, seed=0)
    tested = Counter(patient for fold in folds for patient in patients_of(study, fold.parts["test"]))
    assert tested == Counter(set(patients))
    for fold in folds:
        trained, test = (patients_of(study, fold.parts[part]) for part in ("train", "test"))
        assert trained | test == set(patients)
        assert not trained & test


def test_more_folds_than_patients_are_refused(make_dataset: MakeDataset) -> None:
    with pytest.raises(InputError, match="3 patients are too few"):
        Split.folds(make_dataset(["a", "b", "c", "c", "c"]), 4, seed=0)


@pytest.mark.parametrize("k", [-1, 0, 1])
def test_fewer_than_two_folds_are_refused(make_dataset: MakeDataset, k: int) -> None:
    with pytest.raises(InputError, match=f"at least 2 folds.*got {k}"):
        Split.folds(make_dataset(["a", "b", "c"]), k, seed=0)


@pytest.mark.parametrize("fractions", [{}, {"train": 0.0}, {"train": 1.2, "test": -0.2}, {"train": float("nan")}])
def test_shares_that_are_none_are_refused(make_dataset: MakeDataset, fractions: dict[str, float]) -> None:
    with pytest.raises(InputError, match="fractions must be"):
        Split.by_patient(make_dataset(["a", "b"]), fractions, seed=0)


def test_a_patient_in_two_parts_is_named(make_dataset: MakeDataset) -> None:
    study = make_dataset(["anna", "bert", "anna"])
    with pytest.raises(InputError, match=r"patient anna is in part train and in part test .*film-2\.png"):
        Split.of(study, {"train": ["film-0.png", "film-1.png"], "test": ["film-2.png"]})


def test_the_split_column_of_the_file_is_held_to_the_same_rule(make_dataset: MakeDataset) -> None:
    study = make_dataset(["anna", "bert", "anna", "carl"])

    def stated(*parts: str | None) -> Study:
        rows = zip(study.rows, parts, strict=True)
        return Study(study.scheme, tuple(Marked(replace(film, part=part), marks) for (film, marks), part in rows))

    good = Split.by_column(stated("train", "test", "train", None))
    assert good.parts == {"train": ("film-0.png", "film-2.png"), "test": ("film-1.png",)}
    with pytest.raises(InputError, match="patient anna"):
        Split.by_column(stated("train", "test", "test", None))


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"train": ["film-0.png", "film-9.png"]}, r"not in the study .*film-9\.png"),
        ({"train": ["film-0.png"], "test": ["film-0.png"]}, r"in part train and in part test .*film-0\.png"),
        ({"train": ["film-0.png", "film-0.png"]}, r"film-0\.png"),
    ],
)
def test_a_film_is_known_and_in_one_part(make_dataset: MakeDataset, parts: dict[str, list[str]], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Split.of(make_dataset(["anna", "bert"]), parts)


def test_a_split_that_was_written_is_read_back_the_same(make_dataset: MakeDataset) -> None:
    study = make_dataset([f"p{i}" for i in range(10)])
    split = Split.by_patient(study, SHARES, seed=0)
    assert Split.from_json(split.to_json(), study) == split


@pytest.mark.parametrize("text", ["", "[1, 2]", '{"train": "film-0.png"}', '{"train": [1]}', '{"train": ['])
def test_a_file_that_is_no_split_is_refused_in_words(make_dataset: MakeDataset, text: str) -> None:
    with pytest.raises(InputError, match="split"):
        Split.from_json(text, make_dataset(["a"]))


def test_a_fact_of_a_film_stratifies_as_a_column_does(make_dataset: MakeDataset) -> None:
    study = make_dataset([f"p{i}" for i in range(20)])
    sides = ["left"] * 10 + ["right"] * 10
    rows = zip(study.rows, sides, strict=True)
    sided = Study(study.scheme, tuple(Marked(film.stated(side=side), marks) for (film, marks), side in rows))
    side_of = {film.name: film.side for film in sided.films}
    parts = Split.by_patient(sided, {"a": 1, "b": 1}, seed=0, stratify="side").parts
    assert {part: Counter(side_of[name] for name in names) for part, names in parts.items()} == {
        "a": {"left": 5, "right": 5},
        "b": {"left": 5, "right": 5},
    }
