"""Pipes of 1 MiB by os.read and os.write; short messages are read many at once."""

import contextlib
import fcntl
import os


def opened(path):
    with contextlib.suppress(FileExistsError):
        os.mkfifo(path)
    pipe = os.open(path, os.O_RDWR)
    fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 1 << 20)
    return pipe


class End:
    def __init__(self, trial, is_lead):
        self.length = trial.bytes
        up = opened(f"{trial.folder}/up")
        down = None if trial.one_way else opened(f"{trial.folder}/down")
        self.out, self.source = (down, up) if is_lead else (up, down)

    def send(self, data):
        written = os.write(self.out, data)
        while written < self.length:
            written += os.write(self.out, memoryview(data)[written:])

    def flush(self):
        pass

    def messages(self):
        return self.long() if self.length >= 1 << 15 else self.short()

    def short(self):
        source, length, rest = self.source, self.length, b""
        while True:
            data = rest + os.read(source, 1 << 16) if rest else os.read(source, 1 << 16)
            whole = len(data) // length * length
            for at in range(0, whole, length):
                yield data[at : at + length]
            rest = data[whole:]

    def long(self):
        source, buffer = self.source, memoryview(bytearray(self.length))
        while True:
            filled = 0
            while filled < self.length:
                filled += os.readv(source, [buffer[filled:]])
            yield buffer
