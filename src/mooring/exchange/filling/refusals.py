"""What other trackers' clients raise, as our errors, which name the run and the attribute."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias

from mooring.errors import TargetRefused, TargetUnreachable

Errors: TypeAlias = tuple[type[Exception], ...]


@contextmanager
def translated(
    who: str,
    *,
    where: str,
    run: str | None,
    path: str | None = None,
    gone: Errors = (),
    refused: Errors,
    advice: str = "",
) -> Iterator[None]:
    """Turn errors of a block into ours; what the target says itself stays what it is.

    Parameters
    ----------
    who : what answered, as a person would say it, such as `ZenML at /data/zenml`
    where : address of the target
    run, path : what it was about; without a run it was the target itself
    gone : errors after which the same call may succeed later
    refused : errors after which it will not
    advice : what to do about a refusal, put behind the reason

    >>> with translated("Tracker", where="here", run="r", path="loss", refused=(KeyError,)):
    ...     {}["x"]
    Traceback (most recent call last):
    mooring.errors.TargetRefused: Tracker refuses loss of r: 'x'
    """
    about = f"{path or 'the run'} of {run}" if run else "the active store"
    try:
        yield
    except (TargetRefused, TargetUnreachable):
        raise
    except gone as error:
        raise TargetUnreachable(
            f"{who} does not answer ({about}): {error}", where=where, run=run, attribute=path
        ) from error
    except refused as error:
        raise TargetRefused(
            f"{who} refuses {about}: {error}{advice}", where=where, run=run, attribute=path
        ) from error
