"""The work of `pool_figures` on Python's own pools: `python.py WORKERS ITEMS NANOSECONDS`.

Prints a line for each: its name, a tab, microseconds for an item. One item is one task, as in the pool that it is
measured beside, so that a death could cost no more than one.
"""

import concurrent.futures
import functools
import multiprocessing
import sys
import time


def work(nanoseconds, n):
    start = time.thread_time_ns()
    while time.thread_time_ns() - start < nanoseconds:
        pass
    return 3 * n


def measure(name, items, run):
    run(range(4))  # The processes are there.
    start = time.perf_counter()
    total = sum(run(range(items)))
    taken = time.perf_counter() - start
    if total != sum(3 * n for n in range(items)):
        sys.exit(f"{name}: wrong answers")
    print(f"{name}\t{taken / items * 1e6}")


def main():
    workers, items, nanoseconds = (int(argument) for argument in sys.argv[1:])
    task = functools.partial(work, nanoseconds)
    with concurrent.futures.ProcessPoolExecutor(workers) as pool:
        measure("Python, ProcessPoolExecutor.map", items, lambda inputs: pool.map(task, inputs))
    with multiprocessing.Pool(workers) as pool:
        measure("Python, multiprocessing.Pool.imap", items, lambda inputs: pool.imap_unordered(task, inputs))


if __name__ == "__main__":
    main()
