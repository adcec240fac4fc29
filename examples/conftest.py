"""Who ends the tests by SIGTERM has them clean up, as Ctrl-C does."""

import signal


def pytest_configure() -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
