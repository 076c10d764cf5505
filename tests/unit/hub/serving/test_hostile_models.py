"""Models that mean harm: the hub goes on, and nothing happened to it or around it."""

from __future__ import annotations

import os
import socket
import sys
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from sklearn.linear_model import LinearRegression

from mooring.errors import ModelFailed, ModelUnusable, ServingError
from mooring.hub.serving import ModelFile, ModelWorkers, PredictionRequest
from tests.unit.hub.serving.conftest import Predict

REQUEST = PredictionRequest(["a"], [[1]])
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="measures of Linux")

Save = Callable[[object], ModelFile]


class Code:
    """Runs a text when it is unpickled."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, (self.text,)


def saying(text: str) -> object:
    """Return a model that answers with the value of an expression."""

    class Saying:
        def predict(self, rows: object) -> object:
            import os
            import socket
            import subprocess

            names = {"os": os, "socket": socket, "subprocess": subprocess}
            try:
                return [str(eval(text, names))]
            except Exception as error:  # noqa: BLE001 - what it is told is the answer
                return [f"{type(error).__name__}"]

    return Saying()


def alive(workers: ModelWorkers, save: Save) -> None:
    model = save(LinearRegression().fit([[0], [1]], [0, 2]))
    assert workers.predict(model, REQUEST).data[0][1] == pytest.approx(2)


def test_code_of_a_pickle_does_not_run_in_the_hub(
    workers: ModelWorkers, save: Save, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    code = f"import os, sys; open({str(mark)!r}, 'w').write('x'); sys.modules['evil'] = os"
    with pytest.raises(ServingError):
        workers.predict(save(Code(code)), REQUEST)
    assert "evil" not in sys.modules
    alive(workers, save)


@linux
def test_no_file_can_be_written_or_read_elsewhere(predict: Predict, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hidden")
    for expression in (
        f"open({str(tmp_path / 'mark')!r}, 'w')",
        f"open({str(secret)!r}).read()",
        "open('/etc/passwd').read()",
        f"os.listdir({str(tmp_path)!r})",
        f"os.unlink({str(secret)!r})",
        "open('own', 'w')",
    ):
        assert predict(saying(expression), ["a"], [[1]]).data[0][1] == "PermissionError", expression
    assert [path.name for path in tmp_path.iterdir() if "model" not in path.name] == ["secret"]


@linux
def test_no_file_of_the_hubs_user_is_changed_or_watched(predict: Predict, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hidden")
    secret.chmod(0o600)
    before = secret.stat()
    place, library = repr(str(secret)), repr(os.__file__)
    for expression in (
        f"os.chmod({place}, 0o666)",
        f"os.chmod({str(tmp_path)!r}, 0)",
        f"os.fchmod(os.open({library}, os.O_RDONLY), 0)",
        f"os.chown({place}, -1, -1)",
        f"os.utime({place}, (1, 1))",
        f"os.setxattr({place}, 'user.mark', b'x')",
        f"os.truncate({place}, 0)",
        f"os.link({place}, 'link')",
        "os.mkdir('folder')",
        "os.mkfifo('pipe')",
    ):
        assert predict(saying(expression), ["a"], [[1]]).data[0][1] == "PermissionError", expression
    libc = "__import__('ctypes').CDLL(None)"
    watch = f"{libc}.inotify_add_watch({libc}.inotify_init(), {str(tmp_path)!r}.encode(), 0xfff)"
    assert predict(saying(watch), ["a"], [[1]]).data[0][1] == "-1"
    assert secret.stat() == before


def test_nothing_of_the_hubs_environment_is_there(
    predict: Predict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOORING_API_TOKEN", "not for models")
    told = predict(saying("sorted(os.environ.items())"), ["a"], [[1]]).data[0][1]
    assert "not for models" not in str(told)
    assert "MOORING" not in str(told)
    reading = saying(f"open('/proc/{os.getpid()}/environ').read()")
    assert "not for models" not in str(predict(reading, ["a"], [[1]]).data[0][1])


def test_nothing_of_the_hubs_open_files_is_there(predict: Predict, tmp_path: Path) -> None:
    with (tmp_path / "open").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        told = predict(saying(f"os.write({file.fileno()}, b'x')"), ["a"], [[1]]).data[0][1]
    assert told != "1" or (tmp_path / "open").read_text() == ""


@linux
def test_no_network_process_or_signal(predict: Predict) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        connecting = saying(f"socket.create_connection(('127.0.0.1', {port}), 2)")
        told = predict(connecting, ["a"], [[1]]).data[0][1]
        assert told in ("PermissionError", "OSError", "ConnectionRefusedError")
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
    for expression in (
        "subprocess.run(['true'])",
        "os.fork()",
        f"os.kill({os.getpid()}, 0)",
        f"os.kill({os.getpid()}, 9)",
        "os.kill(0, 9)",
        "os.kill(-1, 9)",
        f"os.sched_setaffinity({os.getpid()}, [0])",
        f"os.sched_setscheduler({os.getpid()}, os.SCHED_IDLE, os.sched_param(0))",
    ):
        assert predict(saying(expression), ["a"], [[1]]).data[0][1] == "PermissionError", expression


GARBAGE = """
import os
for fd in range(3, 64):
    try: os.write(fd, b'garbage' * 9)
    except OSError: pass
"""
FLOOD = """
import os
for fd in range(3, 64):
    try:
        while True: os.write(fd, b'0' * 65536)
    except OSError: pass
"""
CLOSING = """
import os, time
for fd in range(64):
    try: os.close(fd)
    except OSError: pass
time.sleep(60)
"""


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import os; os._exit(3)", r"died \(exit code 3\)"),
        ("import os; os.abort()", r"died \(SIGABRT\)"),
        ("import sys; sys.exit('goodbye')", r"died \(exit code 1\): goodbye"),
        ("import ctypes; ctypes.string_at(0)", r"died \(SIGSEGV\)"),
        ("import numpy; numpy.ones(1 << 29)", "more than the 1200 MiB of memory"),
        ("bytearray(4 << 30)", "more than the 1200 MiB of memory"),
        ("while True: print('flood' * 100000)", "printed without end"),
        (GARBAGE, "answered what is no answer"),
        (FLOOD, "answered what is no answer"),
        (CLOSING, "closed its pipe"),
    ],
)
def test_a_model_that_breaks_is_told(
    workers: ModelWorkers, save: Save, code: str, told: str
) -> None:
    model = save(Code(code))
    before = set(workers.pids())
    with pytest.raises(ModelFailed, match=told):
        workers.predict(model, REQUEST)
    assert set(workers.pids()) <= before
    alive(workers, save)


@pytest.mark.parametrize("code", ["import time; time.sleep(600)", "while True: pass"])
def test_a_model_that_hangs_is_ended(hasty: ModelWorkers, save: Save, code: str) -> None:
    before = set(hasty.pids())
    with pytest.raises(ModelFailed, match="took longer than it may"):
        hasty.predict(save(Code(code)), REQUEST)
    assert set(hasty.pids()) <= before
    alive(hasty, save)


def test_a_model_that_hangs_over_a_request_is_ended(hasty: ModelWorkers, save: Save) -> None:
    class Slow:
        def predict(self, rows: object) -> object:
            import signal
            import time

            signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 30))
            time.sleep(600)
            return [1]

    with pytest.raises(ModelFailed, match="took longer than it may"):
        hasty.predict(save(Slow()), REQUEST)
    alive(hasty, save)


def test_a_model_without_a_hub_ends_by_itself(save: Save) -> None:
    from mooring.hub.serving.process import ModelProcess

    process = ModelProcess(save(Code("while True: pass")), seconds=-4.0, memory_bytes=1 << 30)
    try:
        assert process._process.wait(30) < 0  # nobody asked it anything, nor killed it
    finally:
        process.close()


def test_prints_do_not_disturb_answers(predict: Predict) -> None:
    class Talking:
        def predict(self, rows: object) -> object:
            import os
            import sys

            print("words")
            sys.stdout.flush()
            os.write(1, b"more words")
            return ["answer"]

    assert predict(Talking(), ["a"], [[1]]).data == [[1, "answer"]]


def test_answers_of_another_shape_are_told(predict: Predict) -> None:
    with pytest.raises(ModelFailed, match="answered 2 rows with an array of shape"):
        predict(saying("1"), ["a"], [[1], [2]])

    class Long:
        def predict(self, rows: object) -> object:
            return ["x" * (70 << 20)]

    with pytest.raises(ModelFailed, match="the answer is too long"):
        predict(Long(), ["a"], [[1]])


def test_a_zip_bomb_is_no_model(workers: ModelWorkers, save: Save) -> None:
    buffer = BytesIO()
    with (
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("model.pkl", "w", force_zip64=True) as member,
    ):
        for _ in range(1500):
            member.write(bytes(1 << 20))
    with pytest.raises(ServingError, match=r"memory|longer than"):
        workers.predict(save(buffer.getvalue()), REQUEST)
    alive(workers, save)


def test_a_file_larger_than_memory_is_not_read(workers: ModelWorkers, save: Save) -> None:
    model = save(b"")
    os.truncate(model.path, 1 << 33)
    with pytest.raises(ModelUnusable, match="is larger than"):
        workers.predict(model, REQUEST)
    gone = ModelFile(model.path.with_name("gone"), "gone", "m")
    with pytest.raises(ModelUnusable, match="cannot be read: No such file"):
        workers.predict(gone, REQUEST)


def test_nothing_is_left_in_the_folder_for_temporary_files(
    workers: ModelWorkers, save: Save, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(ServingError):
        workers.predict(save(Code("open('x', 'w').write('x')")), REQUEST)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("mooring-")] == []
