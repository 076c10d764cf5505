"""The process of one model: confines itself, loads the model, answers requests until its end.

Started as `python -I child.py FD MEMORY_BYTES SECONDS`, `FD` being the opened file of the model,
or -1 for a process that only tells how it is confined. It reads and writes frames: the length of
a JSON text as four bytes, big-endian, then the text. What libraries print goes to the standard
error, whatever they do with descriptor 1.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
import resource
import signal
import struct
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

_MESSAGE = 1000
_FRAME_BYTES = 64 << 20


def main(arguments: list[str]) -> None:
    """Serve one model until the hub closes the pipe."""
    fd, memory_bytes, seconds = int(arguments[0]), int(arguments[1]), float(arguments[2])
    answers = os.dup(1)
    os.set_inheritable(answers, False)
    os.dup2(2, 1)
    requests = os.dup(0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    confinement, estimators = _beside("confinement"), _beside("estimators")
    isolation = confinement.confine(memory_bytes)
    if fd < 0:
        _write(answers, {"isolation": isolation})
        return
    _limit_time(seconds)
    warnings.simplefilter("default")
    with os.fdopen(fd, "rb") as file:
        loaded = _answer(estimators, lambda: _load(estimators, file, memory_bytes))
    _write(answers, {key: value for key, value in loaded.items() if key != "model"})
    model = loaded.get("model")
    while model is not None:
        _no_limit_of_time()
        asked = _read(requests)
        if asked is None:
            return
        _limit_time(asked["seconds"])
        _write(answers, _answer(estimators, lambda: _predict(estimators, model, asked)))  # noqa: B023 - called at once


def _beside(name: str) -> ModuleType:
    """Load a file of this folder; the folder itself stays off `sys.path`, where it would hide."""
    path = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"_mooring_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def _limit_time(seconds: float) -> None:
    """End this process, even if the hub is gone, soon after the time of a request."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds + 5)
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = math.ceil(used.ru_utime + used.ru_stime + seconds) + 5
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (most, hard))


def _no_limit_of_time() -> None:
    signal.setitimer(signal.ITIMER_REAL, 0)


def _load(estimators: Any, file: Any, memory_bytes: int) -> dict[str, Any]:
    return {"model": estimators.load_model(file, memory_bytes), "loaded": True}


def _predict(estimators: Any, model: Any, asked: dict[str, Any]) -> dict[str, Any]:
    columns, data = estimators.predict(
        model,
        asked["features"],
        asked["records"],
        threshold=asked["threshold"],
        target=asked["target"],
        with_features=asked["with_features"],
    )
    return {"columns": columns, "data": data}


def _answer(estimators: Any, act: Any) -> dict[str, Any]:
    """Return what an act answers, or which error it ended with."""
    try:
        answer: dict[str, Any] = act()
    except MemoryError:
        return {"error": "memory", "message": ""}
    except estimators.Unusable as error:
        return {"error": "unusable", "message": str(error)[:_MESSAGE]}
    except estimators.Unfit as error:
        return {"error": "unfit", "message": str(error)[:_MESSAGE]}
    except Exception as error:  # noqa: BLE001 - a model raises whatever it likes
        told = f"{type(error).__name__}: {error}"
        return {"error": "raised", "message": told[:_MESSAGE]}
    return answer


def _read(fd: int) -> dict[str, Any] | None:
    head = _exactly(fd, 4)
    if head is None:
        return None
    body = _exactly(fd, struct.unpack(">I", head)[0])
    return None if body is None else dict(json.loads(body))


def _exactly(fd: int, size: int) -> bytes | None:
    read = bytearray()
    while len(read) < size:
        piece = os.read(fd, min(size - len(read), 1 << 20))
        if not piece:
            return None
        read += piece
    return bytes(read)


def _write(fd: int, answer: dict[str, Any]) -> None:
    body = json.dumps(answer, allow_nan=False).encode()
    if len(body) > _FRAME_BYTES:
        body = json.dumps({"error": "unfit", "message": "the answer is too long"}).encode()
    data = memoryview(struct.pack(">I", len(body)) + body)
    while data:
        data = data[os.write(fd, data) :]


if __name__ == "__main__":
    main(sys.argv[1:])
