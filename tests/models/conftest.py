"""Networks of every name, quickly: made without values, then filled in one pass."""

import pytest
import torch

from manako.models.zoo import MODELS


def _fill(model):
    generator = torch.Generator().manual_seed(0)
    for name, tensor in model.state_dict().items():
        if tensor.ndim > 1:
            tensor.normal_(std=(1 / tensor[0].numel()) ** 0.5, generator=generator)
        elif not tensor.is_floating_point():
            tensor.zero_()
        elif name.endswith(("weight", "var")):
            tensor.uniform_(0.8, 1.2, generator=generator)
        else:
            tensor.uniform_(-0.1, 0.1, generator=generator)
    return model


@pytest.fixture(scope="session")
def build():
    """build(name, num_classes, in_channels, **options) -> a network filled with random values."""

    def make(name, num_classes=5, in_channels=3, **options):
        with torch.device("meta"):
            model = MODELS[name].build(num_classes=num_classes, in_channels=in_channels, **options)
        return _fill(model.to_empty(device="cpu"))

    return make


@pytest.fixture(scope="session")
def random_images():
    """random_images(count, channels, height, width) -> float32, normalised, always the same."""

    def make(*shape, seed=0):
        return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))

    return make
