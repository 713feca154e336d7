"""What an exported file says of itself, read from a stranger's hand."""

import json
from pathlib import Path

import pytest

from radmark import RESEARCH_USE
from radmark.core import InputError, Scheme
from radmark.exported import Facts, is_exported

FACTS = Facts(
    size=384,
    scheme=Scheme.from_names(("hip_right", "hip_left"), "hips"),
    model={"name": "run-7", "sha256": "ab" * 32, "network": "U-Net", "training_images": 25, "training_patients": 1},
    versions={"radmark": "1"},
    licence="CC-BY-4.0",
    parity={"images": 6, "max_px": 0.0004},
    int8={"images": 4, "mean_px": 0.5, "p95_px": 1.25, "max_px": 3.0, "calibration_images": 12},
)
TREE = json.loads(FACTS.to_json())


def test_they_come_back_as_they_were() -> None:
    assert Facts.from_json(FACTS.to_json()) == FACTS


def test_the_card_says_what_a_reader_has_to_know() -> None:
    card = TREE["card"]
    for words in (
        RESEARCH_USE,
        "25 films of 1 patient.",
        "CC-BY-4.0",
        "ab" * 32,
        "0.0004 px",
        "0.50 px on average",
        "1.25",
    ):
        assert words in card


@pytest.mark.parametrize("key", ["format", "size", "scheme", "model", "versions", "licence", "parity", "int8"])
@pytest.mark.parametrize("value", [None, 3, "x", [1], {"a": []}])
def test_facts_with_another_kind_of_value_are_refused_or_harmless(key: str, value: object) -> None:
    for tree in ({k: v for k, v in TREE.items() if k != key}, TREE | {key: value}):
        try:
            read = Facts.from_json(json.dumps(tree))
        except InputError:
            continue
        assert key in (
            "licence",
            "parity",
            "int8",
            "versions",
        )  # words and numbers for people; the rest has to be right
        assert isinstance(read.model_name, str)


def test_only_files_with_an_exported_models_suffix_are_taken_for_one(tmp_path: Path) -> None:
    folder = tmp_path / "run.onnx"
    folder.mkdir()
    assert not is_exported(folder)  # a run's folder may be called anything
    assert is_exported(folder / "m.onnx")
    assert is_exported(folder / "M.XML")
    assert not is_exported(folder / "model.safetensors")
