"""What every command has: `--format`, examples in its help, and errors of one line.

Exit codes: 0 done, 1 failed, 2 misuse, 3 partly done.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from mooring.cli.cells import escaped
from mooring.cli.formats import Format
from mooring.cli.output import Output
from mooring.cli.startup import OWN_PROCESS, begin_without_pandas
from mooring.errors import MooringError

FAILED, PARTLY = 1, 3
"""Exit codes that commands return; 0 is None, and Typer gives 2 for misuse."""

STORE_VARIABLE = "MOORING_STORE"
DEBUG_VARIABLE = "MOORING_DEBUG"

_STORE_PARAMETERS = ("db", "store")
_HELP = ("--help", "-h")

_FormatOption = Annotated[
    Format | None,
    typer.Option(
        "--format",
        help="table, json, jsonl, csv or markdown. Default: table on a terminal, else markdown.",
        show_default=False,
    ),
]
_JsonOption = Annotated[
    bool, typer.Option("--json/--no-json", help="The same as --format json.", show_default=False)
]


class Misuse(typer.BadParameter):
    """Arguments that do not go together; the message says which, and the exit code is 2."""

    def format_message(self) -> str:
        """Return the message as it is."""
        return self.message


class Command(TyperCommand):
    """A command whose first argument, the store, may be left to `MOORING_STORE`.

    It is, when that variable is set and the command would otherwise lack an argument. So
    `mooring set accuracy 0.8` means the store of the variable, and `mooring set runs.db accuracy
    0.8` the file `runs.db`.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse what follows the command's name."""
        if self._takes_store() and not set(_HELP).intersection(args):
            given, missing = self._arguments(ctx, list(args))
            if missing and (address := os.environ.get(STORE_VARIABLE)):
                args = [address, *args]
            elif missing and given:
                raise Misuse(self._hint(ctx, given, missing), ctx=ctx)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        if ctx.obj == OWN_PROCESS and self._takes_store():
            begin_without_pandas()
        return super().invoke(ctx)

    def _takes_store(self) -> bool:
        return bool(self.params) and self.params[0].name in _STORE_PARAMETERS

    def _arguments(self, ctx: Any, args: list[str]) -> tuple[list[str], str | None]:
        """Return the positional arguments, and the name of the first that is missing."""
        values, _, _ = self.make_parser(ctx).parse_args(args=args)
        given: list[str] = []
        for parameter in self.params:
            if parameter.param_type_name == "argument":
                value = values.get(parameter.name or "")
                # left out, it is None, or in later versions of the parser a marker of its own
                if isinstance(value, (str, tuple)) and value:
                    given += [value] if isinstance(value, str) else value
                elif parameter.required:
                    return given, parameter.metavar or str(parameter.name).upper()
        return given, None

    def _hint(self, ctx: Any, given: Sequence[str], missing: str) -> str:
        message = f"Missing argument '{missing}'."
        first = given[0]
        if not os.path.exists(first):  # noqa: PTH110 - text from the command line, as it is
            message += (
                f" The first argument is the store, and there is no file '{escaped(first)}'. "
                f"Name the store, as in: {ctx.command_path} runs.db {escaped(' '.join(given))}; "
                f"or set {STORE_VARIABLE}."
            )
        return message


class Group(TyperGroup):
    """The outermost edge: our errors, and those of the file system, become one line on stderr."""

    default: str | None = None
    """The command that is meant where none is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse what follows the group's name."""
        if self.default and args and args[0] not in self.commands and args[0] not in _HELP:
            args = [self.default, *args]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        if ctx.parent is not None or _wants_traceback(ctx):
            return super().invoke(ctx)
        try:
            return super().invoke(ctx)
        except MooringError as error:
            message = str(error)
        except BrokenPipeError:
            raise  # whoever read the output has enough
        except OSError as error:
            message = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        sys.stdout.flush()
        Output().say(f"mooring: {message}")
        raise typer.Exit(FAILED)


def command(
    group: typer.Typer, name: str, *, example: str, numbers: bool = False
) -> Callable[[Callable[..., int | None]], Callable[..., int | None]]:
    """Enter a function among the commands of a group.

    Its parameter `output` becomes the options `--format` and `--json`; what it returns is the
    exit code, None for 0.

    Parameters
    ----------
    example : lines that its help shows
    numbers : whether an argument may be a negative number, which looks like an option
    """

    def enter(function: Callable[..., int | None]) -> Callable[..., int | None]:
        def run(**arguments: Any) -> None:
            as_json = arguments.pop("as_json")
            format: Format | None = arguments.pop("format")
            if as_json and format not in (None, Format.JSON):
                raise Misuse(f"--json and --format {format} contradict each other")
            code = function(output=Output(Format.JSON if as_json else format), **arguments)
            if code:
                raise typer.Exit(code)

        signature = inspect.signature(function, eval_str=True)
        parameters = [p for p in signature.parameters.values() if p.name != "output"]
        for option, annotation, default in (
            ("format", _FormatOption, None),
            ("as_json", _JsonOption, False),
        ):
            parameters.append(
                inspect.Parameter(
                    option,
                    inspect.Parameter.KEYWORD_ONLY,
                    annotation=annotation,
                    default=default,
                )
            )
        run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        run.__name__ = function.__name__
        group.command(
            name,
            cls=Command,
            help=inspect.getdoc(function),
            epilog="\b\nExamples:\n" + "\n".join(f"  {line}" for line in example.splitlines()),
            context_settings={"ignore_unknown_options": True} if numbers else None,
        )(run)
        return function

    return enter


def make_group(help: str, *, completion: bool = False, default: str | None = None) -> typer.Typer:
    """Return an empty group of commands.

    `completion` adds the options that install it; `default` is the command that is meant where
    none is named.
    """
    return typer.Typer(
        cls=type("Group", (Group,), {"default": default}),
        help=help,
        no_args_is_help=True,
        add_completion=completion,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )


def _wants_traceback(ctx: Any) -> bool:
    return bool(ctx.params.get("debug") or os.environ.get(DEBUG_VARIABLE))
