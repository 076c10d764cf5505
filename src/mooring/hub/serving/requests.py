"""What a model is asked and what it answers, as the hub's doors see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mooring.errors import InvalidInput

Cell = str | int | float | bool | None

WRONG_ROWS = (
    "records should be an array of arrays of plain values, each records size should be equal to "
    "the features count"
)


@dataclass(frozen=True, slots=True)
class ModelFile:
    """The file of a model.

    Attributes
    ----------
    path : where it lies; it is opened once for each process that serves it
    digest : digest of its content, by which a running process is found again
    name : how messages call it
    realm : whose it is, such as a project: processes are never shared between realms, so that a
        model keeps nothing of what others sent to the same file
    """

    path: Path
    digest: str
    name: str
    realm: str = ""


@dataclass(frozen=True, slots=True)
class PredictionRequest:
    """Rows to predict.

    Attributes
    ----------
    features : names of the columns of `records`; names may repeat, and the first one counts
    records : rows of cells; None is a missing value
    threshold : probability from which the second of two classes is told, or None
    target : name of the column of predictions; default: what the model's file tells, or
        `prediction`. Where a feature has this name it is `prediction`, and where one is called so
        too, `predicted_prediction`.
    with_features : whether the given cells are part of the answer
    """

    features: Sequence[str]
    records: Sequence[Sequence[Cell]] = field(repr=False)
    threshold: float | None = None
    target: str | None = None
    with_features: bool = True


@dataclass(frozen=True, slots=True)
class PredictionResult:
    """Rows with their predictions.

    Attributes
    ----------
    columns : the features, the prediction, and `proba_<class>` for each class where the model
        tells probabilities
    data : a row of cells for each record. Cells are null, booleans, finite numbers or texts: NaN
        and infinities became null, times ISO 8601, anything else its text.
    time_consumed_ms : from the request to its answer, with the start of a process if it took one
    records_count : how many rows
    """

    columns: Sequence[str]
    data: Sequence[Sequence[Cell]] = field(repr=False)
    time_consumed_ms: int
    records_count: int


def check_records(features: object, records: object) -> None:
    """Raise unless each record is an array of plain values, one for each feature.

    Raises
    ------
    InvalidInput
        With the message that clients of the Auger API know.

    >>> check_records(["a", "b"], [[1, None], ["x", 2.5]])
    """
    if not isinstance(features, list) or not all(isinstance(name, str) for name in features):
        raise InvalidInput("features should be an array of strings")
    fits = isinstance(records, list) and all(
        isinstance(row, list)
        and len(row) == len(features)
        and all(isinstance(cell, (str, int, float, bool, type(None))) for cell in row)
        for row in records
    )
    if not fits:
        raise InvalidInput(WRONG_ROWS)
