"""Processes that run objectives, so that one that hangs or is killed costs one trial.

A worker is a Python of its own with one connection to the process that searches. It gets the
objective once, pickled by cloudpickle (also one that was written in a notebook), then numbers of
trials, and answers how each ended. It ends when the searching process does.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from mooring.errors import InvalidInput
from mooring.optimize.evaluating import Objective, Outcome, evaluate
from mooring.optimize.observations import TrialState

_END_S = 5.0


@dataclass(frozen=True, slots=True)
class WorkOrder:
    """Which study the trials are of."""

    store: str
    project: str
    study: str


def pack(order: WorkOrder, objective: Objective) -> bytes:
    """Return what a worker needs; `InvalidInput` for an objective that cannot be handed on."""
    import cloudpickle

    try:
        packed: bytes = cloudpickle.dumps((order, objective))
    except Exception as error:
        raise InvalidInput(
            f"the objective cannot be handed to another process: {error}. Run it in this one "
            "(n_jobs=1, no trial_timeout_s), or leave what cannot be pickled out of it"
        ) from error
    return packed


class Worker:
    """One process that runs trials, one at a time."""

    def __init__(self, packed: bytes) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mooring.optimize.workers", str(theirs.fileno())],
                stdin=subprocess.PIPE,
                pass_fds=[theirs.fileno()],
                # Where Python finds what the objective imports.
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(p or str(Path.cwd()) for p in sys.path),
                },
            )
        self.connection = Connection(ours.detach())
        self.connection.send_bytes(packed)

    def begin(self, number: int) -> None:
        """Have a trial run."""
        self.connection.send(number)

    def result(self) -> Outcome:
        """Return how the trial ended, once the connection has something to say."""
        try:
            received: Outcome = self.connection.recv()
        except (EOFError, ConnectionError):
            return Outcome(TrialState.FAILED, error=self._ending(), died=True)
        return received

    def _ending(self) -> str:
        code = self._wait()
        if code is not None and code < 0:
            return f"its process was ended by {signal.Signals(-code).name}"
        return f"its process ended with the exit code {code}"

    def _wait(self) -> int | None:
        try:
            return self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def kill(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self.close()

    def close(self) -> None:
        """End the process once it has nothing to do. Idempotent."""
        if not self.connection.closed:
            self.connection.close()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._wait()


def serve(connection: Connection) -> None:
    """Run trials until the other side hangs up."""
    import pickle

    from mooring.optimize.study import Study

    # It comes from the process that started this one.
    order, objective = pickle.loads(connection.recv_bytes())
    with Study(order.study, project=order.project, store=order.store, resume=True) as study:
        names = list(study.spec.objectives)
        while True:
            try:
                number = connection.recv()
            except (EOFError, ConnectionError):
                return
            trial = study.take(number)
            outcome = evaluate(objective, trial, names)
            study.let_go(trial)
            connection.send(outcome)


def _end_with_parent() -> None:
    """End this process when the one that started it has: its end of stdin is closed then."""
    # Not by `sys.stdin`, whose lock a thread must not hold when the interpreter shuts down.
    while os.read(0, 1024):
        pass
    os._exit(1)


def main() -> None:
    """Be a worker."""
    connection = Connection(int(sys.argv[1]))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    serve(connection)


if __name__ == "__main__":
    main()
