"""A trained model against a study, top to bottom: predict, compare, score, and write the report where one is wanted."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radmark.card import write_card
from radmark.core.errors import InputError
from radmark.core.marks import Marks
from radmark.core.study import Study
from radmark.evaluation.card import evaluated, markdown, model_card
from radmark.evaluation.metrics import Metrics, PointErrors, point_errors, score
from radmark.evaluation.report import REPORT_FILES, write_report
from radmark.infer.predictor import Predictor
from radmark.io.atomic import check_folder


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """How a model did.

    Args:
        metrics: what metrics.json says.
        errors: point by point.
        marks: the model's, a film each, in the study's order.
        warnings: what flatters the score.
    """

    metrics: Metrics
    errors: PointErrors
    marks: tuple[Marks, ...]
    warnings: tuple[str, ...]

    def __repr__(self) -> str:
        return "\n".join([*self.metrics.headline(), *(f"Warning: {words}" for words in self.warnings)])


def evaluate(
    predictor: Predictor,
    study: Study,
    *,
    out: Path | None = None,
    part: str | None = None,
    on_model_grid: bool = False,
    agreement: dict[str, Any] | None = None,
    annotations: str = "",
    overwrite: bool = False,
) -> Evaluation:
    """Score a model.

    Args:
        predictor: the model.
        study: one reading per film, films at hand.
        out: the report's folder; None: none is written.
        part: score only the films of this part of the split; by default those of the part "test", or all where none says so.
        on_model_grid: count errors in pixels of the square grid the model sees, not of the film.
        agreement: of the readers, for the card.
        annotations: name of the file of annotations, for the page.
        overwrite: replace what is in `out`.

    Raises:
        InputError: the study is in another scheme, no film is of that part, one cannot be read, or `out` holds something.
    """
    study = _of_part(study.in_scheme(predictor.scheme).training_set(), part)
    if out is not None:
        check_folder(out, overwrite=overwrite, ours=REPORT_FILES)
    checkpoint = predictor.checkpoint
    trained_on = {*checkpoint.facts["training_images"].values(), *checkpoint.facts["validation_images"].values()}
    marks: list[Marks] = []
    seen: list[str] = []
    for film in study.films:
        loaded = film.loaded()
        marks.append(predictor(loaded))
        if loaded.pixel_hash in trained_on:
            seen.append(film.name)
    errors = point_errors(study.rows, marks)
    size = checkpoint.config.data.size
    metrics = score(errors, reader=study.reader, grid_size=size if on_model_grid else None)
    flattery = _flattery(seen, len(study))
    warnings = tuple(f"{words} First of them: {', '.join(seen[:3])}" for words in flattery)
    if out is not None:
        curves = None if predictor.run is None else predictor.run / "curves.png"
        write_report(
            out,
            study,
            marks,
            metrics,
            title=f"{study.scheme.title or study.scheme.name}: landmark detection",
            facts=_facts(predictor, annotations),
            warnings=warnings,
            overwrite=overwrite,
            pictures={"Training": curves} if curves is not None and curves.is_file() else {},
        )
        card = evaluated(
            model_card(
                checkpoint.config,
                checkpoint.scheme,
                checkpoint.facts,
                epoch=checkpoint.epoch,
                sha256="" if predictor.author is None else predictor.author.sha256,
            ),
            study,
            errors,
            metrics,
            agreement=agreement,
            warnings=flattery,  # a card names no film
        )
        write_card(out, card, markdown(card))
    return Evaluation(metrics, errors, tuple(marks), warnings)


def _of_part(study: Study, part: str | None) -> Study:
    if part is None and any(film.part == "test" for film in study.films):
        part = "test"
    if part is None:
        return study
    chosen = [film.name for film in study.films if film.part == part]
    if not chosen:
        raise InputError("no film belongs to this part", column="split", value=part, remedy="Give another --part")
    return study.subset(chosen)


def _flattery(seen: Sequence[str], total: int) -> list[str]:
    if not seen:
        return []
    return [f"{len(seen)} of these {total} images were used in training (the same pixels), so this score flatters."]


def _facts(predictor: Predictor, annotations: str) -> dict[str, str]:
    """What a reader of the report needs to repeat it."""
    checkpoint = predictor.checkpoint
    config, facts = checkpoint.config, checkpoint.facts
    return {
        # Without their folders: a study's is often named after the patient, and this page is made to be passed on.
        "annotations": annotations or "not named",
        "run": "not named" if predictor.run is None else predictor.run.name,
        "network": f"U-Net, encoder {config.model.encoder}, {config.data.size} x {config.data.size} pixels",
        "loss": f"{config.labels.loss}, label radius {checkpoint.radius_px} px in the last epoch",
        "trained on": f"{len(facts['training_images'])} images of {len(facts['training_patients'])} patients"
        + (f", reader {facts['reader']}" if facts["reader"] else ""),
        "epoch kept": f"{checkpoint.epoch + 1} of {config.train.epochs}, chosen as the {config.train.select}",
        "decoder": config.decode.decoder,
        "versions": ", ".join(f"{name} {version}" for name, version in facts["versions"].items()),
    }
