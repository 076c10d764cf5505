"""Processes of models: kept warm, shared by nobody else, ended with the hub."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sklearn.linear_model import LinearRegression

from mooring.errors import ModelFailed
from mooring.hub.serving import ModelFile, ModelWorkers, PredictionRequest
from mooring.hub.settings import HubSettings

REQUEST = PredictionRequest(["a"], [[1]])
SETTINGS = HubSettings(store="unused.db", serving_seconds=30)
Save = Callable[..., ModelFile]


def line(factor: float) -> object:
    return LinearRegression().fit([[0], [1]], [0, factor])


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_process_answers_again_until_it_is_the_oldest(save: Save) -> None:
    workers = ModelWorkers(SETTINGS, warm=2)
    first, second, third = (save(line(factor)) for factor in (1, 2, 3))
    try:
        workers.predict(first, REQUEST)
        (pid,) = workers.pids()
        workers.predict(first, REQUEST)
        assert workers.pids() == [pid]
        workers.predict(second, REQUEST)
        workers.predict(first, REQUEST)
        workers.predict(third, REQUEST)  # takes the place of the second
        assert pid in workers.pids()
        assert len(workers.pids()) == 2
        workers.predict(first, REQUEST)
        assert pid in workers.pids()
    finally:
        workers.close()


def test_a_process_that_died_between_requests_is_started_again(save: Save) -> None:
    workers = ModelWorkers(SETTINGS, warm=2)
    model = save(line(2))
    try:
        workers.predict(model, REQUEST)
        (pid,) = workers.pids()
        os.kill(pid, signal.SIGKILL)  # as the system does that runs out of memory
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert workers.predict(model, REQUEST).data[0][1] == pytest.approx(2)
        assert workers.pids() != [pid]
    finally:
        workers.close()


def test_one_file_in_two_realms_has_two_processes(save: Save) -> None:
    workers = ModelWorkers(SETTINGS, warm=2)
    model = save(line(1))
    try:
        for realm in ("a", "b"):
            workers.predict(replace(model, realm=realm), REQUEST)
        assert len(set(workers.pids())) == 2
    finally:
        workers.close()


def test_threads_get_their_own_answers(save: Save) -> None:
    workers = ModelWorkers(SETTINGS, warm=2)
    models = [save(line(factor)) for factor in range(3)]

    def ask(number: int) -> float:
        request = PredictionRequest(["a"], [[number]])
        return float(workers.predict(models[number % 3], request).data[0][1])  # type: ignore[arg-type]

    try:
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(ask, range(24)))
        assert answers == pytest.approx([number * (number % 3) for number in range(24)])
        assert len(workers.pids()) <= 2
    finally:
        workers.close()


def test_an_idle_process_is_ended(save: Save) -> None:
    workers = ModelWorkers(SETTINGS, idle_s=0.1)
    try:
        workers.predict(save(line(1)), REQUEST)
        deadline = time.monotonic() + 30
        while workers.pids():
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        workers.close()


def test_close_ends_idle_and_busy_processes(save: Save) -> None:
    class Slow:
        def predict(self, rows: object) -> object:
            import time

            time.sleep(600)
            return [1]

    workers = ModelWorkers(SETTINGS)
    workers.predict(save(line(1)), REQUEST)
    told: list[str] = []

    def ask(model: ModelFile) -> None:
        try:
            workers.predict(model, REQUEST)
        except ModelFailed as error:
            told.append(str(error))

    asking = threading.Thread(target=ask, args=(save(Slow()),))
    asking.start()
    while len(workers.pids()) < 2:
        time.sleep(0.01)
    pids = workers.pids()
    workers.close()
    asking.join()
    assert told == ["the model m was ended, because this hub stops"]
    assert workers.pids() == []
    assert all(gone(pid) for pid in pids)
    with pytest.raises(ModelFailed, match="this hub stops"):
        workers.predict(save(line(1)), REQUEST)
    workers.close()


def test_a_model_whose_queue_is_full_says_so(save: Save) -> None:
    class Slow:
        def predict(self, rows: object) -> object:
            import time

            time.sleep(600)
            return [1]

    workers = ModelWorkers(SETTINGS, warm=1)
    model = save(Slow())
    told: list[str] = []

    def ask() -> None:
        try:
            workers.predict(model, REQUEST)
        except ModelFailed as error:
            told.append(str(error))

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 20
    while not told:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert "too many predictions wait already" in told[0]
    workers.close()
    for thread in threads:
        thread.join()
    assert len(told) == 20


def test_what_holds_a_model_back_is_told() -> None:
    workers = ModelWorkers(SETTINGS)
    try:
        told = workers.describe_isolation()
    finally:
        workers.close()
    assert set(told) == {
        "memory",
        "files",
        "network",
        "user",
        "privileges",
        "filesystem",
        "system_calls",
    }
    assert told["memory"] == f"at most {SETTINGS.serving_memory_bytes} bytes of addresses"
    assert workers.pids() == []
