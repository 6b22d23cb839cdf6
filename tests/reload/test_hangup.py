"""SIGHUP, between start and stop and not a moment longer."""

import os
import signal
import threading
from collections.abc import Callable

import pytest

from byok.reload import hangup
from byok.reload.hangup import HangUp


class AtOnce:
    """A reactor that calls at once."""

    def callFromThread(self, callback: Callable[[], None]) -> None:
        callback()


@pytest.fixture
def heard() -> list[str]:
    return []


@pytest.fixture
def hang_up(heard: list[str]) -> HangUp:
    return HangUp(
        AtOnce(), wish=lambda: heard.append("wish"), end=lambda: heard.append("end")
    )


def send() -> None:
    os.kill(os.getpid(), signal.SIGHUP)


def test_a_signal_is_a_wish_and_what_was_there_comes_back(
    hang_up: HangUp, heard: list[str]
):
    before = signal.getsignal(signal.SIGHUP)

    hang_up.start()
    send()
    hang_up.stop()

    assert heard == ["wish"]
    assert signal.getsignal(signal.SIGHUP) == before


def test_a_terminal_that_hung_up_ends_it(
    hang_up: HangUp, heard: list[str], monkeypatch: pytest.MonkeyPatch
):
    there = [True, False]
    monkeypatch.setattr(hangup, "_has_terminal", lambda: there.pop(0))

    hang_up.start()
    send()
    hang_up.stop()

    assert heard == ["end"]


def test_under_nohup_it_outlives_its_terminal(
    hang_up: HangUp, heard: list[str], monkeypatch: pytest.MonkeyPatch
):
    there = [True, False]
    monkeypatch.setattr(hangup, "_has_terminal", lambda: there.pop(0))
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)

    hang_up.start()
    send()
    hang_up.stop()

    assert heard == ["wish"]
    assert signal.signal(signal.SIGHUP, before) == signal.SIG_IGN


def test_outside_the_main_thread_nothing_is_touched(hang_up: HangUp):
    before = signal.getsignal(signal.SIGHUP)

    other = threading.Thread(target=hang_up.start)
    other.start()
    other.join()
    hang_up.stop()

    assert signal.getsignal(signal.SIGHUP) == before
