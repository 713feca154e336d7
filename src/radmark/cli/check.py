"""`radmark check`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from radmark.cli.common import Annotations
from radmark.core.errors import InputError

if TYPE_CHECKING:
    from radmark.check import Checked


@dataclass(frozen=True)
class Check:
    """Say what is wrong with a data set before an hour is spent on it; exit code 1 if training would fail or lie."""

    data: Annotations

    card: Path | None = None
    """Also write a data card: counts, states, columns, what is missing. A new file, .md for people or .json for programs."""

    def run(self) -> int:
        """Print the report."""
        from radmark.check import check_dataset
        from radmark.console import out

        if self.card is not None:
            _claim(self.card)
        report = check_dataset(self.data.annotations, self.data.folder, **self.data.options())
        out.print(report.as_text())
        if self.card is not None and report.data is not None:
            _write(self.card, report)
            out.print(str(self.card))
        return 1 if report.errors else 0


def _claim(card: Path) -> None:
    if card.suffix not in (".md", ".json"):
        raise InputError("a data card is .md or .json", file=card, remedy="Give such a name for --card")
    if card.exists():
        raise InputError("the file exists already", file=card, remedy="Give another name for --card")


def _write(file: Path, report: "Checked") -> None:
    from collections import Counter

    from radmark.card import data_card, data_card_markdown, json_text
    from radmark.io.atomic import write_text

    assert report.scheme is not None
    assert report.data is not None
    findings = Counter(f"{problem.severity}: {problem.kind}" for problem in report.problems)
    card = data_card(report.data, report.scheme, findings)
    write_text(file, json_text(card) if file.suffix == ".json" else data_card_markdown(card))
