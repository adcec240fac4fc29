"""multiprocessing.Pipe: one for each way, bytes by send_bytes."""

import multiprocessing


class End:
    def __init__(self, out, source):
        self.out, self.source = out, source

    def send(self, data):
        self.out.send_bytes(data)

    def flush(self):
        pass

    def messages(self):
        receive = self.source.recv_bytes
        while True:
            yield receive()


def pair(trial):
    up_source, up = multiprocessing.Pipe(duplex=False)
    down_source, down = multiprocessing.Pipe(duplex=False)
    return End(down, up_source), End(up, down_source)
