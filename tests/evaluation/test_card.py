"""Scores on a model card, by hand."""

import itertools
import json

import numpy as np
import pytest

from radmark.config import Config
from radmark.core import Film, Frame, InputError, Marked, Marks, Scheme, Spacing, SpacingSource, Study
from radmark.evaluation.card import calibration, evaluated, markdown, model_card, read_agreement
from radmark.evaluation.metrics import point_errors, score

SCHEME = Scheme.from_names(("a", "b"), "two")
FACTS = {
    "history": [{"val_mean_radial_error_px": 3.5, "val_mean_radial_error_mm": None}],
    "versions": {"radmark": "1"},
}


def scored(rows, spacing=None):
    """(sex, patient, error of a, error of b or None for not found) an image, errors to the right, in pixels."""
    truths, predictions = [], []
    for i, (sex, patient, *errors) in enumerate(rows):
        frame = Frame(100, 100, spacing)
        truth = Marks.present(SCHEME, frame, np.array([[50.0, 50.0], [20.0, 20.0]]), film=f"Doe-{i}")
        shift = np.array([[np.nan if e is None else e, 0.0] for e in errors])
        guess = np.where(np.isnan(shift[:, :1]), np.nan, truth.points + shift)
        film = Film(f"Doe-{i}", (100, 100), spacing, attributes={"sex": sex}).stated(patient=patient)
        truths.append(Marked(film, truth))
        sure = np.where(np.isnan(guess[:, 0]), np.nan, 0.95)
        predictions.append(Marks.present(SCHEME, frame, guess, film=film.name, confidence=sure))
    study = Study(SCHEME, tuple(truths))
    errors = point_errors(truths, predictions)
    card = model_card(Config(), SCHEME, FACTS, epoch=0, sha256="ab" * 32)
    return evaluated(card, study, errors, score(errors))


def test_subgroups_are_the_means_of_their_own_images_with_their_numbers():
    rows = [("F", "p0", 1, 3), ("F", "p1", 1, None), ("M", "p2", 6, 10), ("M", "p2", 6, 10), ("", "p3", 0, 0)]
    found = scored(rows)["evaluation"]["subgroups"]["sex"]
    women, men, unknown = found["F"], found["M"], found["not stated"]
    assert (women["images"], women["patients"], women["points"], women["not_found"]) == (2, 2, 4, 1)
    assert women["mean"] == pytest.approx(5 / 3)  # 1, 3, 1
    assert women["near_percent"] == 50.0  # 1 and 1 of four; the lost point is a miss
    assert (men["images"], men["patients"], men["mean"], men["mean_ci95"]) == (
        2,
        1,
        8.0,
        None,
    )  # one patient: no interval
    assert (unknown["images"], unknown["mean"]) == (1, 0.0)
    assert women["small"] is True


def test_a_group_of_ten_patients_is_not_marked():
    rows = [("F", f"p{i}", 1, 1) for i in range(10)] + [("M", f"q{i}", 1, 1) for i in range(9)]
    found = scored(rows)["evaluation"]["subgroups"]["sex"]
    assert (found["F"]["small"], found["M"]["small"]) == (False, True)


def test_millimetres_are_used_where_every_image_has_them():
    of = scored([("F", "p0", 4, 4), ("M", "p1", 2, 2)], Spacing(0.5, 0.5, SpacingSource.TABLE))["evaluation"]
    assert of["unit"] == "mm"
    assert of["subgroups"]["sex"]["F"]["mean"] == 2.0
    assert of["per_landmark"]["a"]["mean"] == 1.5


def test_calibration_sets_confidence_against_the_share_within_2():
    confidence = np.array([[0.05, 0.3], [0.35, 1.0], [0.95, np.nan]])
    distance = np.array([[5.0, 1.9], [2.0, 0.5], [1.0, np.nan]])
    bins = calibration(distance, confidence, np.ones((3, 2), dtype=bool))
    assert [(b["from"], b["points"], b["near_percent"]) for b in bins] == [
        (0.0, 1, 0.0),
        (0.3, 2, 50.0),  # 1.9 is nearer than 2, 2.0 is not
        (0.9, 2, 100.0),  # 1.0 belongs to the last bin
    ]
    assert [b["mean_confidence"] for b in bins] == pytest.approx([0.05, 0.325, 0.975])


def test_the_worst_images_are_numbers_with_lost_points_first_and_no_film_is_named():
    card = scored([("F", "p0", 1, 1), ("F", "p1", 9, 7), ("M", "p2", 2, None)])
    worst = card["evaluation"]["worst_images"]
    assert [w["image"] for w in worst] == [3, 2, 1]
    assert worst[0] == {"image": 3, "mean": 2.0, "worst": 2.0, "worst_landmark": "a", "not_found": 1}
    assert (worst[1]["mean"], worst[1]["worst"]) == (8.0, 9.0)
    for written in (json.dumps(card, allow_nan=False), markdown(card)):
        assert "Doe" not in written
        assert "For research use only" in written


def test_what_is_not_known_is_said():
    card = scored([("F", "p0", 1, 1), ("M", "p1", 1, 1)])
    assert {"the data it was trained on", "agreement of the readers"} <= set(card["not_stated"])
    assert "Not stated." in markdown(card)
    bare = model_card(Config(), SCHEME, FACTS, epoch=0, sha256="ab" * 32)
    assert "`radmark evaluate` writes this card again" in markdown(bare)


def test_the_agreement_of_the_readers_is_taken_over(tmp_path):
    figures = {"n": 8, "mean": 1.25, "mean_ci95": [1.0, 1.5], "p95": 2.5, "sdr_percent": {"2": 87.5}}
    pairs = [
        {"kind": "readers", "first": "R1", "second": "R2", "landmark": None, "px": figures, "mm": None},
        {"kind": "readers", "first": "R1", "second": "R2", "landmark": "a", "px": figures, "mm": None},
    ]
    file = tmp_path / "agreement.json"
    file.write_text(json.dumps({"unit": "px", "n_images": 4, "n_patients": 3, "pairs": pairs}))
    (pair,) = read_agreement(file)["pairs"]
    assert (pair["first"], pair["points"], pair["mean"], pair["near_percent"]) == ("R1", 8, 1.25, 87.5)
    card = dict(scored([("F", "p0", 1, 1)]), agreement=read_agreement(file))
    assert "| R1 | R2 | readers | 8 | 1.25 | 1.00 to 1.50 | 2.50 | 87.5 |" in markdown(card)
    file.write_text("[]")
    with pytest.raises(InputError, match=r"not the agreement\.json"):
        read_agreement(file)


def test_a_column_without_groups_is_named_and_not_spread_out():
    rows = [(f"Doe {i}", f"p{i}", 1, 1) for i in range(7)]
    card = scored(rows)
    assert card["evaluation"]["subgroups"]["sex"] is None
    assert "| sex | not grouped |" in markdown(card)


def test_every_row_of_every_table_has_as_many_cells_as_its_head():
    card = scored([("F", "p0", 1, None), ("", "p1", 4, 4)])
    card["data"] = card["evaluation"]["data"]
    lines = markdown(card).splitlines()
    for above, line in itertools.pairwise(lines):
        if above.startswith("|") and line.startswith("|"):
            assert line.replace(r"\|", "").count("|") == above.replace(r"\|", "").count("|"), line
