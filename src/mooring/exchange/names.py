"""Names that other trackers can have for attributes, runs and projects: cleaned, kept apart."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping

_DIGITS = 8
_NOT_PLAIN = re.compile(r"[^a-zA-Z0-9_]")


def short_digest(*texts: str) -> str:
    """Return eight hex digits that tell texts apart.

    >>> short_digest("a:b"), short_digest("a", "b") == short_digest("ab")
    ('f69b2c8d', False)
    """
    whole = hashlib.blake2b(digest_size=_DIGITS // 2)
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        whole.update(len(data).to_bytes(8, "big") + data)
    return whole.hexdigest()


def with_digest(name: str, *original: str, limit: int | None = None, joint: str = "_") -> str:
    """Return `name`, cut to leave room where there is a limit, with a digest of what it stands for.

    >>> with_digest("a_b", "a:b"), with_digest("a_b", "a:b", limit=10)
    ('a_b_f69b2c8d', 'a_f69b2c8d')
    """
    kept = name if limit is None else name[: limit - _DIGITS - len(joint)]
    return f"{kept}{joint}{short_digest(*original)}"


def exporter_name(path: str) -> str:
    """Return a name of letters, digits and `_`, as Neptune's own exporter makes it of a path.

    >>> exporter_name("metrics/train loss"), exporter_name("1st"), exporter_name("")
    ('metrics_train_loss', '_1st', '_attribute')
    """
    name = _NOT_PLAIN.sub("_", path) or "_attribute"
    return name if name[0].isalpha() or name[0] == "_" else f"_{name}"


class Names:
    """Gives each path a name of its own, by a tracker's rules.

    The first path that comes to a name has it, so that names are those that users know; one that
    comes to the same name later gets a digest of the path at its end. `plan` makes that independent
    of the order in which paths come; a target that can be gone on with after a kill hands in what
    it gave before (`given`).

    Parameters
    ----------
    clean : what the tracker's rules make of a path; other names than it returns are never given
        but with a digest
    limit : longest name, in characters; None: there is none
    nested : whether a name may be a folder of another one (`a` and `a/b`); where it may not, the
        shorter one gets a digest, provided that both are planned
    taken : names that are used for something else
    given : names by path, of earlier

    Examples
    --------
    >>> names = Names(exporter_name, limit=250)
    >>> names.of("a/b"), names.of("a:b"), names.of("a/b")
    ('a_b', 'a_b_f69b2c8d', 'a_b')
    >>> dict(names.renamed)
    {'a/b': 'a_b', 'a:b': 'a_b_f69b2c8d'}
    """

    def __init__(
        self,
        clean: Callable[[str], str],
        *,
        limit: int | None = None,
        nested: bool = True,
        taken: Iterable[str] = (),
        given: Mapping[str, str] | None = None,
    ) -> None:
        self._clean = clean
        self._limit = limit
        self._nested = nested
        self._names = dict(given or {})
        self._taken = {*taken, *self._names.values()}

    @property
    def renamed(self) -> Mapping[str, str]:
        """Paths whose name is another one than the path, with the name."""
        return {path: name for path, name in self._names.items() if path != name}

    def plan(self, paths: Iterable[str]) -> None:
        """Give names to all of `paths`: those that can keep theirs do, the others in their order.

        >>> names = Names(exporter_name, limit=250)
        >>> names.plan(["a:b", "a_b"])
        >>> names.of("a:b"), names.of("a_b")
        ('a_b_f69b2c8d', 'a_b')
        """
        wanted = {path: self._clean(path) for path in paths}
        if not self._nested:
            self._taken.update(folder for name in wanted.values() for folder in folders_of(name))
        for path in sorted(wanted, key=lambda path: (wanted[path] != path, path)):
            self.of(path)

    def of(self, path: str) -> str:
        """Return the name of a path."""
        if (name := self._names.get(path)) is not None:
            return name
        clean = name = self._clean(path)
        if name in self._taken or (self._limit is not None and len(name) > self._limit):
            name = with_digest(clean, path, limit=self._limit)
        count = 1
        while name in self._taken:
            count += 1
            name = with_digest(clean, path, str(count), limit=self._limit)
        self._names[path] = name
        self._taken.add(name)
        return name


def allocate_names(
    paths: Iterable[str],
    clean: Callable[[str], str],
    *,
    limit: int | None = None,
    nested: bool = True,
    taken: Iterable[str] = (),
) -> dict[str, str]:
    """Return the names of paths that are known all at once, as `Names` gives them.

    >>> allocate_names({"a:b", "a_b"}, exporter_name)
    {'a:b': 'a_b_f69b2c8d', 'a_b': 'a_b'}
    >>> allocate_names({"a", "a/b"}, str, nested=False)
    {'a': 'a_e22a1aa5', 'a/b': 'a/b'}
    """
    names = Names(clean, limit=limit, nested=nested, taken=taken)
    wanted = sorted(set(paths))
    names.plan(wanted)
    return {path: names.of(path) for path in wanted}


def folders_of(name: str) -> list[str]:
    """Return the names that a name lies below.

    >>> folders_of("a/b/c")
    ['a', 'a/b']
    """
    return [name[:at] for at, character in enumerate(name) if character == "/"]
