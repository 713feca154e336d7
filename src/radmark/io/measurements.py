"""Measurements to files: CSV with one row per measurement, JSON with one list per film."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, cast

from radmark import RESEARCH_USE, __version__
from radmark.core.finding import Finding
from radmark.core.report import Result
from radmark.io.atomic import write_text

_COLUMNS = tuple(
    "flags" if field.name == "findings" else field.name for field in fields(Result) if field.name != "lines"
)
MEASUREMENT_COLUMNS = ("image_name", *_COLUMNS, "in_words", "usable", "codes")
"""Of the table of measurements."""


def write_measurements_csv(path: Path, by_film: Mapping[str, Sequence[Result]]) -> None:
    """Write a table; lists are joined by "; ", and what could not be computed has an empty value and says why.

    Args:
        path: whole or not at all.
        by_film: film name -> its results.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, MEASUREMENT_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for name, results in by_film.items():
        writer.writerows(measurement_cells(name, results))
    write_text(path, text.getvalue())


def measurement_cells(film: str, results: Sequence[Result]) -> list[dict[str, str]]:
    """The rows of a film in that table, by column."""
    return [
        {
            "image_name": film,
            **{column: _cell(getattr(result, column)) for column in _COLUMNS},
            "in_words": result.words,
            "usable": result.usable,
            "codes": _cell(tuple(dict.fromkeys(finding.code for finding in result.findings))),
        }
        for result in results
    ]


def write_measurements_json(
    path: Path, by_film: Mapping[str, Sequence[Result]], findings: Mapping[str, Sequence[Finding]] | None = None
) -> None:
    """Write {"radmark", "use", "images": [{"image_name", "findings": [...], "measurements": [...]}]}.

    Args:
        path: whole or not at all.
        by_film: film name -> its results; what could not be computed is null.
        findings: film name -> what has to be known of film and marks as a whole.
    """
    tree = {
        "radmark": __version__,
        "use": RESEARCH_USE,
        "images": [
            {
                "image_name": name,
                "findings": findings_tree((findings or {}).get(name, ())),
                "measurements": measurements_tree(results),
            }
            for name, results in by_film.items()
        ],
    }
    write_text(path, json.dumps(tree, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def measurements_tree(results: Sequence[Result]) -> list[dict[str, Any]]:
    """A film's measurements, ready for JSON: `flags` are its findings in words."""
    return [
        {
            **{column: getattr(result, column) for column in _COLUMNS},
            "findings": findings_tree(result.findings),
            "in_words": result.words,
            "usable": result.usable,
        }
        for result in results
    ]


def findings_tree(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Findings, ready for JSON: code, severity, words, and what each is about."""
    return [{**asdict(finding), "severity": finding.severity.value} for finding in findings]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return "; ".join(str(part) for part in cast("tuple[object, ...]", value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)
