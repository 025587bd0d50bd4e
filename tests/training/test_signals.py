import os
import signal

import pytest

from manako.training.signals import StopRequest


@pytest.fixture(autouse=True)
def usual_interrupt():
    """Ctrl-C as in a shell's foreground, also where the tests run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_noted_and_the_handlers_come_back(number):
    before = signal.getsignal(number)

    with StopRequest() as stop:
        assert stop.received is None
        os.kill(os.getpid(), number)

    assert stop.received == number.name
    assert signal.getsignal(number) is before


def test_a_second_interrupt_acts_at_once():
    with pytest.raises(KeyboardInterrupt), StopRequest():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)


def test_the_handlers_come_back_after_an_error():
    before = signal.getsignal(signal.SIGTERM)

    with pytest.raises(ValueError, match="on purpose"), StopRequest():
        raise ValueError("on purpose")

    assert signal.getsignal(signal.SIGTERM) is before
