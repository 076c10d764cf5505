"""Writes the module `families.py` from the table of resources.

`python -m mooring.client.generating > src/mooring/client/families.py`
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mooring.wire.auger.resources import RESOURCES
from mooring.wire.auger.table import Action, JsonType, Operation, Parameter, Resource

_HEAD = '''\
"""The methods of `HubClient` for each resource. Made from the table, not to be edited:

`python -m mooring.client.generating > src/mooring/client/families.py`
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mooring.client.resource_calls import (
    NOT_SENT,
    Answer,
    Handler,
    ResourceCalls,
    as_sent,
    item_path,
    parent_path,
)

Id = int | str


class ResourceFamilies(ResourceCalls):
    """One method for each action of each resource.

    Each returns the parsed body of the answer: `data`, and `meta` with `status`. Parameters that
    are not given are not sent. `more` takes parameters that are not named here, and is sent as it
    is. Parameters whose name is a word of Python end in an underscore: `from_`, `async_`.
    """
'''

_TYPES: dict[JsonType, str] = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "object": "Mapping[str, Any]",
    "array": "Sequence[Any]",
    "any": "Any",
}
_RESERVED = frozenset({"from", "async"})
_PAGING = (
    Parameter(name="limit", types=("integer",)),
    Parameter(name="offset", types=("integer",)),
)
_PAGE_DEFAULTS = {"limit": "50", "offset": "0"}
_WIDTH = 100
_INNER = "        "
_GLUE = "\x00"
"""Stands for a blank where a line may not end."""


def render() -> str:
    """Return the module."""
    return _HEAD + "".join(
        f"\n    # {resource.plural}\n{''.join(_methods(resource))}" for resource in RESOURCES
    )


def method_names(resource: Resource) -> Iterator[tuple[str, Operation]]:
    """Yield the methods of a resource, each with the operation that it sends."""
    for operation in resource.operations:
        if operation.client_method:
            yield operation.client_method, operation
        elif operation.name == Action.INDEX:
            yield f"get_{resource.plural}", operation
            if operation.answer == "page":
                yield f"iter_{resource.plural}", operation
                yield f"iterate_all_{resource.plural}", operation
        elif operation.name == Action.SHOW:
            yield f"get_{resource.name}", operation
        else:
            yield f"{operation.name}_{resource.name}", operation


def _methods(resource: Resource) -> Iterator[str]:
    for name, operation in method_names(resource):
        yield "\n" + _Method(name, resource, operation).render()


@dataclass(frozen=True, slots=True)
class _Method:
    name: str
    resource: Resource
    operation: Operation

    @property
    def parent(self) -> str | None:
        """The parameter that names the parent, which is a part of the path."""
        found = re.search(r"\{(\w+_id)\}", self.operation.path)
        return found.group(1) if found else None

    @property
    def has_id(self) -> bool:
        return "{id}" in self.operation.path

    @property
    def walks(self) -> bool:
        return self.name.startswith("iter_")

    @property
    def parameters(self) -> Sequence[Parameter]:
        """What goes into the body, beside the parent."""
        operation = self.operation
        paging = _PAGING if operation.answer == "page" else ()
        named = {each.name for each in operation.parameters}
        return (*operation.parameters, *(each for each in paging if each.name not in named))

    def render(self) -> str:
        if self.name.startswith("iterate_all_"):
            return self._iterate_all()
        returns = "Answer"
        if self.walks:
            returns = "Iterator[Answer]"
        elif self.operation.answer == "text":
            returns = "str"
        return (
            _signature(self.name, [*self._positional(), *self._keywords()], returns)
            + self._docstring()
            + self._body()
        )

    def _positional(self) -> Iterator[str]:
        if self.has_id:
            yield "id: Id | None" if self._both else "id: Id"
        elif self.operation.name == Action.SHOW:
            for each in self.operation.parameters:
                yield f"{each.name}: {_hint(each)}"
        if self.parent and self.operation.client_method:
            yield f"{self.parent}: Id"

    def _keywords(self) -> Iterator[str]:
        if self.operation.name == Action.DELETE:
            return
        named = []
        if self.parent and not self.operation.client_method:
            named.append(f"{self.parent}: Id = NOT_SENT")
        if self.has_id or self.operation.name != Action.SHOW:
            for each in self.parameters:
                default = _PAGE_DEFAULTS.get(each.name) if each in _PAGING else None
                hint = _hint(each) if each.required or default else _optional(_hint(each))
                named.append(f"{_argument(each)}: {hint} = {default or 'NOT_SENT'}")
        if named:
            yield "*"
            yield from named
        yield "**more: Any"

    @property
    def _both(self) -> bool:
        """Whether the same call without an id is one for many objects."""
        names = {each.name for each in self.resource.operations}
        return self.operation.name == Action.UPDATE and "update_many" in names

    # the body

    def _body(self) -> str:
        return textwrap.indent("\n".join(self._statements()), _INNER) + "\n"

    def _statements(self) -> Iterator[str]:
        operation = self.operation
        collection, _, rest = operation.path.partition("/{id}")
        path = f'"{collection}"'
        if self.parent:
            yield _assigned("within", f"parent_path({path}, {self.parent}={self.parent})")
            path = "within"
        where = f"item_path({path}, id)" if self.has_id else path
        if rest:
            where += f' + "{rest}"'
        if operation.answer == "text":
            yield f"return self._ask_text({where})"
            return
        if operation.name == Action.DELETE:
            yield f'return self._change("delete", {where}, {{}})'
            return
        yield self._sent()
        if self._both:
            yield "if not id:"
            yield f'    return self._change("patch", {path}, sent, repeat=True)'
        if self.walks:
            yield f"return self._walk({where}, sent)"
        elif operation.method == "GET":
            yield f'return self._ask("get", {where}, sent)'
        elif operation.method == "POST":
            yield f"return self._create({where}, sent)"
        else:
            again = ", repeat=True" if operation.name == "update_many" else ""
            yield f'return self._change("{operation.method.lower()}", {where}, sent{again})'

    def _sent(self) -> str:
        named = [f"{_argument(each)}={_argument(each)}" for each in self.parameters]
        # The parent is told in the body too where clients always told it: of lists and creations.
        if self.parent and self.operation.name in (Action.INDEX, Action.CREATE):
            named.insert(0, f"{self.parent}={self.parent}")
        line = f"sent = as_sent({', '.join(['more', *named])})"
        if len(line) + len(_INNER) <= _WIDTH:
            return line
        return "\n".join(["sent = as_sent(", "    more,", *(f"    {each}," for each in named), ")"])

    # words

    def _docstring(self) -> str:
        operation = self.operation
        told = [f"`{operation.method} {operation.path}`."]
        if operation.name in (Action.CREATE, Action.SHOW):
            told.insert(0, self.resource.what)
        if operation.note:
            told.insert(0, operation.note)
        needed = [f"`{_argument(each)}`" for each in self.parameters if each.required]
        if self.parent:
            needed.insert(0, f"`{self.parent}`")
        if needed:
            told.append(f"Needed: {', '.join(needed)}.")
        filters = [f"`{each.name}`" for each in self.parameters if each.filter]
        if filters:
            told.append(f"Filters: {', '.join(filters)}.")
        if self.walks:
            told.append("`limit` is the length of a page; it goes on from `offset` to the end.")
        else:
            told.append(_answered(self.resource, operation))
        told.extend(_states(self.resource, operation))
        what = _what(self.resource, operation, walks=self.walks)
        told = [re.sub(r"`[^`]+`", lambda found: found[0].replace(" ", _GLUE), one) for one in told]
        text = textwrap.fill(" ".join(told), _WIDTH - len(_INNER), break_on_hyphens=False)
        text = text.replace(_GLUE, " ")
        lines = f'"""{what}\n\n{text}\n"""'.splitlines()
        return "".join(f"{_INNER}{line}\n" if line else "\n" for line in lines)

    def _iterate_all(self) -> str:
        walk = f"iter_{self.resource.plural}"
        return (
            _signature(self.name, ["handler: Handler", "**filters: Any"], "None")
            + f'{_INNER}"""Call a handler with each object of `{walk}`, which has the filters."""\n'
            + f"{_INNER}for each in self.{walk}(**filters):\n"
            + f"{_INNER}    handler(each)\n"
        )


def _signature(name: str, parameters: Sequence[str], returns: str) -> str:
    line = f"    def {name}({', '.join(['self', *parameters])}) -> {returns}:\n"
    if len(line) <= _WIDTH + 1:
        return line
    inner = "".join(f"        {each},\n" for each in ["self", *parameters])
    return f"    def {name}(\n{inner}    ) -> {returns}:\n"


def _assigned(name: str, call: str) -> str:
    line = f"{name} = {call}"
    if len(line) + len(_INNER) <= _WIDTH:
        return line
    function, _, arguments = line.removesuffix(")").partition("(")
    return f"{function}(\n    {arguments}\n)"


def _argument(parameter: Parameter) -> str:
    return f"{parameter.name}_" if parameter.name in _RESERVED else parameter.name


def _hint(parameter: Parameter) -> str:
    kinds = [
        f"Sequence[{_TYPES[parameter.items]}]"
        if kind == "array" and parameter.items
        else _TYPES[kind]
        for kind in parameter.types
    ]
    hint = " | ".join(kinds)
    return _optional(hint) if parameter.nullable else hint


def _optional(hint: str) -> str:
    return hint if hint == "Any" or hint.endswith("None") else f"{hint} | None"


def _what(resource: Resource, operation: Operation, *, walks: bool) -> str:
    one = resource.name.replace("_", " ")
    many = resource.plural.replace("_", " ")
    article = "an" if one[0] in "aeiou" else "a"
    match operation.name:
        case Action.INDEX if walks:
            return f"Yield the {many}, one by one."
        case Action.INDEX if operation.answer == "page":
            return f"Return a page of the {many}."
        case Action.SHOW if "{id}" not in operation.path:
            return "Return the status of one object, and nothing else of it."
        case Action.INDEX | Action.SHOW:
            return f"Return {article} {one}."
        case Action.CREATE:
            return f"Create {article} {one}."
        case Action.UPDATE:
            return f"Change {article} {one}."
        case Action.DELETE:
            return f"Delete {article} {one}."
        case "update_many":
            return f"Create or change many {many} at once, each known by its `uid`."
        case "delete_all":
            return f"Delete {many}, by what is asked for."
        case "logs":
            return f"Return the logs of {article} {one}, as text."
    return f"{operation.name.capitalize()} {article} {one}."


def _answered(resource: Resource, operation: Operation) -> str:
    shown = [f"`{each.name}`" for each in resource.fields[:6]]
    told = ", ".join(shown) + (" and more" if len(resource.fields) > 6 else "")
    match operation.answer:
        case "page":
            return "`data` is a list, `meta.pagination` tells `limit, offset, count, total`."
        case "list":
            return "`data` is a list."
        case "text":
            return "The answer is no JSON."
        case "object" if shown:
            return f"`data` has {told}."
        case "other" if shown:
            return f"`data` has {told}."
    return "`data` is an object." if operation.answer == "object" else "`meta` has the `status`."


def _states(resource: Resource, operation: Operation) -> Iterator[str]:
    if operation.name not in (Action.CREATE, Action.UPDATE, Action.SHOW):
        return
    for machine in resource.states:
        yield f"`{machine.field}` is one of {', '.join(machine.states)}."


if __name__ == "__main__":
    sys.stdout.write(render())
