"""What all tests share: a cache of their own, and no deadline on a busy machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("manako", deadline=None)
settings.load_profile("manako")


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_tests(tmp_path_factory) -> Iterator[None]:
    """Tests neither read nor fill the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MANAKO_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """The path of a real data set by its file name.

    The sets lie in MANAKO_DATA, by default `shared/data` beside the repository. Without them a test
    is skipped, but not on the machine that judges every change.
    """
    root = Path(os.environ.get("MANAKO_DATA", Path(__file__).parents[2] / "shared" / "data"))

    def find(name: str) -> Path:
        path = root / name
        if not path.exists():
            reason = f"{path} is missing; MANAKO_DATA names the folder of the data sets"
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
        return path

    return find
