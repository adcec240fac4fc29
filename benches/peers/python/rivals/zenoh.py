"""zenoh between two peers; from 64 KiB up through its shared memory."""

import contextlib
import os
import time

import zenoh
import zenoh.shm


class End:
    def __init__(self, trial, is_lead):
        zenoh.init_log_from_env_or("error")
        self.trial = trial
        endpoint = f'["tcp/127.0.0.1:{trial.port}"]'
        config = zenoh.Config()
        config.insert_json5("mode", '"peer"')
        config.insert_json5("scouting/multicast/enabled", "false")
        config.insert_json5("transport/shared_memory/enabled", "true" if trial.bytes >= 1 << 16 else "false")
        config.insert_json5("listen/endpoints" if is_lead else "connect/endpoints", endpoint)
        if is_lead:
            config.insert_json5("connect/endpoints", "[]")
        else:
            config.insert_json5("listen/endpoints", "[]")
        self.session = zenoh.open(config)
        to, self.key = ("down", "up") if is_lead else ("up", "down")
        self.publisher = None
        if not (trial.one_way and is_lead):
            block = zenoh.CongestionControl.BLOCK
            self.publisher = self.session.declare_publisher(to, congestion_control=block, express=not trial.one_way)
        self.subscriber = None
        if is_lead or not trial.one_way:
            handler = zenoh.handlers.FifoChannel(trial.depth)
            self.subscriber = self.session.declare_subscriber(self.key, handler)
        self.shared = None
        if trial.bytes >= 1 << 16:
            self.shared = zenoh.shm.ShmProvider.default_backend(trial.bytes * max(16, trial.depth * 2))
            collect = zenoh.shm.GarbageCollect(zenoh.shm.JustAlloc())
            self.policy = zenoh.shm.BlockOn(zenoh.shm.Defragment(collect))

    def settle(self):
        until = time.monotonic() + 10
        while self.publisher and not self.publisher.matching_status.matching:
            if time.monotonic() > until:
                raise TimeoutError("the other side has not come")
            time.sleep(0.005)

    def send(self, data):
        if self.shared:
            room = self.shared.alloc(len(data), self.policy)
            room[0 : len(data)] = data
            data = room
        self.publisher.put(data)

    def flush(self):
        pass

    def close(self):
        """Takes away its files in shared memory, whose names are its own choice: it leaves them lying."""
        with open("/proc/self/maps") as maps:
            mapped = {line.split(maxsplit=5)[5].rstrip() for line in maps if ".zenoh" in line}
        for path in mapped:
            with contextlib.suppress(FileNotFoundError):
                os.remove(path)

    def messages(self):
        receive = self.subscriber.recv
        while True:
            # Its package shows shared memory only as a copy.
            yield bytes(receive().payload)
