"""Measurements to files: CSV with a row a measurement, JSON with a list a film."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from radmark import RESEARCH_USE, __version__
from radmark.io.atomic import write_text


def write_measurements_csv(path: Path, by_image: Mapping[str, Sequence[Any]]) -> None:
    """Write a table; lists are joined by "; ", and what could not be computed has an empty value and says why.

    Args:
        path: whole or not at all.
        by_image: image name -> its results, dataclasses of one kind.
    """
    rows = [(name, result) for name, results in by_image.items() for result in results]
    columns = [field.name for field in fields(rows[0][1])] if rows else []
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image_name", *columns, "in_words"])
    for name, result in rows:
        cells = [_cell(getattr(result, column)) for column in columns]
        writer.writerow([name, *cells, result.words])
    write_text(path, text.getvalue())


def write_measurements_json(path: Path, by_image: Mapping[str, Sequence[Any]]) -> None:
    """Write {"radmark", "use", "images": [{"image_name", "measurements": [...]}]}; what could not be computed is null."""
    tree = {
        "radmark": __version__,
        "use": RESEARCH_USE,
        "images": [
            {"image_name": name, "measurements": measurements_tree(results)} for name, results in by_image.items()
        ],
    }
    write_text(path, json.dumps(tree, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def measurements_tree(results: Sequence[Any]) -> list[dict[str, Any]]:
    """An image's measurements, ready for JSON."""
    return [{**asdict(r), "in_words": r.words} for r in results]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return "; ".join(map(str, value))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return f"{value:.6g}" if isinstance(value, float) else str(value)
