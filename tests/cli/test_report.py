"""Reports of marks that a person made or corrected: other programs read who observed, and that nobody verified them unasked."""

import contextlib
import csv
import io
import json
from pathlib import Path
from typing import Any, cast

import highdicom
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.sr.codedict import codes

from dicom_files import film
from programs import run
from radmark import cli
from radmark.core import Film, Marks, Scheme
from radmark.core.facts import FactSource, fact
from radmark.core.marks import Mark, Model, Origin, Reader, State
from radmark.core.study import Marked, Study
from radmark.io import write_annotations

NAMES = ("teardrop_right", "teardrop_left", "lesser_trochanter_right", "lesser_trochanter_left")
SCHEME = Scheme.from_names(NAMES, "hip")
POINTS = np.array([[400.0, 700], [640, 700], [360, 832], [680, 820]])
"""On 0.5 mm per pixel: the right leg is 12 px, 6 mm, longer."""


def radmark(*words: object) -> tuple[int, str]:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            code = cli.main([str(word) for word in words])
        except SystemExit as leave:
            code = int(leave.code or 0)
    return code, said.getvalue()


def hip(path: Path, **tags: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return film(path, np.zeros((1100, 1000), np.uint16), **{"ImagerPixelSpacing": [0.5, 0.5], "Modality": "DX", **tags})


def corrected(name: str, *, reader: str = "Anna Berg", dx: float = 0.0, **facts: str) -> Marked:
    """A reader's marks, three taken over from a model and one moved."""
    marks = {n: Mark(State.PRESENT, x + dx, y, origin=Origin.ACCEPTED) for n, (x, y) in zip(NAMES, POINTS, strict=True)}
    marks["teardrop_right"] = Mark(State.PRESENT, 400.0 + dx, 700.0, origin=Origin.MOVED)
    told = tuple(fact(key, value, FactSource.TABLE) for key, value in facts.items())
    of = Film(name, (1000, 1100), facts=told)
    return Marked(of, Marks.of(SCHEME, of.frame, marks, film=name, author=Reader(reader)))


def study(path: Path, *rows: Marked) -> Path:
    write_annotations(path, Study(SCHEME, rows))
    return path


def observers(path: Path) -> list[tuple[str, str]]:
    """What a report says of who observed: the type of the observer and the name, by pydicom alone."""
    found: list[tuple[str, str]] = []
    items = pydicom.dcmread(path).ContentSequence
    for i, item in enumerate(items):
        if item.ConceptNameCodeSequence[0].CodeMeaning == "Observer Type":
            name = next(n for n in items[i:] if n.ConceptNameCodeSequence[0].CodeValue in ("121008", "121013"))
            value = name.get("PersonName") or name.get("TextValue")
            found.append((item.ConceptCodeSequence[0].CodeMeaning, str(value)))
    return found


@pytest.mark.parametrize("suffix", ["csv", "json"])
def test_the_observer_of_a_corrected_film_is_the_person_who_corrected_it(tmp_path: Path, suffix: str) -> None:
    hip(tmp_path / "films" / "IM1")
    points = study(tmp_path / f"points.{suffix}", corrected("IM1"))
    code, said = radmark("report", points, "--films", tmp_path / "films", "--out", tmp_path / "r.dcm")
    assert code == 0, said
    assert observers(tmp_path / "r.dcm") == [("Person", "Anna Berg^")]
    content = cast("Any", highdicom.sr.srread(tmp_path / "r.dcm").content)
    read = content.get_observer_contexts(observer_type=codes.DCM.Person)
    assert [context.observer_identifying_attributes.name for context in read] == ["Anna Berg^"]
    sr = pydicom.dcmread(tmp_path / "r.dcm")
    assert (sr.VerificationFlag, sr.PreliminaryFlag) == ("UNVERIFIED", "PRELIMINARY")
    groups = content.get_planar_roi_measurement_groups()
    by_name = {group.finding_type.meaning: group for group in groups}
    assert by_name["leg-length discrepancy"].get_measurements()[0].value == 6.0
    assert by_name["teardrop right"].roi.value.tolist() == [[400.5, 700.5]]  # DICOM's corner, not the pixel's centre
    lines = run("dciodvfy", str(tmp_path / "r.dcm")).splitlines()
    assert [line for line in lines if line.startswith("Error")] == []
    dump = run("dsrdump", str(tmp_path / "r.dcm"))
    assert '"Observer Type")=(121006,DCM,"Person")' in dump
    assert "Anna Berg" in dump


def test_a_models_own_points_are_observed_by_a_device(tmp_path: Path) -> None:
    hip(tmp_path / "IM1")
    row = corrected("IM1")
    points = study(tmp_path / "points.csv", Marked(row.film, row.marks.by(Model("ab" * 32, "run-7"))))
    assert radmark("report", points, "--out", tmp_path / "r.dcm")[0] == 0
    assert [kind for kind, _ in observers(tmp_path / "r.dcm")] == ["Device"]


def test_a_report_is_verified_only_where_a_person_and_an_organization_say_so(tmp_path: Path) -> None:
    hip(tmp_path / "IM1")
    words = ("report", study(tmp_path / "points.csv", corrected("IM1")), "--out", tmp_path / "r.dcm")
    code, said = radmark(*words, "--verified-by", "Berg^Anna")
    assert (code, "--organization" in said) == (2, True)
    code, said = radmark(*words, "--verified-by", "Berg^Anna", "--organization", "Hospital of the North")
    assert code == 0, said
    sr = pydicom.dcmread(tmp_path / "r.dcm")
    assert (sr.VerificationFlag, sr.PreliminaryFlag) == ("VERIFIED", "FINAL")
    (verifier,) = sr.VerifyingObserverSequence
    assert (str(verifier.VerifyingObserverName), verifier.VerifyingOrganization) == (
        "Berg^Anna",
        "Hospital of the North",
    )
    lines = run("dciodvfy", str(tmp_path / "r.dcm")).splitlines()
    assert [line for line in lines if line.startswith("Error")] == []


def test_a_person_gets_every_output_that_a_model_gets(tmp_path: Path) -> None:
    for name in ("a/IM1", "b.dcm"):
        hip(tmp_path / "films" / name)
    points = study(tmp_path / "points.csv", corrected("a/IM1"), corrected("b.dcm", dx=3.0))
    words = ("report", points, "--films", tmp_path / "films", "--out")
    assert radmark(*words, tmp_path / "all", "--format", "dcm-all")[0] == 0
    made = sorted(f.name for f in (tmp_path / "all").iterdir())
    ends = ("pr.dcm", "sc.dcm", "sr.dcm")
    assert made == sorted(f"{film}.{end}" for film in ("a_IM1", "b.dcm") for end in ends)
    assert radmark(*words, tmp_path / "pictures", "--format", "png")[0] == 0
    picture = np.asarray(Image.open(tmp_path / "pictures" / "a_IM1.annotated.png"))
    assert tuple(picture[700, 400]) == (255, 69, 58)
    assert radmark(*words, tmp_path / "r.csv", "--measure")[0] == 0
    with (tmp_path / "r.csv").open(encoding="utf-8", newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["reader"], first["teardrop_right_x"], second["teardrop_right_x"]) == (
        "Anna Berg",
        "400.0000",
        "403.0000",
    )
    assert (first["teardrop_right_origin"], first["teardrop_left_origin"]) == ("moved", "accepted")
    assert "model_sha256" not in first
    with (tmp_path / "r.measurements.csv").open(encoding="utf-8", newline="") as file:
        assert {row["image_name"] for row in csv.DictReader(file)} == {"a/IM1", "b.dcm"}
    assert radmark(*words, tmp_path / "one.png")[0] == 2  # one file for two films


def test_facts_of_the_table_and_of_the_user_are_used(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((1100, 1000), np.uint8)).save(tmp_path / "IM1.png")
    points = study(tmp_path / "points.csv", corrected("IM1.png", display="mirrored", operated="right"))

    def said(*more: str) -> dict[str, Any]:
        code, words = radmark("report", points, "--out", tmp_path / "r.json", "--measure", "--overwrite", *more)
        assert code == 0, words
        (image,) = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["images"]
        return image

    assert said()["film_flags"] == ["mirrored_display"]
    user = said("--display", "standard", "--spacing-mm", "0.5")
    assert user["film_flags"] == ["display_contradicted"]
    by_key = {m["key"]: m for m in user["measurements"]}
    told = by_key["leg_length_discrepancy"]
    assert (told["value"], told["unit"], told["mm_from"], told["usable"]) == (6.0, "mm", "flag", "check")
    assert user["facts"]["display"] == {"value": "standard", "source": "user"}


def test_of_several_readers_one_has_to_be_named(tmp_path: Path) -> None:
    hip(tmp_path / "IM1")
    points = study(tmp_path / "points.csv", corrected("IM1"), corrected("IM1", reader="Bo", dx=2.0))
    code, said = radmark("report", points, "--out", tmp_path / "r.dcm")
    assert code == 2
    assert "--reader" in said
    assert "Bo" in said
    assert radmark("report", points, "--out", tmp_path / "r.dcm", "--reader", "Bo")[0] == 0
    assert observers(tmp_path / "r.dcm") == [("Person", "Bo^")]


def test_a_film_of_another_size_or_none_is_refused_and_named(tmp_path: Path) -> None:
    points = study(tmp_path / "points.csv", corrected("IM1"))
    code, said = radmark("report", points, "--out", tmp_path / "r.dcm")
    assert (code, "IM1" in said) == (2, True)
    film(tmp_path / "IM1", np.zeros((1000, 1100), np.uint16))
    code, said = radmark("report", points, "--out", tmp_path / "r.dcm")
    assert code == 2
    assert "1100 wide and 1000 high" in said
    assert not (tmp_path / "r.dcm").exists()
