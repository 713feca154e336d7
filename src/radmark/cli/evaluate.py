"""`radmark evaluate`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from radmark.cli.common import Annotations, load_predictor, read_case
from radmark.core.errors import InputError

if TYPE_CHECKING:
    from radmark.core.dataset import Dataset
    from radmark.core.prediction import Prediction
    from radmark.infer.predictor import Predictor


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
        from radmark.card import write_card
        from radmark.checkpoint import model_sha256
        from radmark.console import err, out
        from radmark.evaluate.card import evaluated, markdown, model_card, read_agreement
        from radmark.evaluate.metrics import point_errors, score
        from radmark.evaluate.report import REPORT_FILES, write_report
        from radmark.io.atomic import check_folder

        predictor = load_predictor(self.run_folder)
        dataset = _to_score(self.data, predictor, self.part)
        check_folder(self.out, overwrite=self.overwrite, ours=REPORT_FILES)
        agreement = None if self.agreement is None else read_agreement(self.agreement)
        checkpoint = predictor.checkpoint
        trained_on = set(checkpoint.facts["training_images"].values()) | set(
            checkpoint.facts["validation_images"].values()
        )
        predictions: list[Prediction] = []
        seen: list[str] = []
        for case in dataset.cases:
            radiograph = read_case(case)
            predictions.append(predictor(case.name, radiograph))
            if radiograph.pixel_hash in trained_on:
                seen.append(case.name)
        size = checkpoint.config.data.size
        errors = point_errors(dataset.cases, predictions)
        metrics = score(
            errors,
            reader=dataset.reader,
            grid_size=size if self.grid == "model" else None,
        )
        warnings = [f"{_flattery(seen, len(dataset))} First of them: {', '.join(seen[:3])}"] if seen else []
        curves = self.run_folder / "curves.png"
        write_report(
            self.out,
            dataset,
            predictions,
            metrics,
            title=f"{dataset.scheme.title or dataset.scheme.name}: landmark detection",
            facts=_facts(predictor, self.run_folder, self.data),
            read=read_case,
            warnings=warnings,
            overwrite=self.overwrite,
            pictures={"Training": curves} if curves.is_file() else {},
        )
        card = evaluated(
            model_card(
                checkpoint.config,
                checkpoint.scheme,
                checkpoint.facts,
                epoch=checkpoint.epoch,
                sha256=model_sha256(self.run_folder),
            ),
            dataset,
            errors,
            metrics,
            agreement=agreement,
            warnings=[_flattery(seen, len(dataset))] if seen else [],  # a card names no film
        )
        write_card(self.out, card, markdown(card))
        for line in metrics.headline():
            out.print(line)
        for line in warnings:
            err.print(f"Warning: {line}")
        out.print(str(self.out / "index.html"))
        return 0


def _to_score(data: Annotations, predictor: "Predictor", part: str | None) -> "Dataset":
    """The annotated cases in the model's own scheme, of one part."""
    from radmark.core.dataset import Dataset
    from radmark.io import read_dataset

    options = data.options()
    options["scheme"] = options.get("scheme") or predictor.scheme
    dataset = read_dataset(data.annotations, data.images, **options)
    if part is None and any(case.part == "test" for case in dataset.cases):
        part = "test"
    if part is None:
        return dataset
    cases = tuple(case for case in dataset.cases if case.part == part)
    if not cases:
        raise InputError(
            "no row belongs to this part",
            file=data.annotations,
            column="split",
            value=part,
            remedy="Give another --part",
        )
    return Dataset(dataset.scheme, cases, dataset.reader)


def _flattery(seen: Sequence[str], total: int) -> str:
    return f"{len(seen)} of these {total} images were used in training (the same pixels), so this score flatters."


def _facts(predictor: "Predictor", run: Path, data: Annotations) -> Mapping[str, str]:
    """What a reader of the report needs to repeat it."""
    checkpoint = predictor.checkpoint
    config, facts = checkpoint.config, checkpoint.facts
    return {
        # Without their folders: a study's is often named after the patient, and this page is made to be passed on.
        "annotations": data.annotations.name,
        "run": run.name,
        "network": f"U-Net, encoder {config.model.encoder}, {config.data.size} x {config.data.size} pixels",
        "loss": f"{config.labels.loss}, label radius {checkpoint.radius_px} px in the last epoch",
        "trained on": f"{len(facts['training_images'])} images of {len(facts['training_patients'])} patients"
        + (f", reader {facts['reader']}" if facts["reader"] else ""),
        "epoch kept": f"{checkpoint.epoch + 1} of {config.train.epochs}, chosen as the {config.train.select}",
        "decoder": config.decode.decoder,
        "versions": ", ".join(f"{name} {version}" for name, version in facts["versions"].items()),
    }
