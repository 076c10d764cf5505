"""The group `study`: searches for hyper-parameters, asked and told from a shell."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mooring.cli import study_resume, study_show
from mooring.cli.commands import Misuse, command, make_group
from mooring.cli.formats import Format
from mooring.cli.lookup import deriving, find_project
from mooring.cli.options import DryRunOption
from mooring.cli.output import Output
from mooring.cli.study_opening import (
    StudyArgument,
    StudyProjectOption,
    StudyStoreOption,
    changing_study,
    named_project,
    reading_study,
    study_store,
)
from mooring.cli.table import Table
from mooring.errors import AlreadyExists, InvalidInput, StoreNotFound, StudyError

if TYPE_CHECKING:
    from mooring.optimize.asked_study import AskedStudy

_NUMBER = re.compile(
    r"[+-]?(([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|nan|inf|infinity)", re.IGNORECASE
)


def add_to(group: typer.Typer) -> None:
    """Enter the commands of this module."""
    study = make_group("Searches for hyper-parameters; every trial is a run of the store.")
    command(
        study,
        "create",
        example="mooring study create svc --store runs.db --space space.json "
        "--objective accuracy=maximize\n"
        'echo \'{"lr": {"type": "float", "bounds": [1e-5, 0.1], "log": true}}\' | '
        "mooring study create cnn --space - --direction minimize",
    )(create)
    command(
        study,
        "ask",
        example="mooring study ask svc --store runs.db\n"
        "mooring study ask svc --count 4 --format json",
    )(ask)
    command(
        study,
        "tell",
        example="mooring study tell svc 3 0.971 --store runs.db\n"
        "mooring study tell svc 4 accuracy=0.96 seconds=1.5\n"
        'mooring study tell svc 5 --failed --error "out of memory"',
        numbers=True,
    )(tell)
    command(study, "best", example="mooring study best svc --store runs.db --format json")(best)
    study_show.add_to(study)
    command(study, "list", example="mooring study list --store runs.db")(list_)
    study_resume.add_to(study)
    group.add_typer(study, name="study")


def create(
    name: StudyArgument,
    space: Annotated[
        str,
        typer.Option(
            "--space",
            help="Search space, a JSON file; '-' is standard input. Names of parameters, or of "
            "algorithms with parameters each, to "
            '{"type": "float"|"int", "bounds": [low, high], "log": true}, a list of choices, '
            "or a constant.",
            show_default=False,
        ),
    ],
    direction: Annotated[
        str | None,
        typer.Option(
            "--direction", help="minimize or maximize. Default: minimize.", show_default=False
        ),
    ] = None,
    objectives: Annotated[
        list[str] | None,
        typer.Option(
            "--objective",
            help="An objective and its direction, as accuracy=maximize; several times for several.",
            show_default=False,
        ),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            "--method",
            help="How parameters are suggested: tpe (default), gp, cma-es, qmc, random, nsga2.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", help="Makes suggestions repeatable.", show_default=False),
    ] = None,
    prune_on: Annotated[
        str | None,
        typer.Option(
            "--prune-on", help="Path of the series that a pruner watches.", show_default=False
        ),
    ] = None,
    pruner: Annotated[
        str | None,
        typer.Option(
            "--pruner",
            help="median (default with --prune-on), percentile, successive-halving, hyperband or "
            "threshold.",
            show_default=False,
        ),
    ] = None,
    retries: Annotated[
        int | None,
        typer.Option(
            "--retries",
            help="How often a trial whose process died is given out again. Default: 2.",
            show_default=False,
        ),
    ] = None,
    store: StudyStoreOption = None,
    project: StudyProjectOption = None,
    dry_run: DryRunOption = False,
    *,
    output: Output,
) -> None:
    """Create a study, and the store with it where there is none."""
    from mooring.cli.study_tables import spec_record, spec_tables
    from mooring.optimize.asked_study import AskedStudy, read_space

    if direction is not None and objectives:
        raise Misuse("--direction and --objective contradict each other")
    asked = AskedStudy.check(
        name,
        space=read_space(_read_json(space)),
        direction=direction,
        objectives=_named_directions(objectives) if objectives else None,
        method=method,
        seed=seed,
        prune_on=prune_on,
        pruner=pruner,
        retries=retries,
    )
    address = study_store(store)
    chosen = _plan(asked, address, project) if dry_run else _enter(asked, address, project)
    spec = asked.spec()
    if output.format is Format.JSON:
        output.record(spec_record(spec, project=chosen, store=address))
    else:
        output.sections(spec_tables(spec, asked.space, project=chosen, store=address))
    verb = "would create" if dry_run else "created"
    output.say(f"{verb} study {name!r} in project {chosen} of {address}")


def ask(
    name: StudyArgument,
    count: Annotated[int, typer.Option("--count", min=1, help="How many trials.")] = 1,
    store: StudyStoreOption = None,
    project: StudyProjectOption = None,
    *,
    output: Output,
) -> None:
    """Take the next trials, to be run by whoever asks and told with `tell`.

    They stay running until they are told, whatever becomes of this process; `resume --detached`
    gives them up.
    """
    from mooring.cli.study_tables import write_trials

    with changing_study(name, store, project) as study:
        taken = []
        try:
            for _ in range(count):
                taken.append(study.ask(detached=True).record)
        finally:
            # whatever happens, those that were given out are told
            if taken or not sys.exc_info()[0]:
                write_trials(output, study.spec, taken, asked=True)


def tell(
    name: StudyArgument,
    number: Annotated[
        int, typer.Argument(metavar="NUMBER", help="Number of the trial.", show_default=False)
    ],
    values: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="VALUE...",
            help="What it reached: a number, or NAME=NUMBER; one for each objective.",
            show_default=False,
        ),
    ] = None,
    failed: Annotated[bool, typer.Option("--failed", help="It failed.")] = False,
    pruned: Annotated[
        bool, typer.Option("--pruned", help="It was ended before; a value may tell how far it got.")
    ] = False,
    error: Annotated[
        str | None, typer.Option("--error", help="Why it failed.", show_default=False)
    ] = None,
    store: StudyStoreOption = None,
    project: StudyProjectOption = None,
    *,
    output: Output,
) -> None:
    """Tell what came of a trial, and show it as it is then."""
    from mooring.cli.study_tables import write_trials

    if failed and (pruned or values):
        raise Misuse(f"--failed and {'--pruned' if pruned else 'a value'} contradict each other")
    if error is not None and not failed:
        raise Misuse("--error tells why a trial failed; add --failed")
    if not (failed or pruned or values):
        raise Misuse("tell a value, --failed or --pruned")
    told = _read_told(values or [])
    with changing_study(name, store, project) as study:
        state = "failed" if failed else "pruned" if pruned else None
        record = study.tell(number, told, state=state, error=error)
        write_trials(output, study.spec, [record])


def best(
    name: StudyArgument,
    store: StudyStoreOption = None,
    project: StudyProjectOption = None,
    *,
    output: Output,
) -> None:
    """Show the best trial; of several objectives all that no other is better than."""
    from mooring.cli.study_tables import write_trials

    with reading_study(name, store, project) as study:
        found = study.best_trials
        if not found:
            raise StudyError(f"no trial of study {name!r} is complete yet")
        write_trials(output, study.spec, found)


def list_(
    store: StudyStoreOption = None,
    project: Annotated[
        str | None,
        typer.Option(
            "--project",
            help="Only studies of this project. Default: MOORING_PROJECT, else all.",
            show_default=False,
        ),
    ] = None,
    *,
    output: Output,
) -> None:
    """List studies, with how many trials each has and the best value of one objective."""
    from mooring.cli.study_tables import count_states, told_objectives
    from mooring.optimize.ledger import Ledger, TrialLog
    from mooring.optimize.results import best_of

    rows = []
    with deriving(study_store(store)) as opened:
        named = named_project(project)
        projects = [find_project(opened, named)] if named else opened.list_projects()
        for each in projects:
            ledger = Ledger(opened, each)
            for study in ledger.list_studies():
                log = TrialLog(ledger, study)
                trials = log.sync()
                log.close()
                found = best_of(study.spec, trials) if len(study.spec.objectives) == 1 else []
                row: dict[str, object] = {
                    "project": each,
                    "study": study.name,
                    "objectives": told_objectives(study.spec),
                    "method": study.spec.method,
                    "trials": len(trials),
                    **count_states(trials),
                    "best": found[0].value if found else None,
                }
                rows.append(row)
    columns = ["project", "study", "objectives", "best", "trials"]
    output.table(Table.of_records(rows, [*columns, *count_states([]), "method"]))


# reading what was typed


def _read_json(path: str) -> Mapping[str, Any]:
    """Return the object of a JSON file; `InvalidInput` that names the file and the place."""
    where = "standard input" if path == "-" else path
    content = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    try:
        found = json.loads(content, object_pairs_hook=_distinct)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise InvalidInput(f"{where} is no JSON: {error.msg} at {place}") from None
    except (UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"{where} is no JSON that can be read: {error}") from None
    except ValueError as error:
        raise InvalidInput(f"{where}: {error}") from None
    if not isinstance(found, dict):
        raise InvalidInput(f"{where} holds no object of parameters")
    if not found:
        raise InvalidInput(f"{where} names no parameter")
    return found


def _distinct(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    held = dict(pairs)
    if len(held) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twice!r} is there twice")
    return held


def _named_directions(texts: Sequence[str]) -> dict[str, str]:
    """Return objectives and directions of NAME=DIRECTION."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, direction = text.rpartition("=")
        if not equals or not name:
            raise Misuse(f"--objective is a name and a direction, as accuracy=maximize, not {text}")
        if name in found:
            raise Misuse(f"--objective {name} is given twice")
        found[name] = direction
    return found


def _read_told(texts: Sequence[str]) -> float | list[float] | dict[str, float] | None:
    """Return the numbers that texts are, by name where they have names."""
    if not texts:
        return None
    named = ["=" in text for text in texts]
    if any(named) != all(named):
        raise Misuse("name all values, as accuracy=0.9 seconds=1.5, or none of them")
    if not any(named):
        numbers = [_read_number(text, text) for text in texts]
        return numbers[0] if len(numbers) == 1 else numbers
    found: dict[str, float] = {}
    for text in texts:
        name, _, value = text.rpartition("=")
        if name in found:
            raise Misuse(f"{name} is told twice")
        found[name] = _read_number(value, text)
    return found


def _read_number(text: str, told: str) -> float:
    if not _NUMBER.fullmatch(text):
        kind = "no option of this command" if told.startswith("-") else "not a number"
        raise Misuse(f"{told} is {kind}")
    return float(text)


# creating


def _enter(asked: AskedStudy, address: str, project: str | None) -> str:
    from mooring.optimize.ledger import Ledger
    from mooring.optimize.opening import StudyPlace

    place = StudyPlace(address, project)
    try:
        Ledger(place.store, place.project).create_study(asked.spec())
        return place.project
    finally:
        place.close()


def _plan(asked: AskedStudy, address: str, project: str | None) -> str:
    """Return the project that a study would be in; `AlreadyExists` where it is there."""
    from mooring.model import ProjectName
    from mooring.optimize.ledger import Ledger
    from mooring.optimize.opening import DEFAULT_PROJECT, StudyPlace

    with contextlib.suppress(StoreNotFound), deriving(address) as opened:
        place = StudyPlace(opened, project)
        if Ledger(opened, place.project).find_study(asked.name) is not None:
            raise AlreadyExists(f"{place.project} has a study {asked.name!r} already")
        return place.project
    return str(ProjectName.parse(named_project(project) or DEFAULT_PROJECT))
