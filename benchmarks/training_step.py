"""What a training step costs: the `cpu` recipe against the paper's recipe as its released programs run it.

    python benchmarks/training_step.py [--landmarks 8] [--paper-batch 2] [--repeats 5]

Ours: a step of radmark.training.loop with the recipe's own network, size, batch, precision and label radius; images decoded once,
before. The paper's: a resnet101 U-Net at 512 px in 32 bit and contiguous layout; each step decodes its PNGs, letterboxes them
and dilates every landmark 65 times; weighted binary cross-entropy, Adam. Both networks start at random. The two take turns in
one process, so that whatever else the machine does meets both. What radmark tells the allocator (`keep_freed_memory`) therefore
serves the paper's steps too, and the films, 1024 px, are smaller than most: both to the advantage of the paper's side.
"""

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import segmentation_models_pytorch as smp
import torch
from lightning_fabric import Fabric
from PIL import Image
from scipy import ndimage
from torch import Tensor

from radmark import phantom
from radmark.config import Config, read_recipe
from radmark.core import Film, Marked, Marks, Scheme
from radmark.io import open_film
from radmark.model import build
from radmark.targets.objectives import objective
from radmark.targets.schedule import radius_px
from radmark.training.augment import augment
from radmark.training.data import load_samples
from radmark.training.loop import _precision as precision  # the very rule the loop follows
from radmark.training.loop import keep_freed_memory

PAPER_SIZE = 512
PAPER_RADIUS = 65
FILM_PX = 1024
IMAGENET = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])


def films(folder: Path, n: int, k: int) -> list[Marked]:
    """`n` phantoms with `k` landmarks anywhere on them: what they mean does not matter to the clock."""
    phantom.write(folder, "knee-radiograph", n, seed=0, size_px=FILM_PX)
    scheme = Scheme.from_names([f"landmark_{i}" for i in range(k)])
    rng = np.random.default_rng(0)
    rows: list[Marked] = []
    for path in sorted((folder / "images").iterdir()):
        film = open_film(path)
        points = rng.uniform(0, (film.frame.width - 1, film.frame.height - 1), (k, 2))
        rows.append(Marked(film, Marks.present(scheme, film.frame, points, film=film.name)))
    return rows


def radmark_step(rows: list[Marked], config: Config, fabric: Fabric) -> Callable[[], float]:
    """A step like those of radmark.training.loop; returns the loss."""
    samples = load_samples(rows, config.data.size)
    scheme = rows[0].marks.scheme
    draws = torch.Generator().manual_seed(0)
    net = build(config.model, len(scheme)).to(memory_format=torch.channels_last)
    model, optimizer = fabric.setup(net, torch.optim.Adam(net.parameters(), lr=config.train.learning_rate))
    mirrored = scheme.mirrored
    task = objective(config.labels)
    radius = radius_px(config.labels, epoch=0, epochs=config.train.epochs, size=config.map_size)
    indices = itertools.cycle(range(len(samples)))
    model.train()

    def step() -> float:
        batch = samples.batch(list(itertools.islice(indices, config.train.batch_size)))
        gray, points, states = (t.to(fabric.device) for t in batch)
        gray, points, states = augment(gray, points, states, config.augment, draws, mirrored=mirrored)
        maps = model(gray.contiguous(memory_format=torch.channels_last))
        loss = task.levels_loss(maps, points, states, radius, config.data.size)
        optimizer.zero_grad()
        fabric.backward(loss)
        optimizer.step()
        return loss.item()

    return step


def paper_step(rows: list[Marked], batch_size: int, device: torch.device) -> Callable[[], float]:
    """A step as the released programs take it, the loader's work included; returns the loss."""
    k = len(rows[0].marks.scheme)
    net: Any = smp.Unet("resnet101", encoder_weights=None, decoder_channels=(256, 128, 64, 32, 16), classes=k).to(
        device
    )
    region = 1 + 2 * PAPER_RADIUS * (PAPER_RADIUS + 1)
    weight = torch.full((k, 1, 1), (PAPER_SIZE**2 - region) / region, device=device)
    criterion = torch.nn.BCEWithLogitsLoss(pos_weight=weight)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-4)
    order = itertools.cycle(rows)
    net.train()

    def step() -> float:
        loaded = [paper_sample(row) for row in itertools.islice(order, batch_size)]
        images, labels = (torch.stack(parts).to(device) for parts in zip(*loaded, strict=True))
        loss = criterion(net(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def paper_image(film: Film) -> tuple[Tensor, Callable[[np.ndarray], np.ndarray]]:
    """(3, 512, 512) image, and what takes points there."""
    assert film.path is not None
    with Image.open(film.path) as image:
        pixels = np.asarray(image).astype(np.float32)
    gray = (255 * (pixels - pixels.min()) / (np.ptp(pixels) or 1)).astype(np.uint8)
    height, width = gray.shape
    side = max(height, width)
    left, top = (side - width) // 2, (side - height) // 2
    square = np.pad(gray, ((top, side - height - top), (left, side - width - left)))
    small = np.asarray(Image.fromarray(square).resize((PAPER_SIZE, PAPER_SIZE), Image.Resampling.BILINEAR))
    mean, std = IMAGENET[:, :, None, None]
    offset = np.array([left, top])
    return (torch.from_numpy(small.astype(np.float32) / 255) - mean) / std, lambda xy: (xy + offset) * PAPER_SIZE / side


def paper_sample(row: Marked) -> tuple[Tensor, Tensor]:
    """(3, 512, 512) image and (K, 512, 512) labels."""
    image, to_grid = paper_image(row.film)
    labels = np.zeros((len(row.marks.scheme), PAPER_SIZE, PAPER_SIZE), np.float32)
    centres = to_grid(row.marks.points).astype(int).clip(0, PAPER_SIZE - 1)
    for label, (x, y) in zip(labels, centres, strict=True):
        label[y, x] = 1
        label[:] = ndimage.binary_dilation(label, iterations=PAPER_RADIUS)
    return image, torch.from_numpy(labels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--landmarks", type=int, default=8)
    parser.add_argument("--recipe", default="cpu", help="ours")
    parser.add_argument("--paper-batch", type=int, default=2, help="18 in the paper; 2 fits a small machine")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()

    config = read_recipe(options.recipe)
    keep_freed_memory()
    fabric = Fabric(accelerator=config.train.accelerator, devices=1, precision=precision(config))
    with tempfile.TemporaryDirectory() as folder:
        rows = films(Path(folder) / "films", 2 * config.train.batch_size, options.landmarks)
        steps = {
            "radmark": (radmark_step(rows, config, fabric), config.train.batch_size),
            "paper": (paper_step(rows, options.paper_batch, fabric.device), options.paper_batch),
        }
        taken: dict[str, list[float]] = {name: [] for name in steps}
        for turn in range(options.repeats + 1):
            for name, (step, batch_size) in steps.items():
                began = time.perf_counter()
                step()
                if turn:  # the first turn warms up
                    taken[name].append(1000 * (time.perf_counter() - began) / batch_size)
    median = {name: statistics.median(times) for name, times in taken.items()}
    what = {
        "radmark": f"recipe {options.recipe}, {config.model.encoder}, {config.data.size} px, batch {config.train.batch_size}, "
        f"{fabric.strategy.precision.precision}",
        "paper": f"resnet101, {PAPER_SIZE} px, batch {options.paper_batch}, 32-true",
    }
    threads = f"{torch.get_num_threads()} threads" if fabric.device.type == "cpu" else str(fabric.device)
    print(f"one training step, {options.landmarks} landmarks, {threads}, median of {options.repeats}")
    print(f"{'':8} {'ms/image':>9} {'fastest':>9}  what")
    for name, times in taken.items():
        print(f"{name:8} {median[name]:>9.0f} {min(times):>9.0f}  {what[name]}")
    print(f"{'ratio':8} {median['paper'] / median['radmark']:>9.1f}")


if __name__ == "__main__":
    main()
