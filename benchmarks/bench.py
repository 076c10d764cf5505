"""What every measurement is handed: subjects, rounds, room on the disk, and a voice."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from benchmarks.environments import Environment
from benchmarks.processes import Process, TaskFailed, run_task, time_python
from benchmarks.subjects import Subject


class Line(Protocol):
    """What a line of a table is about: a subject, or a way of one."""

    @property
    def title(self) -> str:
        """How the table names it."""
        ...


AnyLine = TypeVar("AnyLine", bound=Line)


@dataclass(slots=True)
class Bench:
    """One run of the benchmarks.

    Attributes
    ----------
    rounds : None leaves the number to each measurement
    quick : sizes that only show that everything works
    versions, durable : what subjects reported of themselves, what killing them has shown
    """

    subjects: Sequence[Subject]
    environments: Mapping[str, Environment]
    work: Path
    rounds: int | None = None
    quick: bool = False
    versions: dict[str, str] = field(default_factory=dict)
    durable: dict[str, str] = field(default_factory=dict)

    def rounds_or(self, default: int) -> int:
        """Return how many rounds to make, where `default` is usual."""
        return self.rounds or (2 if self.quick else default)

    @property
    def trackers(self) -> list[Subject]:
        """Those of all subjects that log."""
        return [subject for subject in self.subjects if subject.logs]

    def chosen(self, *subjects: Subject) -> list[Subject]:
        """Return those of some subjects that this run was asked for."""
        return [subject for subject in subjects if subject in self.subjects]

    def say(self, words: str) -> None:
        """Tell about progress, on the standard error."""
        print(words, file=sys.stderr, flush=True)

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Lend a new folder, which is removed afterwards."""
        self.work.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=self.work))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def task(self, subject: Subject, task: Mapping[str, Any], folder: Path) -> dict[str, Any]:
        """Run a task of a subject to its end."""
        answer = run_task(
            self.python(subject), _module(subject), task, folder, own=subject.is_mooring
        )
        self.versions["Mooring" if subject.is_mooring else subject.title] = answer["version"]
        return answer

    def process(self, subject: Subject, task: Mapping[str, Any], folder: Path) -> Process:
        """Start a task of a subject."""
        return Process(self.python(subject), _module(subject), task, folder, own=subject.is_mooring)

    def together(
        self, folder: Path, subject: Subject, tasks: Sequence[Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        """Start tasks on the files of one folder, let them go when all are ready; return answers.

        Such a task says a line when it is ready, and waits for one.
        """
        return _together(folder, tasks, lambda task, place: self.process(subject, task, place))

    def jobs_together(
        self, name: str, folder: Path, tasks: Sequence[Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        """Do the same with tasks of Mooring's own, from `benchmarks.jobs`."""
        python, module = Path(sys.executable), f"benchmarks.jobs.{name}"
        return _together(
            folder, tasks, lambda task, place: Process(python, module, task, place, own=True)
        )

    def python(self, subject: Subject) -> Path:
        """Return the interpreter of a subject's environment."""
        environment = self.environments[subject.key]
        if environment.python is None:
            raise TaskFailed(environment.problem)
        return environment.python

    def start_python(self, subject: Subject, code: str, folder: Path | None = None) -> float:
        """Return the seconds from the start to the end of `python -c code` of a subject.

        `folder` is where it runs; a task's files are in its `store`. Default: a new one.
        """
        if folder is None:
            with self.folder() as new:
                return self.start_python(subject, code, new)
        return time_python(self.python(subject), code, folder, own=subject.is_mooring)

    def job(self, name: str, task: Mapping[str, Any], folder: Path) -> dict[str, Any]:
        """Run a task of Mooring's own, from `benchmarks.jobs`."""
        answer = run_task(Path(sys.executable), f"benchmarks.jobs.{name}", task, folder, own=True)
        self.versions["Mooring"] = answer["version"]
        return answer

    def interleaved(
        self,
        title: str,
        rounds: int,
        subjects: Sequence[AnyLine],
        one_round: Callable[[AnyLine], Any],
    ) -> tuple[dict[AnyLine, list[Any]], dict[AnyLine, str]]:
        """Let all subjects do one round, then all the next; return what they gave, and problems.

        The order is turned by one place each round, so that nobody always follows the same one.
        A subject that fails is left out from then on.
        """
        results: dict[AnyLine, list[Any]] = {subject: [] for subject in subjects}
        problems: dict[AnyLine, str] = {}
        for number in range(rounds):
            turn = number % max(1, len(subjects))
            for subject in [*subjects[turn:], *subjects[:turn]]:
                if subject in problems:
                    continue
                self.say(f"{title} · round {number + 1}/{rounds} · {subject.title}")
                try:
                    results[subject].append(one_round(subject))
                except TaskFailed as failure:
                    problems[subject] = str(failure)
                    self.say(f"  failed: {failure}")
        return results, problems


def _together(
    folder: Path,
    tasks: Sequence[Mapping[str, Any]],
    start: Callable[[Mapping[str, Any], Path], Process],
) -> list[dict[str, Any]]:
    with ExitStack() as stack:
        started: list[Process] = []
        for number, task in enumerate(tasks):
            task = {"folder": str(folder / "store"), **task}
            process = start(task, folder / f"process-{number}")
            stack.callback(process.end)
            started.append(process)
        for process in started:
            process.read()
        for process in started:
            process.go()
        return [process.answer() for process in started]


def _module(subject: Subject) -> str:
    return f"benchmarks.peers.{subject.key}"
