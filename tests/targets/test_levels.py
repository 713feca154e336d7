"""Maps coarser than the grid: the same places on each, and their product."""

import pytest
import torch
from torch.nn import functional

from radmark.config import LabelConfig
from radmark.targets.levels import combine, on_grid, on_map
from radmark.targets.objectives import objective


@pytest.mark.parametrize("stride", [1, 2, 4, 8])
def test_a_point_on_a_map_lies_on_the_pixel_that_pooling_lights(stride: int) -> None:
    grid = torch.zeros(1, 1, 16, 16)
    grid[0, 0, stride : 2 * stride, 0:stride] = 1.0  # rows, columns: the second map pixel down
    centre = torch.tensor([(stride - 1) / 2, stride + (stride - 1) / 2])
    pooled = functional.avg_pool2d(grid, stride)[0, 0]
    (lit,) = pooled.nonzero().tolist()
    assert on_map(centre, stride).tolist() == [lit[1], lit[0]]
    assert on_grid(on_map(centre, stride), stride).tolist() == centre.tolist()


def test_of_two_peaks_of_the_finest_map_the_one_the_coarser_map_knows_wins() -> None:
    fine = torch.zeros(1, 1, 32, 32)
    fine[0, 0, 5, 6], fine[0, 0, 20, 25] = 4.0, 4.5  # the wrong one is a little higher
    coarse = torch.full((1, 1, 8, 8), -5.0)
    coarse[0, 0, 1, 1] = 5.0  # pixels 4 to 7 of the fine map
    softmax = objective(LabelConfig("softmax"))
    alone, _ = softmax.read(combine([fine]), decoder="argmax", radius=1)
    both, _ = softmax.read(combine([fine, coarse]), decoder="argmax", radius=1)
    assert alone.tolist() == [[[25.0, 20.0]]]
    assert both.tolist() == [[[6.0, 5.0]]]


def test_coarser_maps_are_laid_over_finer_ones_edge_on_edge() -> None:
    coarse = torch.zeros(1, 1, 4, 4)
    coarse[0, 0, 2, 1] = 6.0
    finest = combine([torch.zeros(1, 1, 16, 16), torch.zeros(1, 1, 8, 8), coarse])
    weights = finest.clamp(min=0.0)
    along = torch.arange(16.0)
    x = (weights[0, 0].sum(0) * along).sum() / weights.sum()
    y = (weights[0, 0].sum(1) * along).sum() / weights.sum()
    middle = on_grid(torch.tensor([1.0, 2.0]), 4)
    assert torch.allclose(torch.stack([x, y]), middle, atol=1e-4)
