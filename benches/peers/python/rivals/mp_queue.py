"""multiprocessing.Queue: one for each way, bytes objects pickled by its feeder thread."""

import multiprocessing


class End:
    def __init__(self, out, source):
        self.out, self.source = out, source

    def send(self, data):
        self.out.put(data)

    def flush(self):
        # A process that ends waits for its feeder.
        self.out.close()
        self.out.join_thread()

    def messages(self):
        receive = self.source.get
        while True:
            yield receive()


def pair(trial):
    context = multiprocessing.get_context("fork")
    up, down = context.Queue(trial.depth), context.Queue(trial.depth)
    return End(down, up), End(up, down)
