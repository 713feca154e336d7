"""The model card: what a model is for, what it was made of, and, once it was evaluated, how well it does and for whom.

`radmark train` writes one without scores; `radmark evaluate` writes it again with them.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from radmark import RESEARCH_USE
from radmark.card import (
    NOT_STATED,
    columns,
    count,
    data_facts,
    data_lines,
    groups,
    not_stated,
    not_stated_lines,
    patients,
    scheme_facts,
    scheme_lines,
    small_note,
    table,
    text,
)
from radmark.config import Config, to_tree
from radmark.core import InputError, Scheme, Study
from radmark.core.frame import FloatArray
from radmark.evaluation.metrics import Metrics, PointErrors, Summary, image_means, radial, score, worst_first

NEAR = 2.0
"""Within how many millimetres, or pixels, a point is counted as right when confidence is set against it."""

BINS = 10
WORST = 10

_INTENDED = (
    "Research on radiographs of the kind described below: placing the landmarks of the scheme, so that a person can check "
    "them, correct them and measure. Every point is to be looked at by somebody who knows the anatomy."
)
_OUT_OF_SCOPE = (
    "Diagnosis, treatment, planning of an operation, or any decision about a patient.",
    "Films of another body part, view or scheme than those it was trained on.",
    "Groups of patients, machines or implants that are not in the data below, or only in small groups.",
    "Use of the confidence as a probability of being right; see the calibration where there is one.",
)


def model_card(config: Config, scheme: Scheme, facts: Mapping[str, Any], *, epoch: int, sha256: str) -> dict[str, Any]:
    """The card of a trained model as JSON takes it; null is "not stated".

    Args:
        config: of the run.
        scheme: of the model.
        facts: of the run's checkpoint.
        epoch: the 0-based epoch that was kept.
        sha256: of the model's file.
    """
    kept = facts["history"][epoch]
    data = facts.get("data")  # models made before there were cards do not have it
    return {
        "card": 1,
        "kind": "model card",
        "notice": RESEARCH_USE,
        "intended_use": _INTENDED,
        "out_of_scope": list(_OUT_OF_SCOPE),
        "model": {
            "sha256": sha256,
            "network": f"U-Net, encoder {config.model.encoder}",
            "input_px": [config.data.size, config.data.size],
            "epoch_kept": epoch + 1,
            "epochs": config.train.epochs,
            "validation_error_px": kept["val_mean_radial_error_px"],
            "validation_error_mm": kept["val_mean_radial_error_mm"],
            "config": to_tree(config),
            "versions": dict(facts["versions"]),
        },
        "scheme": scheme_facts(scheme),
        "data": data,
        "evaluation": None,
        "agreement": None,
        "not_stated": [
            *(["the data it was trained on"] if data is None else not_stated(data)),
            "licence of the weights",
        ],
    }


def evaluated(
    card: Mapping[str, Any],
    study: Study,
    errors: PointErrors,
    metrics: Metrics,
    *,
    agreement: Mapping[str, Any] | None = None,
    warnings: Sequence[str] = (),
) -> dict[str, Any]:
    """The card with scores.

    Args:
        card: from `model_card`.
        study: the truth.
        errors: of the model on it.
        metrics: `score` of these errors.
        agreement: from `read_agreement`.
        warnings: what makes these scores worth less than they seem.
    """
    unit = "px" if metrics.mm is None else "mm"
    distance = radial(errors.offset_on(metrics.grid_size) if metrics.mm is None else errors.offset_mm)
    return {
        **card,
        "evaluation": {
            "unit": unit,
            "grid": metrics.grid,
            "warnings": list(warnings),
            "data": data_facts(study.rows, study.scheme),
            "all": _figures(metrics),
            "per_landmark": {
                landmark.name: {
                    "points": landmark.n,
                    "not_found": landmark.n_not_found,
                    **_summary(landmark.px if landmark.mm is None else landmark.mm),
                }
                for landmark in metrics.per_landmark
            },
            "subgroups": subgroups(errors, metrics),
            "calibration": calibration(distance, errors.confidence, errors.scored),
            "worst_images": worst_images(errors, distance),
            "ci95_method": f"percentile bootstrap over patients, {metrics.draws} draws, seed {metrics.seed}",
        },
        "agreement": None if agreement is None else dict(agreement),
        "not_stated": [*card["not_stated"], *(["agreement of the readers"] if agreement is None else [])],
    }


def subgroups(errors: PointErrors, metrics: Metrics) -> dict[str, dict[str, Any] | None]:
    """Figures of every group of every column the data set has; None for a column that makes no groups.

    The unit is that of the whole: millimetres only where every image has them.
    """
    owners = [film.owner for film, _ in errors.truths]
    found: dict[str, dict[str, Any] | None] = {}
    for column, values in columns(errors.truths).items():
        members = groups(column, values, owners)
        found[column] = members and {
            group: {**count(rows, owners), **_of_rows(errors.rows(rows), metrics)} for group, rows in members.items()
        }
    return found


def _of_rows(errors: PointErrors, whole: Metrics) -> dict[str, Any]:
    if not errors.scored.any():
        return {"points": 0, "not_found": 0, **dict.fromkeys(("mean", "mean_ci95", "median", "p95", "near_percent"))}
    part = score(errors, grid_size=whole.grid_size, draws=whole.draws, seed=whole.seed)
    summary = part.px if whole.mm is None or part.mm is None else part.mm
    return {"points": part.n_points, "not_found": part.n_not_found, **_summary(summary)}


def _figures(metrics: Metrics) -> dict[str, Any]:
    return {
        "images": metrics.n_images,
        "patients": metrics.n_patients,
        "points": metrics.n_points,
        "not_found": metrics.n_not_found,
        **_summary(metrics.px if metrics.mm is None else metrics.mm),
    }


def _summary(of: Summary) -> dict[str, Any]:
    return {
        "mean": of.mean,
        "mean_ci95": of.mean_ci95 and list(of.mean_ci95),
        "median": of.median,
        "p95": of.p95,
        "near_percent": of.sdr_percent[f"{NEAR:g}"],
    }


def calibration(distance: FloatArray, confidence: FloatArray, scored: Any) -> list[dict[str, Any]]:
    """Confidence in ten bins of equal width against the share of points nearer (`<`) than 2 mm, or 2 px.

    A bin holds its lower edge, the last one 1 as well; an empty bin is left out. Points not found have no confidence.

    Args:
        distance: (N, K) radial errors, NaN where there is none.
        confidence: (N, K) in [0, 1], NaN where the model placed nothing.
        scored: (N, K) whether the reader placed the landmark.
    """
    known = scored & np.isfinite(distance) & np.isfinite(confidence)
    sure, near = confidence[known], distance[known] < NEAR
    # In tenths: 0.3 / 0.1 is a little less than 3 in binary, 0.3 * 10 is 3.
    own = np.minimum((sure * BINS).astype(np.int64), BINS - 1)
    return [
        {
            "from": b / BINS,
            "to": (b + 1) / BINS,
            "points": int((own == b).sum()),
            "mean_confidence": float(sure[own == b].mean()),
            "near_percent": 100 * float(near[own == b].mean()),
        }
        for b in range(BINS)
        if (own == b).any()
    ]


def worst_images(errors: PointErrors, distance: FloatArray) -> list[dict[str, Any]]:
    """The ten worst images, by number and not by name: a film's name may be its patient's.

    The number counts the images of the data set that was scored from 1, in the order of `errors.csv`.
    """
    means = image_means(distance)
    names = errors.truths[0].marks.scheme.names
    rows: list[dict[str, Any]] = []
    for n in worst_first(errors, distance)[:WORST]:
        far = None if not np.isfinite(distance[n]).any() else int(np.nanargmax(distance[n]))
        rows.append(
            {
                "image": n + 1,
                "mean": None if far is None else float(means[n]),
                "worst": None if far is None else float(distance[n, far]),
                "worst_landmark": None if far is None else names[far],
                "not_found": int((errors.scored[n] & ~errors.found[n]).sum()),
            }
        )
    return rows


def read_agreement(file: Path) -> dict[str, Any]:
    """How far the readers are apart, from the `agreement.json` that `radmark agree` wrote.

    Raises:
        InputError: it is not such a file.
    """
    try:
        found = cast("dict[str, Any]", json.loads(file.read_text(encoding="utf-8")))
        pairs = [
            {
                "kind": pair["kind"],
                "first": pair["first"],
                "second": pair["second"],
                "points": pair[found["unit"]]["n"],
                "mean": pair[found["unit"]]["mean"],
                "mean_ci95": pair[found["unit"]]["mean_ci95"],
                "p95": pair[found["unit"]]["p95"],
                "near_percent": pair[found["unit"]]["sdr_percent"][f"{NEAR:g}"],
            }
            for pair in found["pairs"]
            if pair["landmark"] is None and pair["kind"] != "model"
        ]
        return {
            "unit": found["unit"],
            "images": found["n_images"],
            "patients": found["n_patients"],
            "pairs": pairs,
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            "this is not the agreement.json of a report",
            file=file,
            remedy="Give the file that `radmark agree` wrote, or omit --agreement",
        ) from error


# ---- words -----------------------------------------------------------------------------------------------------------


def markdown(card: Mapping[str, Any]) -> str:
    """The model card for people."""
    model, scheme = card["model"], card["scheme"]
    validation = ", ".join(
        f"{model[key]:.2f} {unit}" for key, unit in (("validation_error_mm", "mm"), ("validation_error_px", "px"))
        if model[key] is not None
    )  # fmt: skip
    settings = [
        (f"{section}.{key}", value) for section, values in model["config"].items() for key, value in values.items()
    ]
    return "\n".join([
        f"# Model card: {text(scheme['title'] or scheme['name'])}",
        "",
        f"**{card['notice']}**",
        "",
        "## Intended use",
        "",
        card["intended_use"],
        "",
        "## Out of scope",
        "",
        *(f"- {line}" for line in card["out_of_scope"]),
        "",
        "## Model",
        "",
        f"- sha256 of model.safetensors: `{model['sha256']}`",
        f"- network: {text(model['network'])}, {model['input_px'][0]} x {model['input_px'][1]} pixels",
        f"- epoch kept: {model['epoch_kept']} of {model['epochs']}",
        f"- mean radial error in validation, seen in training: {validation or NOT_STATED}",
        "",
        *scheme_lines(scheme),
        "## Data it was trained on",
        "",
        *(data_lines(card["data"]) if card["data"] else ["Not stated.", ""]),
        *_evaluation_lines(card["evaluation"]),
        *_agreement_lines(card["agreement"]),
        "## Training",
        "",
        *table(("setting", "value"), settings),
        *table(("program", "version"), model["versions"].items()),
        *not_stated_lines(card["not_stated"]),
    ])  # fmt: skip


def _evaluation_lines(of: Mapping[str, Any] | None) -> list[str]:
    if of is None:
        return ["## Scores", "", "Not stated: `radmark evaluate` writes this card again with them.", ""]
    unit = of["unit"]
    where = "mm" if unit == "mm" else f"px, {of['grid']} grid"
    near = f"< {NEAR:g} {unit} (%)"
    head = ("points", "not found", "mean", "95 % interval", "median", "95 % within", near)
    groups_of: list[tuple[object, ...]] = []
    for column, found in of["subgroups"].items():
        if found is None:
            groups_of.append((column, "not grouped", *[""] * (len(head) + 2)))
        else:
            groups_of += [(column, name, g["images"], patients(g), *_row(g)) for name, g in found.items()]
    return [
        "## Scores",
        "",
        *(f"**Warning: {line}**\n" for line in (text(w) for w in of["warnings"])),
        f"Radial error in {where}: the distance of the model's point from the reader's. Points not found are in no mean and "
        f"are misses in “{near}”. Intervals: {of['ci95_method']}; none for fewer than two patients.",
        "",
        *table(("landmark", *head), [("all", *_row(of["all"])), *((n, *_row(r)) for n, r in of["per_landmark"].items())]),
        "### By subgroup",
        "",
        *(
            [*table(("column", "group", "images", "patients", *head), groups_of), small_note()]
            if groups_of
            else ["The annotations have no further column (sex, age, scanner, implant): not stated.", ""]
        ),
        "### Confidence",
        "",
        *table(
            ("confidence", "points", "mean confidence", near),
            (
                (f"{b['from']:.1f} to {b['to']:.1f}", b["points"], _two(b["mean_confidence"]), _two(b["near_percent"], 1))
                for b in of["calibration"]
            ),
        ),
        "### Known failures",
        "",
        "The worst images, by their number in the order of errors.csv; those with points not found come first.",
        "",
        *table(
            ("image", "mean error", "largest error", "landmark", "not found"),
            (
                (w["image"], _two(w["mean"]), _two(w["worst"]), w["worst_landmark"] or "", w["not_found"])
                for w in of["worst_images"]
            ),
        ),
        "### Data it was scored on",
        "",
        *data_lines(of["data"]),
    ]  # fmt: skip


def _agreement_lines(of: Mapping[str, Any] | None) -> list[str]:
    if of is None:
        return ["## Agreement of the readers", "", "Not stated.", ""]
    unit = of["unit"]
    return [
        "## Agreement of the readers",
        "",
        f"Distance between two readings of the same point in {unit}, {of['images']} images of {of['patients']} patients.",
        "",
        *table(
            ("first", "second", "kind", "points", "mean", "95 % interval", "95 % within", f"< {NEAR:g} {unit} (%)"),
            (
                (
                    p["first"], p["second"], p["kind"], p["points"], _two(p["mean"]), _interval(p["mean_ci95"]),
                    _two(p["p95"]), _two(p["near_percent"], 1),
                )
                for p in of["pairs"]
            ),
        ),
    ]  # fmt: skip


def _row(of: Mapping[str, Any]) -> tuple[object, ...]:
    return (
        of["points"], of["not_found"], _two(of["mean"]), _interval(of["mean_ci95"]), _two(of["median"]), _two(of["p95"]),
        _two(of["near_percent"], 1),
    )  # fmt: skip


def _two(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _interval(pair: Sequence[float] | None) -> str:
    return "–" if pair is None else f"{pair[0]:.2f} to {pair[1]:.2f}"
