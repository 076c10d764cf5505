"""One process of one model, seen from the hub: start, questions with a deadline, end.

The hub never reads the model itself: it opens the file and hands the descriptor on. Everything
that comes back is taken for what a stranger says: frames of bounded length, read with a deadline,
checked before anything is made of them.
"""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from mooring.errors import ModelFailed, ModelUnusable
from mooring.hub.serving.requests import ModelFile

_CHILD = Path(__file__).with_name("child.py")
_FRAME_BYTES = 64 << 20
_STDERR_BYTES = 16 << 20
_TAIL = 2000
_PIECE = 1 << 18
# One thread for each process: the hub serves several at a time, and threads cost addresses.
_ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "LOKY_MAX_CPU_COUNT": "1",
    "JOBLIB_MULTIPROCESSING": "0",
}


class ModelProcess:
    """A running process of a model. One thread at a time asks it; any thread may `kill` it.

    Parameters
    ----------
    model : what it serves; None for a process that only tells how it is confined
    seconds : how long it may take to start, and to load the model
    memory_bytes : addresses that it may use

    Raises
    ------
    ModelUnusable, ModelFailed
        When the file cannot be read, or no process can be started for it.
    """

    def __init__(self, model: ModelFile | None, *, seconds: float, memory_bytes: int) -> None:
        self._name = "the process" if model is None else f"the model {model.name}"
        self._lock = threading.Lock()
        self._ended = False
        self._received = bytearray()
        self._told = 0
        self._tail = b""
        self.memory_bytes = memory_bytes
        file = -1 if model is None else _open(model, memory_bytes)
        try:
            self._folder = tempfile.mkdtemp(prefix="mooring-model-")
            self._process = self._start(file, seconds)
        except OSError as error:
            raise ModelFailed(f"no process could be started for {self._name}: {error}") from error
        finally:
            if file >= 0:
                os.close(file)

    def _start(self, file: int, seconds: float) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-I", "-B", str(_CHILD), str(file), str(self.memory_bytes)]
        command.append(str(seconds))
        folder = self._folder
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                pass_fds=() if file < 0 else (file,),
                env={**_ENVIRONMENT, "HOME": folder, "TMPDIR": folder},
                cwd=folder,
                start_new_session=True,
            )
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        for pipe in (process.stdin, process.stdout, process.stderr):
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)
        return process

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def confined(self, deadline: float) -> dict[str, str]:
        """Return what the process tells of its confinement, where it has no model."""
        told = self._exchange(b"", deadline).get("isolation")
        if not isinstance(told, dict):
            raise self._garbage()
        return {str(name): str(value) for name, value in told.items()}

    def loaded(self, deadline: float) -> None:
        """Wait until the model is loaded, which the process tells before anything else."""
        answer = self._exchange(b"", deadline)
        self._check(answer)
        if answer.get("loaded") is not True:
            raise self._garbage()

    def ask(self, question: dict[str, Any], deadline: float) -> dict[str, Any]:
        """Send a question; return the answer to it.

        Parameters
        ----------
        deadline : on the clock of `time.monotonic`

        Raises
        ------
        ModelFailed
            When the model raised, or the process died, hangs, or answers nonsense. `failed` tells
            afterwards whether the process is good for another question.
        """
        try:
            body = orjson.dumps(question)
        except (TypeError, ValueError) as error:
            raise ModelFailed(f"{self._name} cannot be asked this: {error}") from None
        answer = self._exchange(struct.pack(">I", len(body)) + body, deadline)
        self._check(answer)
        return answer

    @property
    def failed(self) -> bool:
        """Whether the process is good for nothing any more.

        Between two questions its pipe is silent. Where it is not, the process died (the system may
        kill one for lack of memory) or spoke out of turn.
        """
        if not self._ended and self._process.stdout is not None:
            with selectors.DefaultSelector() as ready:
                ready.register(self._process.stdout, selectors.EVENT_READ)
                if ready.select(0):
                    self.kill()
        return self._ended

    # the pipe

    def _exchange(self, data: bytes, deadline: float) -> dict[str, Any]:
        """Write a frame and read one; kill the process over anything else."""
        self._told = 0
        pending = memoryview(data)
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        with selectors.DefaultSelector() as ready:
            if pending:
                ready.register(process.stdin, selectors.EVENT_WRITE)
            ready.register(process.stdout, selectors.EVENT_READ)
            ready.register(process.stderr, selectors.EVENT_READ)
            while True:
                left = deadline - time.monotonic()
                if left <= 0:
                    self.kill()
                    raise ModelFailed(f"{self._name} took longer than it may, and was ended")
                for key, _ in ready.select(left):
                    if key.fileobj is process.stdin:
                        pending = _write(process.stdin.fileno(), pending)
                        if not pending:
                            ready.unregister(process.stdin)
                    elif key.fileobj is process.stderr:
                        if not self._hear(process.stderr.fileno()):
                            ready.unregister(process.stderr)
                    elif self._receive(process.stdout.fileno()):
                        return self._frame()

    def _receive(self, fd: int) -> bool:
        """Read a piece of the answer; return whether it is whole."""
        try:
            piece = os.read(fd, _PIECE)
        except BlockingIOError:
            return False
        if not piece:
            raise self._died()
        self._received += piece
        if len(self._received) < 4:
            return False
        size = int.from_bytes(self._received[:4], "big")
        if size > _FRAME_BYTES or len(self._received) > size + 4:
            raise self._garbage()
        return len(self._received) == size + 4

    def _frame(self) -> dict[str, Any]:
        body, self._received = self._received[4:], bytearray()
        try:
            answer = orjson.loads(body)
        except orjson.JSONDecodeError:
            raise self._garbage() from None
        if not isinstance(answer, dict):
            raise self._garbage()
        return answer

    def _hear(self, fd: int) -> bool:
        """Read what the model printed; return whether there may be more."""
        try:
            piece = os.read(fd, _PIECE)
        except BlockingIOError:
            return True
        self._told += len(piece)
        if self._told > _STDERR_BYTES:
            self.kill()
            raise ModelFailed(f"{self._name} printed without end, and was ended")
        self._tail = (self._tail + piece)[-_TAIL:]
        return bool(piece)

    # what went wrong

    def _check(self, answer: dict[str, Any]) -> None:
        """Raise the error that an answer tells."""
        kind = answer.get("error")
        if kind is None:
            return
        message = _printable(str(answer.get("message", "")))
        if kind == "memory":
            self.kill()
            raise ModelFailed(
                f"{self._name} wanted more than the {self.memory_bytes >> 20} MiB of memory that "
                "it may use"
            )
        if kind == "unusable":
            self.kill()
            raise ModelUnusable(f"{self._name} cannot be served: {message}")
        if kind == "unfit":
            raise ModelFailed(f"{self._name} cannot predict this: {message}")
        raise ModelFailed(f"{self._name} raised {message}")

    def _garbage(self) -> ModelFailed:
        self.kill()
        return ModelFailed(f"{self._name} answered what is no answer, and was ended")

    def _died(self) -> ModelFailed:
        killed = self._ended
        # It closed its pipe. What it still does it does for nobody.
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(0.2)
        code = self._process.returncode
        self.kill()
        if killed:
            return ModelFailed(f"{self._name} was ended, because this hub stops")
        if code is None:
            return ModelFailed(f"{self._name} closed its pipe, and was ended")
        how = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
        words = _printable(self._tail.decode("utf-8", "replace")).strip().rpartition("\n")[2]
        return ModelFailed(f"{self._name} died ({how})" + (f": {words[-300:]}" if words else ""))

    # the end

    def kill(self) -> None:
        """End the process, and all that it started. The pipes stay open until `close`."""
        with self._lock:
            if not self._ended:
                self._ended = True
                # Its number is its own until it was waited for; the group outlives its leader.
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def close(self) -> None:
        """End the process and remove its folder. Only for the thread that asks it."""
        self.kill()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert pipe is not None
            pipe.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _open(model: ModelFile, memory_bytes: int) -> int:
    try:
        opened = os.open(model.path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise ModelUnusable(f"the model {model.name} cannot be read: {error.strerror}") from error
    if os.fstat(opened).st_size > memory_bytes:
        os.close(opened)
        raise ModelUnusable(
            f"the model {model.name} is larger than the {memory_bytes >> 20} MiB of memory that it "
            "may use"
        )
    return opened


def _write(fd: int, pending: memoryview) -> memoryview:
    try:
        return pending[os.write(fd, pending) :]
    except BlockingIOError:
        return pending
    except BrokenPipeError:
        return pending[:0]  # the other pipe tells why


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)
