"""`radmark check`."""

from dataclasses import dataclass

from radmark.cli.common import Annotations


@dataclass(frozen=True)
class Check:
    """Say what is wrong with a data set before an hour is spent on it; exit code 1 if training would fail or lie."""

    data: Annotations

    def run(self) -> int:
        """Print the report."""
        from radmark.check import check_dataset
        from radmark.console import out

        report = check_dataset(self.data.annotations, self.data.images, **self.data.options())
        out.print(report.as_text())
        return 1 if report.errors else 0
