"""Notes which public calls of Neptune's packages a script makes; runs in their environments."""

import atexit
import enum
import inspect
import json
import os
import sys
import threading
from importlib import import_module
from pathlib import Path

MODULES = {
    "neptune_scale": {
        "neptune_scale": (),
        "neptune_scale.api.run": ("SourceTrackingConfig",),
        "neptune_scale.projects": (),
        "neptune_scale.types": (),
        "neptune_scale.legacy": ("Attribute",),
        "neptune_scale.cli.commands": (),
    },
    "neptune_query": {
        "neptune_query": (),
        "neptune_query.runs": (),
        "neptune_query.experimental": (),
        "neptune_query.filters": (),
        "neptune_query.types": (),
    },
    "neptune_fetcher": {
        "neptune_fetcher": (),
        "neptune_fetcher.fetchable": ("UnsupportedFetchable",),
        "neptune_fetcher.alpha": (),
        "neptune_fetcher.alpha.runs": ("download_files",),
        "neptune_fetcher.alpha.filters": (),
    },
}
"""Public modules, and what is public there without being in their `__all__`."""

OPERATORS = {
    f"__{name}__" for name in ["getitem", "setitem", "delitem", "exit", "and", "or", "invert"]
}
PASSED_THROUGH = {"contextlib", "click", "logging"}
"""Packages that call on behalf of who called them."""


def surface(package):
    """Return the code of each public call by its name, in the order of the modules."""
    found, known = {}, set()
    for module_name, more in MODULES[package].items():
        module = import_module(module_name)
        listed = getattr(module, "__all__", None)
        for name, value in vars(module).items():
            own = getattr(value, "__module__", None) == module_name and not name.startswith("_")
            if (name in listed or name in more) if listed else own or name in more:
                for call, code in _calls_of(f"{module_name}.{name}", value, package):
                    # Code is equal where its text is, as that of two dataclasses may be.
                    if id(code) not in known:  # else inherited, and listed where it is defined
                        known.add(id(code))
                        found[call] = code
    return found


def _calls_of(name, value, package):
    if hasattr(value, "callback"):  # a command of a command line
        value = value.callback
    if inspect.isfunction(value):
        yield name, inspect.unwrap(value).__code__
    elif inspect.isclass(value) and not issubclass(value, enum.Enum):
        if inspect.isfunction(value.__init__):
            yield name, value.__init__.__code__
        for base in value.__mro__:
            for member, held in vars(base).items() if base.__module__.startswith(package) else ():
                if member in OPERATORS or not member.startswith("_"):
                    held = held.fget if isinstance(held, property) else held
                    held = inspect.unwrap(getattr(held, "__func__", held))
                    if inspect.isfunction(held):
                        yield f"{name}.{member}", held.__code__


class _Recorder:
    def __init__(self, path, test):
        self.path, self.test, self.question = path, test, None
        self._names = {}  # by the id of their code: to hash a code object takes long
        self._known = set()
        self._settled, self._within = set(), set()

    def ask(self, question):
        self.question = question
        self._settled, self._within = set(), set()

    def __call__(self, frame, event, _):
        if event != "call" or (key := id(frame.f_code)) in self._settled:
            return
        package = frame.f_globals.get("__name__", "").partition(".")[0]
        if package not in MODULES:
            return
        direct = _is_called_by_the_script(frame)
        if package not in self._known:
            if not direct:
                return  # its modules may be half imported
            self._known.add(package)
            for name, code in surface(package).items():
                self._names[id(code)] = (name, code)
        if key not in self._names:
            self._settled.add(key)
        elif direct or key not in self._within:
            (self._settled if direct else self._within).add(key)
            told = [self.test, self.question, self._names[key][0], direct]
            with Path(self.path).open("a") as records:
                records.write(json.dumps(told) + "\n")


def _is_called_by_the_script(frame):
    caller = frame.f_back
    while caller is not None and (
        caller.f_code.co_name == "wrapper"
        or caller.f_globals.get("__name__", "").partition(".")[0] in PASSED_THROUGH
    ):
        caller = caller.f_back
    return caller is not None and caller.f_globals.get("__name__") == "__main__"


_recorder = None


def start():
    """Note the calls of this process, if it was started by a test and not by a client."""
    global _recorder
    path, test = os.environ.get("RECORDED_CALLS"), os.environ.get("PYTEST_CURRENT_TEST")
    if path and test and not any("multiprocessing" in word for word in sys.orig_argv):
        _recorder = _Recorder(path, test)
        threading.setprofile(_recorder)
        sys.setprofile(_recorder)
        atexit.register(sys.setprofile, None)  # modules are taken apart after it


def ask(question):
    """Note that what is called from now on is called for a question."""
    if _recorder:
        _recorder.ask(question)
