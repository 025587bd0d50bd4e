import pytest
from pydantic import ValidationError

from manako.config.signal_form import SignalForm


@pytest.mark.parametrize(
    ("kind", "size"),
    [("waveform", (8, 8)), ("log-mel", (8,)), ("series", (8, 8)), ("volume", (8, 8))],
)
def test_a_form_has_as_many_sides_as_its_kind(kind, size):
    with pytest.raises(ValidationError, match=f"{kind} has . sides, and size {len(size)}"):
        SignalForm(kind=kind, channels=1, size=size)


@pytest.mark.parametrize("rate_hz", [0.0, -1.0, float("inf"), float("nan")])
def test_a_rate_is_a_number_above_zero(rate_hz):
    with pytest.raises(ValidationError, match="rate_hz"):
        SignalForm(kind="waveform", channels=1, size=(8,), rate_hz=rate_hz)
