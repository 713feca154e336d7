"""Several processes that train one model: who they are, and one batch's statistics over all of them.

Each process takes its share of every batch; what it computes is what one process would compute of the whole batch, but for the
order of sums. So a run of two processes and one of one with the same batch size are the same run.
"""

import os
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

_T = TypeVar("_T")


def launched() -> tuple[int, int]:
    """(processes on each machine, machines), as `torchrun` or SLURM's `srun` started them; (1, 1) without either."""
    of = os.environ
    if "LOCAL_WORLD_SIZE" in of and "WORLD_SIZE" in of:  # torchrun
        here = int(of["LOCAL_WORLD_SIZE"])
        return here, int(of["WORLD_SIZE"]) // here
    if int(of.get("SLURM_NTASKS", "1")) > 1 and "SLURM_PROCID" in of:
        machines = int(of.get("SLURM_NNODES", "1"))
        return int(of["SLURM_NTASKS"]) // machines, machines
    return 1, 1


def own_part(n: int, rank: int, world: int) -> slice:
    """Which of a batch's `n` images process `rank` of `world` takes; sizes differ by one at most."""
    return slice(rank * n // world, (rank + 1) * n // world)


def gather_lists(own: list[_T]) -> list[_T]:
    """Every process's list, one after the other, on every process."""
    if not dist.is_initialized():
        return own
    parts: list[list[_T] | None] = [None] * dist.get_world_size()
    dist.all_gather_object(parts, own)
    return [item for part in parts if part is not None for item in part]


def share_batch_statistics(net: nn.Module, device: torch.device) -> None:
    """Let batch normalisation see the whole batch, not one process's share of it. Names of tensors stay as they are."""
    for parent in list(net.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.BatchNorm2d:
                cuda = device.type == "cuda"
                setattr(parent, name, nn.SyncBatchNorm.convert_sync_batchnorm(child) if cuda else _share(child))


def _share(norm: nn.BatchNorm2d) -> nn.BatchNorm2d:
    shared = SharedBatchNorm(norm.num_features, norm.eps, norm.momentum).to(norm.weight)
    shared.load_state_dict(norm.state_dict())
    return shared


class _Sum(torch.autograd.Function):
    """The sum over all processes; so each one's gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:  # noqa: ARG004  torch's own signature
        total = own.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # noqa: ARG004
        return _Sum.forward(None, gradients[0])


def _sum_over_all(own: Tensor) -> Tensor:
    return _Sum.apply(own)


class SharedBatchNorm(nn.BatchNorm2d):
    """Batch normalisation over the images of all processes, on devices that torch's own `SyncBatchNorm` does not serve.

    Sums travel, not means: processes may hold different numbers of images.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  torch's own name
        """(B, C, H, W) -> the same shape."""
        if not (self.training and dist.is_initialized()):
            return super().forward(input)
        c = input.shape[1]
        whole = input.to(self.weight.dtype)  # sums of half precision would lose digits
        count = whole.new_tensor([whole.numel() / c])
        dist.all_reduce(count)
        mean = _sum_over_all(whole.sum(dim=(0, 2, 3))) / count
        centred = whole - mean.view(1, c, 1, 1)
        # The mean first, then the squares about it: E[x^2] - E[x]^2 would lose the digits that matter.
        variance = _sum_over_all(centred.square().sum(dim=(0, 2, 3))) / count
        with torch.no_grad():
            self.num_batches_tracked += 1  # pyright: ignore[reportOperatorIssue]
            share = self.momentum or 0.0
            self.running_mean.lerp_(mean, share)  # pyright: ignore[reportOptionalMemberAccess]
            self.running_var.lerp_(variance * count / (count - 1), share)  # pyright: ignore[reportOptionalMemberAccess]
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (centred * scale.view(1, c, 1, 1) + self.bias.view(1, c, 1, 1)).to(input.dtype)
