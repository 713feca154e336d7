"""radmark's own JSON: points, and with measurements each film's results and findings."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from radmark.core.report import Report
from radmark.core.scheme import Scheme
from radmark.io.atomic import replacing
from radmark.io.formats import points_json
from radmark.io.measurements import findings_tree, measurements_tree
from radmark.outputs.output import Line, Options, Output, Row, Rows
from radmark.outputs.studies import marked


def row(report: Report, options: Options) -> Row:
    """What the file says of a film."""
    return points_json.film_tree(marked(report)) | (more_of(report) if options.measure else {})


def more_of(report: Report) -> dict[str, object]:
    """What a report says beside its points, ready for JSON."""
    return {
        "film_flags": list(report.film.flags),
        "findings": findings_tree(report.findings),
        "measurements": measurements_tree(report.results),
    }


def write(path: Path, lines: Callable[[], Iterable[Line]], scheme: Scheme, options: Options) -> None:
    """One file of all films; of a batch each has its `problem`, null for a good one, and its file's `sha256`."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.write(_text(points_json.head(scheme)).removesuffix("\n}") + ',\n "images": [')
        for k, line in enumerate(lines()):
            image = {"image_name": line.film} if line.row is None else dict(line.row)
            if options.batch:
                image |= {"problem": line.problem, "sha256": line.sha256}
            file.write(("," if k else "") + ("\n" + _text(image)).replace("\n", "\n  "))
        file.write("\n ]\n}\n")


def _text(tree: Any) -> str:
    return json.dumps(tree, indent=1, allow_nan=False, ensure_ascii=False)


ROWS = Rows(row, write)

OUTPUT = Output("json", "points and measurements as JSON", "application/json", (".json",), ROWS.whole, rows=ROWS)
