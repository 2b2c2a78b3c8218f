"""Measures calls through multiprocessing: an order a line, `kind what bytes calls pause_us`, answered by the median in us.

Every reply is checked. `what` is `ask` (a digest comes back) or `echo`.
"""

import multiprocessing
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.managers import BaseManager


def digest(payload):
    first = int.from_bytes(payload[:8], "little")
    last = int.from_bytes(payload[-8:], "little")
    return len(payload) + first + 3 * last


def answer(what, payload):
    return digest(payload) if what == "ask" else payload


def serve(connection):
    while True:
        what, payload = connection.recv()
        connection.send(answer(what, payload))


class Answerer:
    def answer(self, what, payload):
        return answer(what, payload)


class Manager(BaseManager):
    pass


Manager.register("Answerer", Answerer)


def start(kind):
    if kind == "pipe":
        ours, theirs = multiprocessing.Pipe()
        multiprocessing.Process(target=serve, args=(theirs,), daemon=True).start()

        def call(what, payload):
            ours.send((what, payload))
            return ours.recv()

        return call
    if kind == "manager":
        manager = Manager()
        manager.start()
        proxy = manager.Answerer()
        call = lambda what, payload: proxy.answer(what, payload)
        call.keep = manager
        return call
    pool = ProcessPoolExecutor(max_workers=1)
    return lambda what, payload: pool.submit(answer, what, payload).result()


def main():
    calls = {}
    number = 0
    for line in sys.stdin:
        if line.strip() == "end":
            return
        kind, what, size, count, pause_us = line.split()
        if kind not in calls:
            calls[kind] = start(kind)
        call = calls[kind]
        payload = bytearray(int(size))
        times = []
        for turn in range(int(count) + 8):
            number += 1
            payload[:8] = number.to_bytes(8, "little")
            payload[-8:] = number.to_bytes(8, "little")
            sent = bytes(payload)
            if int(pause_us):
                time.sleep(int(pause_us) / 1e6)
            begin = time.perf_counter()
            reply = call(what, sent)
            times.append(time.perf_counter() - begin)
            if reply != answer(what, sent):
                print("a wrong answer", flush=True)
                return
        print(statistics.median(times[8:]) * 1e6, flush=True)


if __name__ == "__main__":
    main()
