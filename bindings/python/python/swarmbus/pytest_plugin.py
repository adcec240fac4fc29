"""Fixtures for tests that need a bus: a temporary one, which is gone when the test is, also when it fails.

pytest finds them by itself once swarmbus is installed.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ._swarmbus import Bus

_numbers = itertools.count()


@pytest.fixture
def swarmbus_factory() -> Iterator[Callable[..., Bus]]:
    """Makes temporary buses; the options are those of ``Bus.create``."""
    # Not at the top: every run of pytest loads this file, and few need a bus.
    import swarmbus

    made: list[Bus] = []

    def make(**options: object) -> Bus:
        name = f"pytest-{os.getpid()}-fixture-{next(_numbers)}"
        made.append(swarmbus.Bus.create(name, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for bus in made:
        with contextlib.suppress(swarmbus.Error):
            bus.destroy()


@pytest.fixture
def swarmbus_bus(swarmbus_factory: Callable[..., Bus]) -> Bus:
    """A temporary bus of 64 MiB."""
    return swarmbus_factory(agents=256, heap="64MiB")
