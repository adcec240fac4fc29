"""Who ends the tests by SIGTERM has them clean up, as Ctrl-C does.

Whoever runs them in the background of a shell ignores interrupts; what they start is to notice them.
"""

import signal


def pytest_configure() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
