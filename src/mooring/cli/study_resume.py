"""`study resume`: trials whose process died are given out again, and a search goes on."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mooring.cli.commands import Misuse, command
from mooring.cli.output import Output
from mooring.cli.study_opening import (
    StudyArgument,
    StudyProjectOption,
    StudyStoreOption,
    changing_study,
)
from mooring.errors import InvalidInput, closest

if TYPE_CHECKING:
    from mooring.optimize import Study
    from mooring.optimize.trial_runs import TrialRecord


def add_to(group: typer.Typer) -> None:
    """Enter the command of this module."""
    command(
        group,
        "resume",
        example="mooring study resume svc --store runs.db\n"
        "mooring study resume svc train.py:objective --store runs.db --trials 50 --jobs 4",
    )(resume)


def resume(
    name: StudyArgument,
    function: Annotated[
        str | None,
        typer.Argument(
            metavar="FUNCTION",
            help="The function to search, as FILE.py:NAME or MODULE:NAME. It gets a trial and "
            "returns what was reached. Its file is imported, which runs what stands there.",
            show_default=False,
        ),
    ] = None,
    trials: Annotated[
        int | None, typer.Option("--trials", min=1, help="Run so many.", show_default=False)
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(
            "--budget", help="Seconds after which none is begun any more.", show_default=False
        ),
    ] = None,
    jobs: Annotated[
        int, typer.Option("--jobs", help="So many at a time; -1: one for each processor.")
    ] = 1,
    trial_timeout: Annotated[
        float | None,
        typer.Option(
            "--trial-timeout",
            help="Seconds after which a trial is ended and has failed.",
            show_default=False,
        ),
    ] = None,
    max_failures: Annotated[
        int, typer.Option("--max-failures", min=1, help="So many failures in a row end the search.")
    ] = 10,
    detached: Annotated[
        bool,
        typer.Option(
            "--detached", help="Give up also trials that were asked for by hand and not told."
        ),
    ] = False,
    store: StudyStoreOption = None,
    project: StudyProjectOption = None,
    *,
    output: Output,
) -> None:
    """Fail trials whose process died and give them out again; with a function, search on.

    Trials that other processes run are left alone.
    """
    from mooring.cli.study_tables import write_trials

    if function is None and (trials, budget, jobs, trial_timeout) != (None, None, 1, None):
        raise Misuse("--trials, --budget, --jobs and --trial-timeout need a FUNCTION to run")
    if function is not None and trials is None and budget is None:
        raise Misuse("say when the search ends: --trials, --budget, or both")
    objective = None if function is None else load_function(function)
    with changing_study(name, store, project) as study:
        entered = _recover(study, output, detached=detached)
        if objective is None:
            if not entered:
                output.say(f"no trial of study {study.name!r} is to be given out again")
            write_trials(output, study.spec, entered)
            return
        ended: list[TrialRecord] = []
        try:
            study.optimize(
                objective,
                n_trials=trials,
                budget_s=budget,
                n_jobs=jobs,
                trial_timeout_s=trial_timeout,
                max_failures=max_failures,
                callbacks=[lambda _, record: ended.append(record)],
            )
        finally:
            _tell_ended(ended, output)
        write_trials(output, study.spec, study.best_trials)


def _recover(study: Study, output: Output, *, detached: bool) -> Sequence[TrialRecord]:
    """Give trials out again whose process died; tell which, and which not."""
    before = {trial.number: trial.state for trial in study.trials}
    entered = study.recover(detached=detached)
    repeated = {trial.retry_of for trial in entered}
    died = [
        trial.number
        for trial in study.trials
        if trial.died and not before.get(trial.number, trial.state).is_finished
    ]
    for trial in entered:
        output.say(
            f"trial {trial.retry_of} has failed; it is given out again as trial {trial.number}"
        )
    lost = [str(number) for number in died if number not in repeated]
    if lost:
        output.say(
            f"failed, and not given out again after {study.spec.retries} retries: {', '.join(lost)}"
        )
    return entered


def _tell_ended(ended: Sequence[TrialRecord], output: Output) -> None:
    from mooring.cli.study_tables import count_states

    counted = [f"{count:,} {state}" for state, count in count_states(ended).items() if count]
    output.say(f"trials that ended: {', '.join(counted) or 'none'}")


def load_function(named: str) -> Callable[..., Any]:
    """Import the function of FILE.py:NAME or MODULE:NAME.

    A file is imported under its own name, from its folder, as Python does when it runs it; so
    processes that run trials find it too.

    Raises
    ------
    InvalidInput
        For a file, a module or a function that is not there, or is no function.
    """
    home, colon, name = named.rpartition(":")
    if not colon or not home or not name:
        raise Misuse(f"a function is named FILE.py:NAME or MODULE:NAME, not {named!r}")
    module = _import_file(home) if home.endswith(".py") else _import_module(home)
    found = getattr(module, name, None)
    if found is None:
        known = [each for each, value in vars(module).items() if callable(value)]
        near = closest(name, known)
        told = f"; closest: {', '.join(near)}" if near else ""
        raise InvalidInput(f"{home} has no function {name!r}{told}")
    if not callable(found):
        raise InvalidInput(f"{name!r} of {home} is no function")
    return found  # type: ignore[no-any-return]


def _import_file(path: str) -> Any:
    file = Path(path).resolve()
    if not file.is_file():
        raise InvalidInput(f"there is no file {path}")
    if "." in file.stem:
        raise InvalidInput(f"{path} cannot be imported by its name; name it without a second dot")
    sys.path.insert(0, str(file.parent))
    module = importlib.import_module(file.stem)
    there = getattr(module, "__file__", None)
    if there is None or Path(there).resolve() != file:
        raise InvalidInput(
            f"{path} has the name of another module, {there or file.stem}; name it otherwise"
        )
    return module


def _import_module(name: str) -> Any:
    sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if name != missing and not name.startswith(f"{missing}."):
            raise  # it is there, and imports something that is not
        raise InvalidInput(f"there is no module {name!r}") from None
