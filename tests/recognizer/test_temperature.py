import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from torch.nn import functional as F

from manako.errors import DataError, NumericError, ShapeError
from manako.recognizer import temperature
from manako.recognizer.temperature import fit_label_temperature, fit_temperature


def class_case(pictures, classes, warmth, seed):
    """Logits and labels for which the best temperature is about `warmth`."""
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(pictures, classes, generator=generator)
    shares = torch.softmax(logits / warmth, dim=1)
    return logits, torch.multinomial(shares, 1, generator=generator)[:, 0]


def label_case(pictures, classes, warmth, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(pictures, classes, generator=generator)
    return logits, torch.rand(logits.shape, generator=generator) < torch.sigmoid(logits / warmth)


def best(loss):
    found = minimize_scalar(loss, bounds=(0.05, 20), method="bounded", options={"xatol": 1e-10})
    return found.x


@pytest.mark.parametrize("warmth", [0.3, 1.0, 2.5, 8.0])
@pytest.mark.parametrize("classes", [2, 10])
def test_the_temperature_is_the_one_a_search_over_all_of_them_finds(warmth, classes):
    logits, labels = class_case(400, classes, warmth, classes)

    found = fit_temperature(logits, labels)

    def loss(value):
        return float(F.cross_entropy(logits.double() / value, labels))

    assert found == pytest.approx(best(loss), rel=1e-5)
    assert loss(found) <= loss(1.0)
    moved = logits.double() + torch.linspace(-50, 50, 400)[:, None]  # says nothing of a class
    assert fit_temperature(moved, labels) == pytest.approx(found, rel=1e-9)


@pytest.mark.parametrize("warmth", [0.3, 1.0, 2.5, 8.0])
def test_the_temperature_of_labels_is_the_one_a_search_finds(warmth):
    logits, shown = label_case(100, 5, warmth, 0)

    found = fit_label_temperature(logits, shown)

    def loss(value):
        return float(F.binary_cross_entropy_with_logits(logits.double() / value, shown.double()))

    assert found == pytest.approx(best(loss), rel=1e-5)


def test_many_pictures_are_cut_into_blocks_and_give_the_same(monkeypatch):
    logits, labels = class_case(100, 7, 2.0, 0)
    shown = F.one_hot(labels, 7).bool()
    whole = fit_temperature(logits, labels), fit_label_temperature(logits, shown)

    monkeypatch.setattr(temperature, "BLOCK_ELEMENTS", 21)

    assert (fit_temperature(logits, labels), fit_label_temperature(logits, shown)) == pytest.approx(
        whole, rel=1e-9
    )


@pytest.mark.parametrize(
    ("choose", "expected"), [(torch.argmax, 0.05), (torch.argmin, 20.0)]
)  # all right: the surer the better; all wrong: the less sure the better
def test_the_temperature_stays_within_its_bounds(choose, expected):
    logits, _ = class_case(50, 4, 1.0, 3)
    labels = choose(logits, dim=1)

    assert fit_temperature(logits, labels) == pytest.approx(expected)
    shown = logits > 0 if choose is torch.argmax else logits <= 0
    assert fit_label_temperature(logits, shown) == pytest.approx(expected)


def test_where_no_temperature_is_better_there_is_none():
    labels = torch.tensor([0, 1, 1])

    assert fit_temperature(torch.zeros(3, 2), labels) == 1
    assert fit_label_temperature(torch.zeros(3, 2), F.one_hot(labels).bool()) == 1


def test_large_logits_do_not_overflow():
    logits = torch.tensor([[1e30, 0.0], [0.0, 1e30], [1e30, 0.0]])

    found = fit_temperature(logits, torch.tensor([0, 1, 1]))
    of_labels = fit_label_temperature(logits, torch.tensor([[1, 0], [1, 0], [1, 0]]).bool())

    assert np.isfinite([found, of_labels]).all()
    assert found == of_labels == 20


def test_what_does_not_fit_is_refused():
    two = torch.zeros(2, 3)

    with pytest.raises(ShapeError, match=r"logits must have shape \(N, K\), not \(0, 3\)"):
        fit_temperature(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64))
    with pytest.raises(ShapeError, match=r"2 rows of logits came with labels of shape \(3,\)"):
        fit_temperature(two, torch.tensor([0, 1, 2]))
    with pytest.raises(ShapeError, match=r"shape \(2, 3\) came with labels of \(2, 2\)"):
        fit_label_temperature(two, torch.zeros(2, 2, dtype=torch.bool))
    with pytest.raises(DataError, match="labels from 0 to 3 for 3 classes"):
        fit_temperature(two, torch.tensor([0, 3]))
    with pytest.raises(NumericError, match="logits are not all finite numbers"):
        fit_temperature(two + float("nan"), torch.tensor([0, 1]))
