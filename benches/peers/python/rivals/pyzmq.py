"""pyzmq: PUSH and PULL over ipc; long messages without a copy on either side of the library."""

import zmq


class End:
    def __init__(self, trial, is_lead):
        self.context = zmq.Context()
        self.copy = trial.bytes < 1 << 16
        mark = 1000 if trial.bytes <= 4096 else max(16, trial.depth)
        ways = ["up"] if trial.one_way else ["up", "down"]
        self.out = self.source = None
        for way in ways:
            sends = is_lead == (way == "down")
            socket = self.context.socket(zmq.PUSH if sends else zmq.PULL)
            socket.set_hwm(mark)
            address = f"ipc://{trial.folder}/{way}"
            if is_lead:
                socket.bind(address)
            else:
                socket.connect(address)
            if sends:
                self.out = socket
            else:
                self.source = socket

    def send(self, data):
        self.out.send(data, copy=self.copy)

    def flush(self):
        pass

    def messages(self):
        receive = self.source.recv
        if self.copy:
            while True:
                yield receive()
        while True:
            yield receive(copy=False).buffer
