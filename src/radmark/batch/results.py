"""A job's rows as one file: Parquet, CSV or JSON, each written row by row, so that memory does not grow with their number.

Coordinates are radmark's own: x right, y down, in pixels of each image file, (0, 0) the centre of its top-left pixel.
"""

import csv
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from radmark import RESEARCH_USE, __version__
from radmark.core.errors import InputError
from radmark.core.scheme import Scheme
from radmark.io.atomic import replacing

Row = Mapping[str, Any]

ROW_GROUP = 1000
"""Rows of a Parquet file that are in memory at once."""


@dataclass(frozen=True)
class Facts:
    """What is true of all rows: the landmarks' scheme and the sha256 of the model's file."""

    scheme: Scheme
    model: str


def write_parquet(path: Path, rows: Iterable[Row], facts: Facts) -> None:
    """One row an image, a bad one with its `problem`; the notice, the scheme and the pixels' origin are metadata.

    Raises:
        InputError: pyarrow is not installed.
    """
    pa, pq = need_pyarrow()
    columns = _columns(facts.scheme)
    types = {"s": pa.string(), "i": pa.int32(), "f": pa.float64()}
    told = {
        "notice": RESEARCH_USE,
        "made_by": f"radmark {__version__}",
        "scheme": facts.scheme.name,
        "pixel_origin": "centre of the top-left pixel",
    }
    schema = pa.schema([(name, types[kind]) for name, kind in columns.items()], metadata=told)
    flat = (_flat(row, facts) for row in rows)
    with replacing(path) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        while group := list(islice(flat, ROW_GROUP)):
            writer.write_table(pa.Table.from_pylist(group, schema=schema))


def write_csv(path: Path, rows: Iterable[Row], facts: Facts) -> None:
    """The columns of the annotation table, so that it is read back; bad images go to `<name>.problems.csv` beside it.

    A table that is read back cannot hold images of unknown size, hence the second file. It is there only if it is needed.
    """
    beside = path.with_suffix(".problems.csv")
    columns = [name for name in _columns(facts.scheme) if name != "problem"]
    bad: list[Row] = []
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        for row in rows:
            if row["problem"]:
                bad.append({key: row[key] for key in ("image_name", "problem", "sha256")})
                continue
            writer.writerow({k: f"{v:.4f}" if _is_point(k, v) else v for k, v in _flat(row, facts).items()})
    beside.unlink(missing_ok=True)
    if bad:
        with replacing(beside) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(bad[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(bad)


def write_json(path: Path, rows: Iterable[Row], facts: Facts) -> None:
    """The JSON of `radmark predict`, an image a line, each with `problem`, `sha256` and `model_sha256`."""
    head = {
        "schema_version": 1,
        "made_by": f"radmark {__version__}",
        "notice": RESEARCH_USE,
        "pixel_origin": "centre of the top-left pixel",
        "scheme": {"name": facts.scheme.name, "landmarks": list(facts.scheme.names)},
    }
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.write(json.dumps(head, ensure_ascii=False)[:-1] + ', "images": [')
        for i, row in enumerate(rows):
            image = {key: value for key, value in row.items() if key != "stamp"} | {"model_sha256": facts.model}
            file.write(("," if i else "") + "\n" + json.dumps(image, ensure_ascii=False, allow_nan=False))
        file.write("\n]}\n")


WRITERS: Mapping[str, Callable[[Path, Iterable[Row], Facts], None]] = {
    "parquet": write_parquet,
    "csv": write_csv,
    "json": write_json,
}
"""By the suffix of the result."""


def need_pyarrow() -> tuple[Any, Any]:
    """pyarrow and its Parquet part.

    Raises:
        InputError: they are not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError as error:
        raise InputError(
            "Parquet files need pyarrow, which is not installed",
            remedy='Install it with: pip install "radmark[parquet]", or end --out in .csv or .json',
        ) from error
    return pa, pq


def _columns(scheme: Scheme) -> dict[str, str]:
    """Column -> kind: s text, i whole number, f number."""
    return {
        "image_name": "s", "image_width": "i", "image_height": "i", "n_landmarks": "i",
        **{f"{name}_{axis}": "f" for name in scheme.names for axis in "xy"},
        "spacing_x_mm": "f", "spacing_y_mm": "f", "spacing_source": "s",
        **{f"{name}_state": "s" for name in scheme.names},
        **{f"{name}_confidence": "f" for name in scheme.names},
        "problem": "s", "sha256": "s", "model_sha256": "s",
    }  # fmt: skip


def _flat(row: Row, facts: Facts) -> dict[str, Any]:
    """A row's cells by column; what is not known is not among them."""
    cells: dict[str, Any] = {
        key: row[key] for key in ("image_name", "image_width", "image_height", "problem", "sha256") if key in row
    }
    cells |= {"n_landmarks": len(facts.scheme), "model_sha256": facts.model}
    if row.get("spacing"):
        cells |= {f"spacing_{axis}_mm": row["spacing"][f"{axis}_mm"] for axis in "xy"}
        cells["spacing_source"] = row["spacing"]["source"]
    landmarks: Mapping[str, Mapping[str, Any]] = row.get("landmarks") or {}
    for name, found in landmarks.items():
        cells |= {f"{name}_{key}": value for key, value in found.items()}
    return cells


def _is_point(column: str, value: Any) -> bool:
    return isinstance(value, float) and not column.startswith("spacing_")
