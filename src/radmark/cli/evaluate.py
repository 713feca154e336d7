"""`radmark evaluate`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from radmark.cli.common import Annotations, load_predictor

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class Evaluate:
    """Score a trained model against annotations: metrics.json, errors.csv, a model card and index.html, a page to look at."""

    run_folder: Annotated[Positional[Path], arg(metavar="RUN")]
    """The folder `radmark train` made."""

    data: Annotations

    out: Path
    """The report's folder, REPORT."""

    part: str | None = None
    """Score only the rows whose `split` column says this. By default those that say test, or all if none does."""

    grid: Literal["source", "model"] = "source"
    """In whose pixels errors are counted: the image file's, or those of the square grid the model sees."""

    agreement: Path | None = None
    """The agreement.json of `radmark agree`, for the card: how far the readers are apart."""

    overwrite: bool = False
    """Replace what is in --out."""

    def run(self) -> int:
        """Predict, score, write the report, print the headline."""
        from radmark.console import err, out
        from radmark.evaluation.card import read_agreement
        from radmark.evaluation.run import evaluate
        from radmark.io import read_dataset

        predictor = load_predictor(self.run_folder)
        options = self.data.options()
        options["scheme"] = options.get("scheme") or predictor.scheme
        found = evaluate(
            predictor,
            read_dataset(self.data.annotations, self.data.folder, **options),
            out=self.out,
            part=self.part,
            on_model_grid=self.grid == "model",
            agreement=None if self.agreement is None else read_agreement(self.agreement),
            annotations=self.data.annotations.name,
            overwrite=self.overwrite,
        )
        for line in found.metrics.headline():
            out.print(line)
        for line in found.warnings:
            err.print(f"Warning: {line}")
        out.print(str(self.out / "index.html"))
        return 0
