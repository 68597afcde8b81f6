#!/usr/bin/python3
"""Sample the memory of an index build; print the peak in bytes at the end.

  memory.py POSTMASTER_PID

Every 100 ms until SIGTERM: the private memory (RssAnon) of all server processes
that create an index or are parallel workers, and the dynamic shared memory
that they map.  Shared buffers do not count.
"""

import os
import re
import signal
import sys
import time

INTERVAL_S = 0.1
BUILDER = re.compile(rb"CREATE INDEX|parallel worker")
SEGMENT = re.compile(r"(/dev/shm/PostgreSQL\.\d+|/\S*/pg_dynshmem/mmap\.\d+)")

running = True


def stop(*_):
    global running
    running = False


def contents(path):
    """Of a file that may be gone by now."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def children(pid):
    return [int(child) for child in
            contents(f"/proc/{pid}/task/{pid}/children").split()]


def private_bytes(pid):
    found = re.search(rb"RssAnon:\s*(\d+) kB", contents(f"/proc/{pid}/status"))
    return int(found.group(1)) * 1024 if found else 0


def segments(pid):
    return SEGMENT.findall(contents(f"/proc/{pid}/maps").decode("latin-1"))


def allocated_bytes(path):
    try:
        return os.stat(path).st_blocks * 512
    except OSError:
        return 0


def sample(postmaster):
    builders = [pid for pid in children(postmaster)
                if BUILDER.search(contents(f"/proc/{pid}/cmdline"))]
    shared = {path for pid in builders for path in segments(pid)}
    return sum(map(private_bytes, builders)) + \
        sum(map(allocated_bytes, shared))


def main():
    signal.signal(signal.SIGTERM, stop)
    peak = 0
    while running:
        peak = max(peak, sample(sys.argv[1]))
        time.sleep(INTERVAL_S)
    print(peak)


if __name__ == "__main__":
    main()
