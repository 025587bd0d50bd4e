import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from manako.models.shapes_only import MultiplyAdds, NoStartingValues, QuickNorms
from manako.models.zoo import create_without_values


class Outputs(TorchDispatchMode):
    """Shapes and order in memory of all that was given by the operations called `name`."""

    def __init__(self, name):
        super().__init__()
        self.name, self.shapes = name, []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if self.name in func.overloadpacket.__name__:
            self.shapes.append([(tuple(one.shape), one.stride()) for one in result])
        return result


NORMS = {
    "batch norm that learns": ("batch_norm", nn.BatchNorm2d(6)),
    "batch norm": ("batch_norm", nn.BatchNorm2d(6).eval()),
    "batch norm of volumes": ("batch_norm", nn.BatchNorm3d(6)),
    "without weights": ("batch_norm", nn.BatchNorm2d(6, affine=False)),
    "without statistics": ("batch_norm", nn.BatchNorm2d(6, track_running_stats=False).eval()),
    "layer norm": ("layer_norm", nn.LayerNorm(5)),
    "layer norm of two sides": ("layer_norm", nn.LayerNorm((5, 5))),
}


@pytest.mark.parametrize("order", ["as made", "permuted"])
@pytest.mark.parametrize(("operation", "norm"), NORMS.values(), ids=NORMS)
def test_norms_say_the_shapes_that_torch_says(operation, norm, order):
    norm = norm.to("meta")
    x = torch.zeros((2, 6, *(5,) * (3 if "3d" in type(norm).__name__ else 2)), device="meta")
    if order == "permuted":
        x = x.movedim(1, -1).contiguous().movedim(-1, 1)
    with Outputs(operation) as theirs:
        norm(x)
    with QuickNorms(), Outputs(operation) as ours:
        norm(x)
    assert ours.shapes == theirs.shapes != []


def test_norms_with_values_are_computed():
    x = torch.randn(2, 3, 4, 4)
    norm = nn.BatchNorm2d(3)
    expected = F.batch_norm(x, None, None, training=True)
    with QuickNorms():
        assert torch.equal(norm(x), expected)


def test_only_starting_values_are_left_out():
    with NoStartingValues():
        weights = torch.full((2, 2), 7.0)
        nn.init.kaiming_uniform_(weights)
        nn.init.constant_(tensor=weights, val=3.0)
        weights.normal_().zero_()
        assert torch.equal(weights + 1, torch.full((2, 2), 8.0))
    assert nn.init.zeros_(weights).sum() == 0


@pytest.mark.parametrize("name", ["densenet121", "vit_b_32", "swin_t", "poolformer_s12"])
def test_multiply_adds_are_those_of_torchs_own_counter(name):
    network, images = create_without_values(name), torch.zeros(1, 3, 224, 224, device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as theirs:
        network(images)
    ours = MultiplyAdds()
    with torch.no_grad(), ours, QuickNorms():
        network(images)
    assert ours.count == theirs.get_total_flops() // 2 > 1e8
