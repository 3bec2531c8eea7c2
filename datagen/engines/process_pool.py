"""A process pool over the cores of this machine: each worker is a Python of its own that takes chunks from its pipe.

Workers are started as programs. A fork takes 5 ms of CPU, a program 0.4 s and 50 MB; but by then the driver has threads
and may have torch loaded, which a fork does not survive everywhere. ``forkserver`` and ``spawn`` of ``multiprocessing``
would run the user's script a second time, so that a script without ``if __name__ == "__main__"`` would fail. A worker
loads the text stages and no torch. Its pipe ends when the driver does, however that dies, and then so does the worker.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import queue
import signal
import struct
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from datagen.checks import Check
from datagen.engines.chunks import Job, Task, work_on
from datagen.errors import RunError

CHUNKS_PER_WORKER = 2
"""While a worker has one, the next waits encoded."""
MAX_WORKERS = 8
"""More are not kept busy: of the 2.7 ms that a sample takes until it is written, 0.4 stay in the driver."""
FAREWELL_S = 5.0
_HEAD = struct.Struct("<Q")


class WorkerProcesses:
    """Implements ``chunks.Pool`` by processes of this machine, which are started when there is work for them.

    Args:
        job: Sent to each of them once.
        n_workers: How many there may be.
    """

    def __init__(self, job: Job, n_workers: int) -> None:
        self.n_at_once = CHUNKS_PER_WORKER * n_workers
        self._job, self._n_workers = pickle.dumps(job), n_workers
        self._lock = threading.Lock()
        self._all: list[_Worker] = []
        self._free: queue.LifoQueue[_Worker | None] = queue.LifoQueue()  # None once one is lost
        self._lost = ""

    def work(self, task: Task, chunk: bytes) -> bytes:
        """Have a chunk worked on by the first worker that is free; see ``Pool``."""
        worker = self._take()
        try:
            answer = worker.ask(pickle.dumps(task), chunk)
        except RunError as error:
            self._lost = self._lost or str(error)
            self._free.put(None)  # or who waits would wait for ever, where all are lost
            raise
        self._free.put(worker)
        if isinstance(answer, bytes):
            return answer
        raise answer

    def _take(self) -> _Worker:
        with self._lock:
            if self._free.empty() and len(self._all) < self._n_workers:
                self._all.append(_Worker(self._job))
                return self._all[-1]
        worker = self._free.get()
        if worker is None:
            self._free.put(None)
            raise RunError(self._lost)  # of the one whose end was seen first, as that says why
        return worker

    def close(self) -> None:
        """End the workers; one that does not end by itself is killed."""
        for worker in self._all:
            worker.dismiss()
        for worker in self._all:
            worker.await_end()
        self._all = []


class _Worker:
    """One process, as the driver sees it."""

    def __init__(self, job: bytes) -> None:
        # In a process group of its own it does not hear the terminal's Ctrl-C, which is the driver's affair.
        path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", "from datagen.engines.process_pool import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
            process_group=0 if os.name == "posix" else None,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        self._to, self._from = cast(BinaryIO, self._process.stdin), cast(BinaryIO, self._process.stdout)
        self._job: bytes | None = job

    def ask(self, task: bytes, chunk: bytes) -> bytes | Exception:
        """Hand over a chunk and wait for the answer, or for what the work raised.

        Raises:
            RunError: The process is gone.
        """
        try:
            if self._job is not None:
                _send(self._to, self._job)
                self._job = None
            _send(self._to, task)
            _send(self._to, chunk)
            is_answer = self._from.read(1) == b"."
            answer = _receive(self._from)
        except (OSError, EOFError):
            raise RunError(self._how_it_ended()) from None
        return answer if is_answer else cast(Exception, pickle.loads(answer))

    def _how_it_ended(self) -> str:
        status = self._process.wait()
        told = f"ended with status {status}"
        if status < 0:
            told = f"was killed by signal {-status}" + (", perhaps for want of memory" if status == -9 else "")
        return (
            f"A worker process {told}; every stored fact is safe, so start the same command again, with fewer "
            "--workers if memory is short."
        )

    def dismiss(self) -> None:
        """Let it end."""
        with contextlib.suppress(OSError):
            self._to.close()

    def await_end(self) -> None:
        """Wait until it has."""
        try:
            self._process.wait(FAREWELL_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._from.close()


def _send(pipe: BinaryIO, content: bytes) -> None:
    pipe.write(_HEAD.pack(len(content)))
    pipe.write(content)
    pipe.flush()


def _receive(pipe: BinaryIO) -> bytes:
    (length,) = _HEAD.unpack(_read(pipe, _HEAD.size))
    return _read(pipe, length)


def _read(pipe: BinaryIO, length: int) -> bytes:
    content = pipe.read(length)
    if len(content) < length:
        raise EOFError
    return content


def serve() -> None:
    """Be a worker: take the job, then tasks with their chunks, until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what somebody's check prints must not stand among the answers
    with contextlib.suppress(EOFError, BrokenPipeError):
        job = _loaded(_receive(requests))
        gc.collect()
        gc.freeze()  # what was loaded stays; records hold no cycles, and looking for them takes a tenth of the time
        gc.set_threshold(50_000, 20, 100)
        while True:
            task: Task = pickle.loads(_receive(requests))
            chunk = _receive(requests)
            try:
                if isinstance(job, RunError):
                    raise job
                mark, answer = b".", work_on(job, task, chunk)
            except Exception as error:
                mark, answer = b"!", _packed(error)
            answers.write(mark)
            _send(answers, answer)


def _loaded(job: bytes) -> Job | RunError:
    try:
        return cast(Job, pickle.loads(job))
    except Exception as error:
        told = f"{type(error).__name__}: {error}"
        return RunError(f"A worker process cannot load the checks in Python ({told}); start again with --workers 1.")


def _packed(error: Exception) -> bytes:
    """An error as it can travel, with where it arose."""
    error.add_note(f"In a worker process:\n{traceback.format_exc()}")
    with contextlib.suppress(Exception):
        packed = pickle.dumps(error)
        pickle.loads(packed)
        return packed
    return pickle.dumps(RuntimeError(traceback.format_exc()))


def can_travel(checks: tuple[Check, ...]) -> bool:
    """Whether another process can load these; it cannot what stands in a script, a notebook or another function."""
    try:
        return b"__main__" not in pickle.dumps(checks)
    except Exception:  # pickle raises whatever an object's own methods raise
        return False


@contextmanager
def worker_processes(job: Job, n_workers: int) -> Iterator[WorkerProcesses]:
    """Lend a process pool, and end its processes afterwards."""
    pool = WorkerProcesses(job, n_workers)
    try:
        yield pool
    finally:
        pool.close()


def n_usable_cores() -> int:
    """Cores that this process may use: of its affinity mask and its container's quota."""
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        n_cores = min(n_cores, round(int(quota) / int(period)))
    return max(1, n_cores)
