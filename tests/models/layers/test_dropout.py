import pytest
import torch

from manako.errors import UsageError
from manako.models.layers.dropout import Dropout


def test_a_share_is_left_out_in_training_and_the_rest_is_enlarged():
    torch.manual_seed(0)
    ones = torch.ones(10_000)

    found = Dropout(0.2).train()(ones)

    assert set(found.tolist()) == {0.0, 1.25}
    assert (found == 0).float().mean().item() == pytest.approx(0.2, abs=0.02)
    assert torch.equal(Dropout(0.2).eval()(ones), ones)


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_share_that_cannot_be_is_refused(share):
    with pytest.raises(UsageError, match="dropout must be 0 or more and below 1, not"):
        Dropout(share)
