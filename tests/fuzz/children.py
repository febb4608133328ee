"""Batches of numbered work in child processes that may crash or hang: what they report, and where they died."""

import faulthandler
import json
import mmap
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HANG = 20.0  # seconds without progress
START = 300.0  # the same while the child starts
STARTING = 2


class Worker:
    """Inside a child: says which number is at work, and reports."""

    def __init__(self, report, beat):
        faulthandler.enable()
        self.report = open(report, "a")  # noqa: SIM115
        with open(beat, "r+b") as f:
            self.memory = mmap.mmap(f.fileno(), 9)
        self.memory[8] = 0

    def at(self, number):
        self.memory[:8] = struct.pack("q", number)

    def in_reference(self, inside):
        """What is at work is the library to compare with, whose crashes count apart."""
        self.memory[8] = inside

    def say(self, **entry):
        self.report.write(json.dumps(entry) + "\n")
        self.report.flush()


class Job:
    """One child and the numbers that it still has to do."""

    def __init__(self, script, extra, folder, name, first, last):
        self.script, self.extra, self.last = script, extra, last
        self.report, self.beat, self.errors = (f"{folder}/{name}.{end}" for end in ("json", "beat", "err"))
        self.start(first)

    def start(self, first):
        self.number, self.since = first, time.monotonic()
        Path(self.beat).write_bytes(struct.pack("q", first) + bytes([STARTING]))
        command = [sys.executable, self.script, "--worker", str(first), str(self.last), self.report, self.beat]
        with open(self.errors, "w") as errors:
            self.child = subprocess.Popen(command + self.extra, stderr=errors)

    def poll(self):
        """None while it works, "" when it is done, else how it ended; `number` is where it was."""
        state = Path(self.beat).read_bytes()
        number = struct.unpack("q", state[:8])[0]
        if number != self.number:
            self.number, self.since = number, time.monotonic()
        status = self.child.poll()
        if status is None:
            if time.monotonic() - self.since < (START if state[8] == STARTING else HANG):
                return None
            self.child.send_signal(signal.SIGABRT)  # faulthandler prints where
            time.sleep(0.5)
            self.child.kill()
            self.child.wait()
            return f"no progress for {HANG:.0f} s"
        if status > 0:
            raise RuntimeError(f"the child failed at {self.number}:\n{Path(self.errors).read_text()}")
        return f"signal {-status}{' in the reference' * (state[8] == 1)}" if status else ""


def run(script, first, count, jobs, batch, extra=(), show=print):
    """(what the children reported, [(how, number) of those that died])"""
    folder = tempfile.mkdtemp()
    todo = [(s, min(s + batch, first + count)) for s in range(first, first + count, batch)]
    todo.reverse()
    active, deaths, started = [], [], 0
    while todo or active:
        while todo and len(active) < jobs:
            active.append(Job(script, list(extra), folder, started, *todo.pop()))
            started += 1
        time.sleep(0.02)
        for job in list(active):
            how = job.poll()
            if how is None:
                continue
            if how:
                deaths.append((how, job.number))
                show(f"{job.number}: {how}\n{Path(job.errors).read_text()[-1500:]}")
            if how and job.number + 1 < job.last:
                job.start(job.number + 1)
            else:
                active.remove(job)
    entries = [json.loads(line) for path in Path(folder).glob("*.json") for line in path.read_text().splitlines()]
    return entries, deaths
