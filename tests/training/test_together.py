"""Several processes train one model: the same run as one process, and a killed one loses nothing."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from radmark import phantom
from radmark.targets.objectives.softmax import softmax_cross_entropy
from radmark.targets.regions import label_regions
from radmark.training.loop import pieces
from radmark.training.together import own_part, share_batch_statistics

EPOCHS = 3


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films") / "knees"
    phantom.write(folder, "knee-radiograph", 11, seed=3, size_px=96)
    (folder / "recipe.toml").write_text(
        """
        data = { size = 64, validation_fraction = 0.25 }
        model = { encoder_weights = "none", decoder_channels = [16, 16, 16, 8, 8], levels = 3, stride = 2 }
        labels = { loss = "softmax" }
        train = { epochs = 3, batch_size = 4, learning_rate = 1e-6, accelerator = "cpu", precision = "32-true" }
        """
    )
    return folder


def command(films: Path, run: Path, processes: int, *more: str) -> list[str]:
    start = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    return [
        sys.executable, *(start if processes > 1 else []), "-m", "radmark.cli", "train", str(films / "annotations.csv"),
        "--images", str(films / "images"), "--out", str(run), "--recipe", str(films / "recipe.toml"), *more,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def by_two(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes train undisturbed."""
    run = tmp_path_factory.mktemp("runs") / "two"
    subprocess.run(command(films, run, 2), check=True, capture_output=True, text=True)
    return run


def log(run: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((run / "log.csv").read_text().splitlines()))


def small_net() -> torch.nn.Module:
    torch.manual_seed(1)
    layers = (
        torch.nn.Conv2d(1, 4, 3, padding=1),
        torch.nn.BatchNorm2d(4),
        torch.nn.ReLU(),
        torch.nn.Conv2d(4, 2, 3, padding=1),
    )
    return torch.nn.Sequential(*layers).double()


def loss_of(net: torch.nn.Module, images: slice) -> torch.Tensor:
    draws = torch.Generator().manual_seed(2)
    gray = torch.rand(5, 1, 12, 12, generator=draws, dtype=torch.float64)[images]
    centres = torch.randint(0, 12, (5, 2, 2), generator=draws)[images]
    trained = torch.tensor([[True, True], [True, False], [False, False], [True, True], [True, True]])[images]
    return softmax_cross_entropy(net(gray), label_regions(centres, 1, height=12, width=12), trained)


def share_of_the_work(rank: int, folder: str) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    net = small_net()
    share_batch_statistics(net, torch.device("cpu"))
    loss = loss_of(net, own_part(5, rank, 2))
    loss.backward()
    gradients = [p.grad for p in net.parameters() if p.grad is not None]
    for gradient in gradients:
        torch.distributed.all_reduce(gradient)
    torch.distributed.all_reduce(loss.data)
    if rank == 0:
        state = (loss.detach() / 2, [g / 2 for g in gradients], net.state_dict())
        torch.save(state, f"{folder}/found.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_loss_gradients_and_running_averages_of_two_shares_are_those_of_the_whole_batch(tmp_path: Path) -> None:
    workers = [subprocess.Popen([sys.executable, __file__, str(rank), str(tmp_path)]) for rank in (0, 1)]
    assert [worker.wait(timeout=250) for worker in workers] == [0, 0]
    loss, gradients, state = torch.load(tmp_path / "found.pt")
    net = small_net()  # torch's own batch normalisation, on all five images
    whole = loss_of(net, slice(None))
    whole.backward()
    assert loss.item() == pytest.approx(whole.item(), rel=1e-12)
    for found, parameter in zip(gradients, net.parameters(), strict=True):
        assert parameter.grad is not None
        assert torch.allclose(found, parameter.grad, rtol=1e-9, atol=1e-12)
    for name, tensor in net.state_dict().items():
        assert torch.allclose(state[name].double(), tensor.double(), rtol=1e-12), name


@pytest.mark.slow
def test_two_processes_train_what_one_does(films: Path, by_two: Path, tmp_path: Path) -> None:
    subprocess.run(command(films, tmp_path / "run", 1), check=True, capture_output=True, text=True)
    alone, both = log(tmp_path / "run"), log(by_two)
    # At a larger step size the curves part as those of two machines do: Adam's step has the sign of what may be rounding noise.
    assert len(alone) == len(both) == EPOCHS
    for row, other in zip(alone, both, strict=True):
        assert float(other["train_loss"]) == pytest.approx(float(row["train_loss"]), rel=1e-4)
        assert float(other["val_mean_radial_error_px"]) == pytest.approx(
            float(row["val_mean_radial_error_px"]), rel=1e-2
        )
    weights = [load_file(run / "model.safetensors") for run in (tmp_path / "run", by_two)]
    assert weights[0].keys() == weights[1].keys()
    for name, tensor in weights[0].items():
        assert torch.allclose(tensor.float(), weights[1][name].float(), atol=2e-2), name


@pytest.mark.slow
def test_after_one_of_two_processes_is_killed_the_run_resumes_to_the_same_end(
    films: Path, by_two: Path, tmp_path: Path
) -> None:
    parts = tmp_path / "parts"
    with subprocess.Popen(command(films, parts, 2), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as started:
        deadline = time.monotonic() + 120
        while not (parts / "training.safetensors").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        children = Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text().split()
        os.kill(int(children[-1]), signal.SIGKILL)
        assert started.wait(timeout=60) != 0
    assert (parts / "training.safetensors").exists()
    subprocess.run(command(films, parts, 2, "--resume"), check=True, capture_output=True)
    without_time = [{k: v for k, v in row.items() if k != "seconds"} for row in log(by_two)]
    assert [{k: v for k, v in row.items() if k != "seconds"} for row in log(parts)] == without_time


@pytest.mark.parametrize(("n", "world"), [(8, 2), (7, 2), (7, 3), (2, 2)])
def test_every_image_of_a_batch_is_somebodys_and_nobodys_twice(n: int, world: int) -> None:
    images = list(range(n))
    assert [image for rank in range(world) for image in images[own_part(n, rank, world)]] == images


def test_a_batch_in_pieces_is_the_whole_batch_and_no_piece_is_a_single_image() -> None:
    assert pieces([5, 3, 8, 1, 9, 2, 7], 3, world=1) == [([5, 3], False), ([8, 1], False), ([9, 2, 7], True)]
    assert pieces([5, 3, 8], 4, world=1) == [([5, 3, 8], True)]
    assert pieces([5], 2, world=1) == [([5], True)]
    assert pieces([1, 2, 3, 4], 4, world=2) == [([1, 2, 3, 4], True)]


if __name__ == "__main__":  # one of the two workers of the test above
    share_of_the_work(int(sys.argv[1]), sys.argv[2])
