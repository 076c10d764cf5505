"""Names that a target can have, kept apart."""

from __future__ import annotations

from collections.abc import Callable, Collection
from hashlib import sha256


def allocate_names(
    paths: Collection[str],
    rule: Callable[[str], str],
    *,
    limit: int | None = None,
    taken: Collection[str] = (),
    nested: bool = True,
) -> dict[str, str]:
    """Return a name for each path; no two are the same, and the same set gives the same names.

    A path that `rule` leaves as it is keeps its name. Of those that would meet the first in
    order keeps the name, the others get a suffix made from the path itself. `limit` cuts names to
    so many characters. `nested` False: no name may be a folder of another (`a` and `a/b`), as in
    targets that write a file for each; the shorter one gets the suffix then.

    >>> allocate_names({"a:b", "a_b", "a;b"}, lambda path: path.replace(":", "_").replace(";", "_"))
    {'a_b': 'a_b', 'a:b': 'a_b_6783a31e', 'a;b': 'a_b_5719af18'}
    """
    wanted = {path: rule(path)[:limit] for path in sorted(paths)}
    folders: set[str] = set()
    if not nested:
        for name in wanted.values():
            folders.update(name[:at] for at in range(len(name)) if name[at] == "/")
    used = set(taken) | folders
    names: dict[str, str] = {}
    for path in sorted(wanted, key=lambda path: (wanted[path] != path, path)):
        name = wanted[path]
        if name in used:
            name = with_suffix(name, path, limit=limit, used=used)
        used.add(name)
        names[path] = name
    return names


def with_suffix(
    name: str, path: str, *, limit: int | None = None, used: Collection[str] = ()
) -> str:
    """Return `name` with a suffix that only depends on `path`, and that is in use nowhere.

    >>> with_suffix("a_b", "a:b")
    'a_b_6783a31e'
    """
    digest = sha256(path.encode()).hexdigest()
    for length in range(8, len(digest) + 1, 8):
        suffix = f"_{digest[:length]}"
        kept = name if limit is None else name[: limit - len(suffix)]
        if kept + suffix not in used:
            break
    return kept + suffix
