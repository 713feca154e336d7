"""Where the time of training goes: the loop's own functions, timed while it trains.

    python benchmarks/epoch.py [--recipe cpu] [--images 40] [--epochs 3] [--landmarks 19]

Runs `radmark.training.loop.train` as it is on phantoms, with a clock around what it calls. A call's time is its own, less that of
the timed calls inside it. The backward pass is parted where the gradient reaches the maps: before it, it is the loss's.
"""

import argparse
import dataclasses
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor
from training_step import films

from radmark.config import read_recipe
from radmark.core import Study
from radmark.model import LandmarkNet
from radmark.targets.objectives import Objective
from radmark.training import loop
from radmark.training.data import Samples


class Clock:
    """Seconds by name, each call's less what timed calls inside it took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.running: list[float] = []
        self.gradient_at = 0.0

    def timed(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            self.running.append(0.0)
            began = time.perf_counter()
            try:
                return call(*args, **kwargs)
            finally:
                took = time.perf_counter() - began
                self.seconds[name] += took - self.running.pop()
                if self.running:
                    self.running[-1] += took

        return run

    def loss(self, call: Callable[..., Tensor]) -> Callable[..., Tensor]:
        """The loss, which also notes when the gradient arrives at the maps."""

        def arrived(_: Tensor) -> None:
            self.gradient_at = time.perf_counter()

        def run(task: Objective, maps: Sequence[Tensor], *args: Any) -> Tensor:
            for each in maps:
                each.register_hook(arrived)
            return call(task, maps, *args)

        return self.timed("loss", run)

    def backward(self, call: Callable[..., None]) -> Callable[..., None]:
        def run(*args: Any, **kwargs: Any) -> None:
            began = time.perf_counter()
            call(*args, **kwargs)
            self.seconds["loss"] += self.gradient_at - began
            self.seconds["network"] += time.perf_counter() - self.gradient_at
            if self.running:
                self.running[-1] += time.perf_counter() - began

        return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="cpu")
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--landmarks", type=int, default=19)
    options = parser.parse_args()

    config = read_recipe(options.recipe)
    config = dataclasses.replace(
        config,
        model=dataclasses.replace(config.model, encoder_weights="none"),
        train=dataclasses.replace(config.train, epochs=options.epochs),
    )
    clock = Clock()
    patches: list[tuple[Any, str, Callable[..., Any]]] = [
        (LandmarkNet, "forward", clock.timed("network", LandmarkNet.forward)),
        (Fabric, "backward", clock.backward(Fabric.backward)),
        (torch.optim.Adam, "step", clock.timed("optimiser", torch.optim.Adam.step)),
        (Samples, "batch", clock.timed("batch", Samples.batch)),
        (loop, "augment", clock.timed("augmentation", loop.augment)),
        (Objective, "levels_loss", clock.loss(Objective.levels_loss)),
        (loop, "load_samples", clock.timed("reading the films, once", loop.load_samples)),
        (loop, "_validate", clock.timed("validation, decoder", loop._validate)),
        (loop.store, "save", clock.timed("checkpoint", loop.store.save)),
        (loop, "_write_log", clock.timed("log and curves", loop._write_log)),
        (loop, "draw_curves", clock.timed("log and curves", loop.draw_curves)),
    ]
    for place, name, call in patches:
        setattr(place, name, call)
    with tempfile.TemporaryDirectory() as folder:
        rows = films(Path(folder) / "films", options.images, options.landmarks)
        study = Study(rows[0].marks.scheme, tuple(rows))
        clock.seconds.clear()
        clock.timed("the rest", loop.train)(study, config, Path(folder) / "run")
    total = sum(clock.seconds.values())
    print(
        f"recipe {options.recipe}, {options.images} films, {options.epochs} epochs, {config.data.size} px, "
        f"{options.landmarks} landmarks, {torch.get_num_threads()} threads: {total:.1f} s"
    )
    for name, seconds in sorted(clock.seconds.items(), key=lambda item: -item[1]):
        print(f"{name:24} {seconds:>7.2f} s {100 * seconds / total:>6.1f} %")


if __name__ == "__main__":
    main()
