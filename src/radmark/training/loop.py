"""Training, top to bottom. `radmark train annotations.csv --films films/ --out run/` ends up here.

The run's folder: config.toml, split.json, log.csv, curves.png, tensorboard/, model.safetensors (what prediction reads,
written after every epoch) and, until the last epoch is done, training.safetensors (what --resume reads), then card.md and
card.json.

Everything random is drawn anew for each epoch from (seed, epoch). So nothing random has to be stored, and a run that was
interrupted goes on as if it had not been: bit for bit on the CPU.
"""

import ctypes
import dataclasses
import itertools
import math
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from radmark import checkpoint as store
from radmark.card import CARD_FILES, data_facts, write_card
from radmark.checkpoint import Checkpoint
from radmark.config import Config, read_recipe, to_toml
from radmark.core.errors import InputError
from radmark.core.scheme import Scheme, one_sided, unpaired_sides
from radmark.core.split import Split, same_pixels
from radmark.core.study import Marked, Study
from radmark.evaluation.card import markdown, model_card
from radmark.infer.predictor import locate
from radmark.io.atomic import check_folder, claim_folder, write_text
from radmark.model import LandmarkNet, build, load_encoder_weights
from radmark.registry import MANIFEST
from radmark.targets.objectives import objective
from radmark.targets.regions import rate_logit
from radmark.targets.schedule import radius_px
from radmark.training.augment import augment
from radmark.training.curves import draw_curves
from radmark.training.data import Samples, load_samples
from radmark.training.together import gather_lists, launched, own_part, share_batch_statistics

CURVES_EVERY_S = 30.0
"""Drawing the curves takes a third of a second; a short epoch should not pay it each time."""

RUN_FILES = (
    "config.toml", "split.json", "log.csv", "curves.png", "tensorboard/*", store.MODEL_FILE, store.TRAINING_FILE,
    *CARD_FILES, MANIFEST,
)  # fmt: skip
"""What a run's folder holds, one that `radmark registry fetch` brought too."""

Row = Mapping[str, float | int | None]
"""One epoch of the log: epoch, radius_px, learning_rate, train_loss, validation error in px and mm, seconds."""

NOT_VALIDATED: Mapping[str, float | None] = {"val_mean_radial_error_px": None, "val_mean_radial_error_mm": None}
"""What an epoch without a look at the validation part has in the log."""


class Watch(Protocol):
    """Whoever wants to know how training goes; the loop itself prints nothing."""

    def image(self, done: int, total: int) -> None:
        """An image was decoded."""
        ...

    def step(self, epoch: int, epochs: int, done: int, total: int) -> None:
        """A batch was trained."""
        ...

    def epoch(self, row: Row) -> None:
        """An epoch ended; its model is on disk."""
        ...


class _Unwatched:
    """What the processes after the first tell: nothing."""

    def image(self, done: int, total: int) -> None: ...
    def step(self, epoch: int, epochs: int, done: int, total: int) -> None: ...
    def epoch(self, row: Row) -> None: ...


def train(
    study: Study,
    config: Config,
    run: Path,
    watch: Watch | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
) -> Checkpoint:
    """Train a landmark detector and leave it in `run`.

    Args:
        study: marked films, one reading each. Those whose `part` is "val" are the validation part, those that say anything
            else but "train" (such as "test") are not touched; where none says anything a share of the patients is drawn.
        config: every setting.
        run: the folder to make.
        watch: told how it goes; None: nobody.
        resume: go on with an unfinished run in `run`; the config and the data must be the ones it began with.
        overwrite: replace what is in `run`.

    Returns:
        The model the run keeps.

    Raises:
        InputError: something about the data, the config or the folder makes training impossible or dishonest; memory ran
            out; the loss stopped being a number. What earlier epochs left in `run` stays usable.
    """
    study = study.training_set()
    split = split_for_training(study, config)
    if config.augment.mirror_probability > 0:
        _refuse_unmirrored(study.scheme)
    # Started by torchrun or srun, this very function runs in every process; the first of them alone writes.
    here, machines = launched()
    fabric = Fabric(
        accelerator=_accelerator(config),
        devices=here,
        num_nodes=machines,
        strategy="ddp" if here * machines > 1 else "auto",
        precision=_precision(config),  # pyright: ignore[reportArgumentType]
    )
    fabric.launch()
    first = fabric.is_global_zero
    watch = watch if first and watch is not None else _Unwatched()
    if resume:
        began = _resumable(run, config, split, study)
    else:
        began = None
        if first:
            check_folder(run, overwrite=overwrite, ours=RUN_FILES)

    # --- data -----------------------------------------------------------------------------------------------------------
    parts = {name: study.subset(split.parts[name]).rows for name in ("train", "val") if split.parts.get(name)}
    cache_in = run.parent if config.data.cache == "file" else None
    samples = {
        part: load_samples(rows, config.data.size, cache_in=cache_in, on_image=watch.image)
        for part, rows in parts.items()
    }
    _refuse_leaks(samples, parts)
    facts: dict[str, Any] = {
        "versions": store.versions(),
        "reader": study.reader,
        "training_images": samples["train"].hashes,
        "validation_images": samples["val"].hashes if "val" in samples else {},
        "training_patients": sorted({film.owner for film, _ in parts["train"]}),
        "data": data_facts(
            [row for part in parts.values() for row in part],
            study.scheme,
            {name: [film.name for film, _ in part] for name, part in parts.items()},
        ),
    }

    # --- model ----------------------------------------------------------------------------------------------------------
    keep_freed_memory()
    torch.manual_seed(config.train.seed)
    net = build(config.model, len(study.scheme))
    if began is None:
        load_encoder_weights(net, config.model)
        if config.labels.start_at_rate:
            _start_at_rate(net, config)
    if fabric.world_size > 1:
        share_batch_statistics(net, fabric.device)
    net.recompute = config.train.recompute
    net = net.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(net.parameters(), lr=config.train.learning_rate)
    model, optimizer = fabric.setup(net, optimizer)
    history: list[Row] = []
    if began is not None:
        net.load_state_dict(dict(began.weights))
        store.restore_optimizer(optimizer, began.optimizer)
        history = began.facts["history"]

    # Only now is it certain that training can begin: an older run is not replaced by one that cannot.
    if began is None and first:
        claim_folder(run, overwrite=overwrite, ours=RUN_FILES)
        write_text(run / "config.toml", to_toml(config))
        write_text(run / "split.json", split.to_json())

    # --- epochs ---------------------------------------------------------------------------------------------------------
    board = _tensorboard(run, purge_from=len(history)) if first else None
    drawn_at = time.monotonic()
    n = len(samples["train"])
    steps = math.ceil(n / config.train.batch_size)
    task = objective(config.labels)
    try:
        for epoch in range(len(history), config.train.epochs):
            started = time.monotonic()
            seed = int(np.random.SeedSequence([config.train.seed, epoch]).generate_state(1)[0])
            torch.manual_seed(seed)  # for encoders that drop paths at random
            draws = torch.Generator().manual_seed(seed)
            order = torch.randperm(n, generator=draws).tolist()
            radius = radius_px(config.labels, epoch=epoch, epochs=config.train.epochs, size=config.map_size)

            model.train()
            losses: list[Tensor] = []
            for step in range(steps):
                for group in optimizer.param_groups:
                    group["lr"] = learning_rate(config, epoch + step / steps)
                # Batches of equal size to within one image: a last batch of one would upset batch normalisation.
                indices = order[step * n // steps : (step + 1) * n // steps]
                optimizer.zero_grad()
                for piece, whole in pieces(indices, config.train.accumulate, fabric.world_size):
                    part = own_part(len(piece), fabric.global_rank, fabric.world_size)
                    gray, points, states = (t.to(fabric.device) for t in samples["train"].batch(piece[part]))
                    gray, points, states = augment(
                        gray, points, states, config.augment, draws,
                        mirrored=study.scheme.mirrored, part=part, of=len(piece),
                    )  # fmt: skip
                    share = len(piece) / len(indices)
                    with fabric.no_backward_sync(model, enabled=not whole):
                        maps = model(gray.contiguous(memory_format=torch.channels_last))
                        loss = share * task.levels_loss(maps, points, states, radius, config.data.size)
                        fabric.backward(loss)
                    losses.append(loss.detach())
                optimizer.step()
                watch.step(epoch, config.train.epochs, step + 1, steps)
            train_loss = float(fabric.all_reduce(torch.stack(losses).sum() / steps))  # pyright: ignore[reportArgumentType]
            if not math.isfinite(train_loss):
                raise InputError(
                    f"the loss became {train_loss} in epoch {epoch}",
                    remedy=f"Lower --learning-rate (it is {config.train.learning_rate:g}), or train with --precision 32-true; "
                    "the model of the epoch before is kept",
                )
            validated = NOT_VALIDATED
            if (epoch + 1) % config.train.validate_every == 0 or epoch + 1 == config.train.epochs:
                with fabric.autocast():  # the bare network: processes may have different numbers of batches to validate
                    validated = _validate(
                        net, samples.get("val"), config, radius, fabric.device, fabric.global_rank, fabric.world_size
                    )
            row: dict[str, float | int | None] = {
                "epoch": epoch,
                "radius_px": radius,
                "learning_rate": learning_rate(config, epoch),
                "train_loss": train_loss,
                **validated,
                "seconds": round(time.monotonic() - started, 3),
            }
            history.append(row)
            if not first:
                fabric.barrier()
                continue

            # The model first, then the state to resume from: a crash in between repeats this epoch, to the same end.
            now = Checkpoint(config, study.scheme, net.state_dict(), epoch, radius, {**facts, "history": history})
            if config.train.select == "last" or _is_best(history):
                store.save(run / store.MODEL_FILE, now)
            if epoch + 1 < config.train.epochs:
                state = dataclasses.replace(now, optimizer=store.flatten_optimizer(optimizer))
                store.save(run / store.TRAINING_FILE, state)
            _write_log(run, history)
            for key, value in row.items():
                if board is not None and value is not None and key != "epoch":
                    board.add_scalar(key, value, epoch)
            if time.monotonic() - drawn_at > CURVES_EVERY_S:
                draw_curves(history, run / "curves.png")
                drawn_at = time.monotonic()
            watch.epoch(row)
            fabric.barrier()
        kept = store.load_run(run)
        if first:
            sha256 = store.model_sha256(run)
            card = model_card(kept.config, kept.scheme, kept.facts, epoch=kept.epoch, sha256=sha256)
            write_card(run, card, markdown(card))
            (run / store.TRAINING_FILE).unlink(missing_ok=True)
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if not isinstance(error, torch.OutOfMemoryError | MemoryError) and "allocate memory" not in str(error):
            raise
        raise InputError(
            f"memory ran out with {config.train.batch_size} images of {config.data.size} x {config.data.size} pixels in a batch",
            remedy=f"Use --batch-size {max(1, config.train.batch_size // 2)} or a smaller --size; earlier epochs are kept",
        ) from error
    finally:
        if board is not None:
            board.close()
        if first and history:
            draw_curves(history, run / "curves.png")
    return kept


def pieces(indices: Sequence[int], accumulate: int, world: int) -> list[tuple[Sequence[int], bool]]:
    """A batch in up to `accumulate` pieces, none with less than two images for each process (or one, where there are no more):
    each piece, and whether it is the last. Their gradients add up to the batch's, but batch normalisation sees a piece."""
    n = max(1, min(accumulate, len(indices) // (2 * world)))
    cuts = [i * len(indices) // n for i in range(n + 1)]
    return [(indices[a:b], b == len(indices)) for a, b in itertools.pairwise(cuts)]


def learning_rate(config: Config, epoch: float) -> float:
    """The step size at a moment of the run; `epoch` counts on through an epoch, 2.5 is the middle of the third."""
    if config.train.decay == "constant":
        return config.train.learning_rate
    return config.train.learning_rate * 0.5 * (1 + math.cos(math.pi * epoch / config.train.epochs))


def split_for_training(study: Study, config: Config) -> Split:
    """Parts "train" and, unless there is none, "val"; the reported set is in neither.

    Raises:
        InputError: a patient in two parts, too few patients, or no row to train on.
    """
    stated = Split.by_column(study)
    if stated.parts:
        if "train" not in stated.parts:
            raise InputError(
                "the split column has no row that says train",
                value=", ".join(stated.parts),
                remedy="Mark the training images with train, the validation images with val, or remove the column",
            )
        if "val" in stated.parts or config.data.validation_fraction == 0:
            return stated
        study = study.subset(stated.parts["train"])
    shares = {"train": 1 - config.data.validation_fraction, "val": config.data.validation_fraction}
    return Split.by_patient(study, shares, seed=config.train.seed, stratify=config.data.stratify)


def _start_at_rate(net: LandmarkNet, config: Config) -> None:
    """Every pixel's first guess is how often a pixel is in a label, so that the first steps need not empty the map."""
    first = radius_px(config.labels, epoch=0, epochs=config.train.epochs, size=config.map_size)
    try:
        logit = rate_logit(first, config.map_size**2)
    except ValueError as error:
        raise InputError(
            f"the first label is no smaller than the map ({error}): there is no rate to start at",
            value=config.labels.dilate_px,
            remedy="Use a smaller --dilate-px, or leave --start-at-rate off",
        ) from error
    torch.nn.init.constant_(net.unet.segmentation_head[0].bias, logit)


def keep_freed_memory() -> None:
    """Ask glibc to keep freed memory instead of handing it back to the system.

    Every training step frees and takes the same large blocks; handing them back means a page fault for each 4 KiB of the
    next step, which was seen to double the time of a step on the CPU. Does nothing where the C library is another.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        m_trim_threshold, m_mmap_max = -1, -4  # from malloc.h
        mallopt(m_mmap_max, 0)
        mallopt(m_trim_threshold, 2**31 - 1)


def _refuse_leaks(samples: Mapping[str, Samples], parts: Mapping[str, Sequence[Marked]]) -> None:
    """The same picture under two names in two parts makes the validation error a flattery."""
    part_of = {film.name: part for part, rows in parts.items() for film, _ in rows}
    hashes = {name: h for part in samples.values() for name, h in part.hashes.items()}
    for twins in same_pixels(hashes):
        if len({part_of[name] for name in twins}) > 1:
            raise InputError(
                "the same picture is in the training and in the validation part",
                value=", ".join(twins),
                remedy="Remove one, or give both the same patient_id",
            )


def _refuse_unmirrored(scheme: Scheme) -> None:
    """In a mirrored film a landmark that keeps its side's name would be taught on the other side."""
    in_pairs = {name for pair in scheme.pairs for name in pair}
    alone = tuple(name for name in one_sided(scheme.names) if name not in in_pairs) or unpaired_sides(scheme)
    if alone or not in_pairs:
        raise InputError(
            f"scheme {scheme.name} has {'landmarks of one side in no pair' if alone else 'no left/right pairs'}, so its images "
            "cannot be mirrored",
            value=", ".join(alone) or None,
            remedy="Train with --mirror-probability 0, or give a --scheme whose pairs name both sides",
        )


def _resumable(run: Path, config: Config, split: Split, study: Study) -> Checkpoint:
    """The state an interrupted run left.

    Raises:
        InputError: there is none, the run is finished, or it is a run of other settings or other images.
    """
    if not (run / store.TRAINING_FILE).is_file():
        if (run / store.MODEL_FILE).is_file():
            raise InputError("this run is finished", file=run, remedy="Evaluate it, or train anew in another --out")
        raise InputError("there is nothing to resume here", file=run, remedy="Start without --resume")
    if read_recipe(str(run / "config.toml")) != config:
        raise InputError(
            "the run began with other settings",
            file=run / "config.toml",
            remedy="Resume with the same recipe and flags, or start anew in another --out",
        )
    if Split.from_json((run / "split.json").read_text(encoding="utf-8"), study) != split:
        raise InputError(
            "the run began with other training images",
            file=run / "split.json",
            remedy="Resume with the same annotations, or start anew in another --out",
        )
    return store.load(run / store.TRAINING_FILE)


def _accelerator(config: Config) -> str:
    if config.train.accelerator == "cuda" and not torch.cuda.is_available():
        raise InputError("no CUDA device is available", value="cuda", remedy="Use --accelerator auto or cpu")
    if config.train.accelerator == "mps" and not torch.backends.mps.is_available():
        raise InputError("no Apple GPU is available", value="mps", remedy="Use --accelerator auto or cpu")
    return config.train.accelerator


def _precision(config: Config) -> str:
    """The precision asked for; "auto" is bf16 only where it was seen to be, or has to be, faster.

    On processors that is matrix units (AMX): emulation is ten times slower, and AVX-512's bf16 a third slower than 32 bit.
    """
    if config.train.precision != "auto":
        return config.train.precision
    if config.train.accelerator != "cpu" and torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    if config.train.accelerator in ("auto", "mps") and torch.backends.mps.is_available():
        return "32-true"
    return "bf16-mixed" if torch.cpu.get_capabilities().get("amx_bf16") else "32-true"


def _validate(
    model: torch.nn.Module,
    samples: Samples | None,
    config: Config,
    radius: int,
    device: torch.device,
    rank: int,
    world: int,
) -> Mapping[str, float | None]:
    """Mean radial error over the validation points, in pixels of the source images and in mm where every spacing is known."""
    if samples is None:
        return NOT_VALIDATED
    model.eval()
    errors_px: list[np.ndarray] = []
    errors_mm: list[np.ndarray] = []
    own = range(len(samples))[own_part(len(samples), rank, world)]
    for first in range(0, len(own), config.train.batch_size):
        indices = own[first : first + config.train.batch_size]
        gray, _, _ = samples.batch(indices)
        points, _ = locate(model, gray.to(device), config, radius)
        for i, located in zip(indices, points.numpy(), strict=True):
            truth = samples.rows[i].marks
            offsets = (samples.insets[i].to_source(located.astype(np.float64)) - truth.points)[truth.placed]
            errors_px.append(np.hypot(*offsets.T))
            if truth.frame.spacing is not None:
                errors_mm.append(np.hypot(*truth.frame.to_mm(offsets).T))
    errors_px, errors_mm = gather_lists(errors_px), gather_lists(errors_mm)
    if sum(map(len, errors_px)) == 0:
        return NOT_VALIDATED
    known = len(errors_mm) == len(errors_px)
    return {
        "val_mean_radial_error_px": float(np.concatenate(errors_px).mean()),
        "val_mean_radial_error_mm": float(np.concatenate(errors_mm).mean()) if known else None,
    }


def _is_best(history: Sequence[Row]) -> bool:
    """Whether the last epoch has the least validation error so far; until one is validated, the last is as good as any."""
    errors = [row["val_mean_radial_error_px"] for row in history]
    known = [e for e in errors if e is not None]
    return not known or errors[-1] == min(known)


def _write_log(run: Path, history: Sequence[Row]) -> None:
    lines = [
        ",".join(history[0]),
        *(",".join("" if v is None else f"{v:.6g}" for v in row.values()) for row in history),
    ]
    write_text(run / "log.csv", "\n".join(lines) + "\n")


def _tensorboard(run: Path, purge_from: int) -> Any:
    from torch.utils.tensorboard import SummaryWriter  # takes a second, only training pays it

    return SummaryWriter(str(run / "tensorboard"), purge_step=purge_from)
