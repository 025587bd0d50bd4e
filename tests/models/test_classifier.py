import pytest
import torch
from torch import nn

from manako.errors import UsageError
from manako.models.classifier import Classifier
from manako.models.protocols import ClassRows, WholeModel


class TwoMaps(nn.Module):
    least_side = 3
    first_convolution = "none"

    def __init__(self):
        super().__init__()
        self.channels = {8: 4, 2: 3}

    def forward(self, images):
        return {2: images, 8: torch.cat([images, images[:, :1]], 1) * 2}


def test_logits_are_a_linear_function_of_the_mean_of_the_deepest_map():
    model = Classifier(TwoMaps(), num_classes=5)
    images = torch.randn(2, 3, 6, 7, generator=torch.Generator().manual_seed(0))

    logits = model(images)

    deepest = torch.cat([images, images[:, :1]], 1) * 2
    means = deepest.sum((2, 3)) / 42
    torch.testing.assert_close(logits, means @ model.head.weight.T + model.head.bias)


def test_the_rows_of_the_head_are_the_classes():
    model = Classifier(TwoMaps(), num_classes=5)

    assert isinstance(model, WholeModel)
    assert model.least_side == 3
    assert model.class_rows() == {"head.weight": ClassRows(), "head.bias": ClassRows()}
    assert model.head.weight.shape == (5, 4)


@pytest.mark.parametrize("dropout", [-0.1, 1.0])
def test_a_dropout_that_cannot_be_is_refused(dropout):
    with pytest.raises(UsageError, match=f"dropout must be 0 or more and below 1, not {dropout}"):
        Classifier(TwoMaps(), 5, dropout=dropout)


def test_norms_stand_before_and_after_the_mean_and_dropout_before_the_head():
    model = Classifier(
        TwoMaps(), 5, map_norm=nn.GroupNorm(1, 4), mean_norm=nn.LayerNorm(4), dropout=0.5
    )
    generator = torch.Generator().manual_seed(0)
    for tensor in model.parameters():
        tensor.data.uniform_(0.5, 1.5, generator=generator)
    images = torch.randn(2, 3, 6, 7, generator=generator)

    logits = model.eval()(images)
    torch.manual_seed(0)
    trained = model.train()(images)

    deepest = torch.cat([images, images[:, :1]], 1) * 2
    mean = model.mean_norm(model.map_norm(deepest).mean((2, 3)))
    torch.testing.assert_close(logits, model.head(mean))
    torch.manual_seed(0)
    left = torch.nn.functional.dropout(mean, 0.5)
    torch.testing.assert_close(trained, model.head(left))
    assert (left == 0).any()
