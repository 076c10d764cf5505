"""Writes the page `docs/cli.md` from the commands themselves: `python -m mooring.cli.reference`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import typer

from mooring.cli.app import app

_INTRODUCTION = """\
# The command `mooring`

This page is made from the commands themselves: `python -m mooring.cli.reference > docs/cli.md`.

**Store.** The first argument of most commands is a store, a file such as `runs.db`. It may be left
out where `MOORING_STORE` names one: a command that lacks an argument takes it from there. A store
that is not there is an error, and nothing is created.

**Formats.** `--format table|json|jsonl|csv|markdown`; `--json` is the same as `--format json`. The
default is a table on a terminal, and Markdown where the output goes to a file or another program.

| value | table, Markdown | CSV | JSON |
| --- | --- | --- | --- |
| missing | nothing | nothing | `null` |
| empty text | `""` | `""` | `""` |
| NaN, infinities | `NaN`, `Infinity`, `-Infinity` | the same | the same, as text |
| whole numbers | all digits | all digits | all digits |
| true, false | `true`, `false` | the same | the same |
| bytes | `x'00ff'` | `x'00ff'` | `"x'00ff'"` |
| text that looks like a number | quoted where the column also holds numbers | quoted | text |
| text with line ends, control characters, terminal escapes | quoted, as `\\\\u001b` | as it is; \
on a terminal as `\\\\u001b` | as `\\\\u001b` |

A table that is wider than the terminal folds its cells; columns that still have no room are named
on standard error.

**Output.** Data goes to standard output; words, warnings and progress to standard error.

**Exit codes.** 0 done, 1 failed, 2 misuse, 3 partly done. An error is told in a line on standard
error; `mooring --debug COMMAND`, or `MOORING_DEBUG=1`, shows its traceback.

**Completion.** `mooring --install-completion` teaches the shell the names of commands and options.
"""


def render() -> str:
    """Return the page."""
    root = typer.main.get_command(app)
    return "\n".join([_INTRODUCTION.replace("\\\\", "\\"), *_sections(root, "mooring")])


def _sections(command: Any, name: str) -> Iterator[str]:
    if hasattr(command, "commands"):
        for part, inner in command.commands.items():
            yield from _sections(inner, f"{name} {part}")
        return
    arguments = [p for p in command.params if p.param_type_name == "argument" and not p.hidden]
    options = [p for p in command.params if p.param_type_name == "option" and not p.hidden]
    usage = " ".join([name, *(_metavar(argument) for argument in arguments), "[OPTIONS]"])
    yield f"## {name}\n\n{command.help}\n\n    {usage}\n"
    yield "| | |\n| --- | --- |"
    for parameter in [*arguments, *options]:
        yield f"| {_name(parameter)} | {_help(parameter)} |"
    examples = [line for line in command.epilog.splitlines() if line.startswith("  ")]
    yield "\n```bash\n" + "\n".join(line.strip() for line in examples) + "\n```\n"


def _metavar(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    return name if argument.required or name.startswith("[") else f"[{name}]"


def _name(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{_metavar(parameter)}`"
    return ", ".join(f"`{name}`" for name in [*parameter.opts, *parameter.secondary_opts])


def _help(parameter: Any) -> str:
    text = parameter.help or ""
    default = parameter.default
    if parameter.param_type_name == "option" and default not in (None, False, True):
        text += f" Default: `{getattr(default, 'value', default)}`."
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(render())
