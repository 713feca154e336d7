"""What a prediction costs, file to points: a recipe of radmark against the paper's network as its released test program runs it.

    python benchmarks/prediction.py [--recipe best] [--landmarks 19] [--images 12] [--repeats 3]

Ours: the file read, letterbox, network, decoder, points in the file's own pixels: what `radmark predict` does for each image. The
paper's: the image decoded and letterboxed to 512 px, resnet101 in 32 bit and contiguous layout, one image at a time, a sigmoid of
every map, the pixel of its largest value. Both networks start at random, whose maps cost as much to read as trained ones. They
take turns, so that whatever else the machine does meets both. Peak memory is that of the whole process.
"""

import argparse
import dataclasses
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import segmentation_models_pytorch as smp
import torch
from training_step import PAPER_SIZE, films, paper_image

from radmark.checkpoint import Checkpoint
from radmark.config import Config, read_recipe
from radmark.core import Film, Scheme
from radmark.infer import Predictor
from radmark.model import build


def radmark_prediction(scheme: Scheme, config: Config) -> Callable[[Film], object]:
    """File to points with an untrained network of this recipe."""
    net = build(config.model, len(scheme)).eval().to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    blank = Checkpoint(config, scheme, {}, epoch=0, radius_px=2, facts={})
    return Predictor(blank, net, torch.device("cpu"))


def paper_prediction(k: int) -> Callable[[Film], object]:
    """File to points as the released test program goes."""
    net: Any = smp.Unet("resnet101", encoder_weights=None, decoder_channels=(256, 128, 64, 32, 16), classes=k).eval()

    @torch.no_grad()
    def predict(film: Film) -> object:
        maps = torch.sigmoid(net(paper_image(film)[0][None]))[0]
        return [divmod(int(m.argmax()), PAPER_SIZE) for m in maps]

    return predict


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="best", help="ours")
    parser.add_argument("--landmarks", type=int, default=19)
    parser.add_argument("--images", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()

    config = read_recipe(options.recipe)
    one_look = dataclasses.replace(config, decode=dataclasses.replace(config.decode, views=1))
    with tempfile.TemporaryDirectory() as folder:
        rows = films(Path(folder) / "films", options.images, options.landmarks)
        scheme = rows[0].marks.scheme
        ways: dict[str, Callable[[Film], object]] = {"radmark": radmark_prediction(scheme, config)}
        if one_look != config:
            ways["one look"] = radmark_prediction(scheme, one_look)
        ways["paper"] = paper_prediction(options.landmarks)
        taken: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(options.repeats + 1):
            for name, predict in ways.items():
                began = time.perf_counter()
                for film, _ in rows:
                    predict(film)
                if turn:  # the first turn warms up
                    taken[name].append(1000 * (time.perf_counter() - began) / len(rows))
    median = {name: statistics.median(times) for name, times in taken.items()}
    print(
        f"file to points, {options.landmarks} landmarks, {torch.get_num_threads()} threads, median of {options.repeats}"
    )
    print(
        f"recipe {options.recipe}: {config.model.encoder}, {config.data.size} px, {config.decode.views} looks at an image"
    )
    print(f"{'':10} {'ms/image':>9} {'fastest':>9} {'paper / it':>11}")
    for name, times in taken.items():
        print(f"{name:10} {median[name]:>9.1f} {min(times):>9.1f} {median['paper'] / median[name]:>11.1f}")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    main()
