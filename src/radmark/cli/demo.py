"""`radmark demo`: the whole path, with the commands a user would type."""

from dataclasses import dataclass
from pathlib import Path

from radmark.cli.common import Annotations, need_torch
from radmark.cli.evaluate import Evaluate
from radmark.cli.phantom import Phantom
from radmark.cli.train import Train
from radmark.config import Config, read_recipe

DEMO_KIND = "pelvis-radiograph"
DEMO_IMAGES = {"train": 60, "test": 20}


@dataclass(frozen=True)
class Demo:
    """Synthetic radiographs, training, evaluation and a page to look at, on any machine, without data or network."""

    out: Path = Path("radmark-demo")
    """The folder to make: data/, run/ and report/."""

    overwrite: bool = False
    """Replace what is in --out."""

    def run(self) -> int:
        """Walk the whole path, with the same commands a user would type."""
        from radmark.console import out
        from radmark.io.atomic import claim_folder

        need_torch()
        claim_folder(self.out, overwrite=self.overwrite, ours=_demo_files())
        data = {part: self.out / "data" / part for part in DEMO_IMAGES}
        config = read_recipe("demo")
        for seed, (part, n) in enumerate(DEMO_IMAGES.items()):
            Phantom(data[part], kind=DEMO_KIND, n=n, seed=seed, size=config.data.size).run()
        asked = {
            part: Annotations(data[part] / "annotations.csv", data[part] / "images", reader="phantom") for part in data
        }
        stopped = Train(asked["train"], self.out / "run", recipe="demo", config=config).run()
        if stopped:
            return stopped
        untrained = _untrained_error_px(asked["test"], config)
        out.print(f"before training the mean radial error on the test images was {untrained:.1f} px; now:")
        return Evaluate(self.out / "run", asked["test"], self.out / "report").run()


def _demo_files() -> tuple[str, ...]:
    """What `radmark demo` leaves behind, as patterns."""
    from radmark.evaluation.report import REPORT_FILES
    from radmark.training.loop import RUN_FILES

    data = ("data/*/annotations.csv", "data/*/images/*.png")
    return (*data, *(f"run/{name}" for name in RUN_FILES), *(f"report/{name}" for name in REPORT_FILES))


def _untrained_error_px(data: Annotations, config: Config) -> float:
    """Mean radial error of the demo's network as it starts, for comparison."""
    import torch

    from radmark.checkpoint import Checkpoint
    from radmark.evaluation.metrics import point_errors, score
    from radmark.infer import Predictor
    from radmark.model import build

    study = data.study()
    torch.manual_seed(config.train.seed)  # pyright: ignore[reportUnknownMemberType]
    net = build(config.model, len(study.scheme)).eval()
    blank = Checkpoint(config, study.scheme, net.state_dict(), epoch=0, radius_px=0, facts={})
    predictor = Predictor(blank, net, torch.device("cpu"))
    predictions = [predictor(film) for film in study.films]
    mean = score(point_errors(study.rows, predictions)).px.mean
    assert mean is not None  # every phantom's landmarks are known
    return mean
