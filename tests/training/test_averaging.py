import torch
from torch import nn

from manako.training.averaging import WeightAverage


def test_the_average_follows_its_formula_for_parameters_and_statistics():
    model = nn.BatchNorm1d(2)
    average = WeightAverage(model, decay=0.5)
    expected_weight, expected_mean = torch.ones(2), torch.zeros(2)

    for update in range(1, 30):
        with torch.no_grad():
            model.weight.fill_(float(update))
        model(torch.full((3, 2), float(update)) + torch.tensor([[0.0], [1.0], [2.0]]))
        average.update(model)
        decay = min(0.5, (1 + update) / (10 + update))
        expected_weight = decay * expected_weight + (1 - decay) * update
        expected_mean = decay * expected_mean + (1 - decay) * model.running_mean

    torch.testing.assert_close(average.model.weight.detach(), expected_weight)
    torch.testing.assert_close(average.model.running_mean, expected_mean)
    assert average.model.num_batches_tracked == model.num_batches_tracked == 29


def test_the_average_is_a_network_of_its_own_that_is_not_trained():
    model = nn.Linear(2, 2)

    average = WeightAverage(model, decay=0.9)
    with torch.no_grad():
        model.weight.fill_(7.0)

    assert not torch.equal(average.model.weight, model.weight)
    assert not any(parameter.requires_grad for parameter in average.model.parameters())
    assert all(parameter.requires_grad for parameter in model.parameters())
