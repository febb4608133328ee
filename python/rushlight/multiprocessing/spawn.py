"""Functions run by several processes, and the exceptions that tell how one of them failed."""

from __future__ import annotations

import ctypes
import multiprocessing
import multiprocessing.connection
import os
import pickle
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable


class ProcessException(Exception):
    """A process failed. ``error_index``: which one; ``error_pid``: its id."""

    def __init__(self, msg: str, error_index: int, pid: int) -> None:
        super().__init__(msg)
        self.msg = msg
        self.error_index = error_index
        self.error_pid = self.pid = pid

    def __reduce__(self) -> tuple:
        return type(self), (self.msg, self.error_index, self.pid)


class ProcessRaisedException(ProcessException):
    """The function of a process raised; the text has its traceback."""

    def __init__(self, msg: str, error_index: int, error_pid: int) -> None:
        super().__init__(msg, error_index, error_pid)


class ProcessExitedException(ProcessException):
    """A process ended by a signal or with another exit code than 0."""

    def __init__(
        self, msg: str, error_index: int, error_pid: int, exit_code: int, signal_name: str | None = None
    ) -> None:
        super().__init__(msg, error_index, error_pid)
        self.exit_code = exit_code
        self.signal_name = signal_name

    def __reduce__(self) -> tuple:
        return type(self), (self.msg, self.error_index, self.pid, self.exit_code, self.signal_name)


def _end_with_parent() -> None:
    """Has the system interrupt this process when the one that started it dies."""
    set_death_signal = 1
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(set_death_signal, signal.SIGINT)


def _run(fn: Callable, index: int, args: tuple, error_file: str) -> None:
    _end_with_parent()
    try:
        fn(index, *args)
    except KeyboardInterrupt:
        pass  # the parent has been interrupted, too
    except Exception:
        with open(error_file, "wb") as file:
            pickle.dump(traceback.format_exc(), file)
        sys.exit(1)


class ProcessContext:
    """The processes that start_processes() started."""

    def __init__(self, processes: list, error_files: list[str]) -> None:
        self.processes = processes
        self.error_files = error_files
        self.sentinels = {process.sentinel: index for index, process in enumerate(processes)}

    def pids(self) -> list[int]:
        """The ids of the processes."""
        return [int(process.pid) for process in self.processes]

    def join(self, timeout: float | None = None, grace_period: float | None = None) -> bool:
        """Waits for processes to end; whether all have.

        Where one has failed, the others get ``grace_period`` seconds to end by themselves and are terminated then, and
        ProcessRaisedException or ProcessExitedException tells what happened.
        """
        ready = multiprocessing.connection.wait(list(self.sentinels), timeout=timeout) if self.sentinels else []
        failed = None
        for sentinel in ready:
            index = self.sentinels.pop(sentinel)
            process = self.processes[index]
            process.join()
            if process.exitcode != 0:
                failed = index
                break
        if failed is None:
            if not self.sentinels:
                self._forget_files()
            return not self.sentinels
        self._end_others(grace_period)
        try:
            self._raise(failed)
        finally:
            self._forget_files()

    def _end_others(self, grace_period: float | None) -> None:
        def wait(seconds: float) -> None:
            end = time.monotonic() + seconds
            for process in self.processes:
                process.join(max(0.0, end - time.monotonic()))

        if grace_period is not None:
            wait(grace_period)
        for process in self.processes:
            if process.is_alive():
                process.terminate()
        wait(30.0)
        for process in self.processes:
            if process.is_alive():
                process.kill()
            process.join()

    def _raise(self, index: int) -> None:
        process, file = self.processes[index], self.error_files[index]
        if os.path.exists(file) and os.path.getsize(file):
            with open(file, "rb") as opened:
                text = pickle.load(opened)
            message = f"\n\n-- Process {index} terminated with the following error:\n{text}"
            raise ProcessRaisedException(message, index, process.pid)
        code = process.exitcode
        if code >= 0:
            raise ProcessExitedException(f"process {index} terminated with exit code {code}", index, process.pid, code)
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"<Unknown signal {-code}>"
        raise ProcessExitedException(
            f"process {index} terminated with signal {name}", index, process.pid, code, signal_name=name
        )

    def _forget_files(self) -> None:
        for file in self.error_files:
            if os.path.exists(file):
                os.unlink(file)


class SpawnContext(ProcessContext):
    """The old name of ProcessContext."""

    def __init__(self, processes: list, error_files: list[str]) -> None:
        warnings.warn("SpawnContext is renamed to ProcessContext since 1.4 release.", stacklevel=2)
        super().__init__(processes, error_files)


def start_processes(
    fn: Callable,
    args: tuple = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """Runs ``fn(i, *args)`` in a process of its own for every i below ``nprocs``.

    join: waits for all of them, and raises what ProcessContext.join() does; else the ProcessContext is returned.
    """
    context = multiprocessing.get_context(start_method)
    processes, files = [], []
    for index in range(nprocs):
        # The process makes the file where it has to tell of an exception.
        with tempfile.NamedTemporaryFile(prefix="rushlight-errors-", suffix=".pickle", delete=False) as file:
            files.append(file.name)
        process = context.Process(target=_run, args=(fn, index, args, files[-1]), daemon=daemon)
        process.start()
        processes.append(process)
    started = ProcessContext(processes, files)
    if not join:
        return started
    while not started.join():
        pass
    return None


def spawn(
    fn: Callable,
    args: tuple = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """start_processes() by new interpreters, which import the program anew."""
    if start_method != "spawn":
        warnings.warn(
            f"This method only supports start_method=spawn (got: {start_method}).\n"
            "To use a different start_method use:\n\t\t torch.multiprocessing.start_processes(...)",
            FutureWarning,
            stacklevel=2,
        )
    return start_processes(fn, args, nprocs, join, daemon, start_method="spawn")
