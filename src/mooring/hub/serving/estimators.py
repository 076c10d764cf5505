"""From the file of a model to rows of predictions. Only a model's own process runs this.

It is run by its path, without the package: standard library, and what the model brings along.

A model's file is a pickle of an estimator (written by `pickle` or `joblib`), or a zip that holds
one as `model.pkl` or `model.joblib` at its top, with an optional `options.json` beside it:
`{"features": [names in the order of training], "target": name of what is predicted}`.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Any

_MODELS = ("model.pkl", "model.joblib")
_OPTIONS = "options.json"
_OPTIONS_BYTES = 1 << 20
_INT64 = 1 << 63


class Unusable(Exception):
    """The file holds no model that can be served."""


class Unfit(Exception):
    """The model cannot be asked what a request asks."""


@dataclass(frozen=True)
class Model:
    """An estimator, and what the file tells beside it."""

    estimator: Any
    features: Sequence[str] | None
    target: str | None


# loading


def load_model(file: IO[bytes], limit: int) -> Model:
    """Load the estimator of a file. This runs whatever the file says.

    Parameters
    ----------
    limit : longest estimator of a zip after it was unpacked, in bytes

    Raises
    ------
    Unusable
        When there is none, or what it needs is not installed.
    """
    options: dict[str, Any] = {}
    if zipfile.is_zipfile(file):
        file.seek(0)
        estimator, options = _load_zip(file, limit)
    else:
        file.seek(0)
        estimator = _unpickle(file)
    if not callable(getattr(estimator, "predict", None)):
        kind = type(estimator).__name__
        raise Unusable(f"it holds a {kind}, which has no predict()")
    features, target = options.get("features"), options.get("target")
    if features is None:
        features = getattr(estimator, "feature_names_in_", None)
    return Model(
        estimator,
        None if features is None else [str(name) for name in features],
        target if isinstance(target, str) else None,
    )


def _load_zip(file: IO[bytes], limit: int) -> tuple[Any, dict[str, Any]]:
    import io

    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            held = [name for name in _MODELS if name in names]
            if len(held) != 1 or names.count(held[0]) != 1:
                raise Unusable("the zip holds no single model.pkl or model.joblib at its top")
            content = _member(archive, held[0], limit)
            told = _member(archive, _OPTIONS, _OPTIONS_BYTES) if _OPTIONS in names else b"{}"
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise Unusable(f"the zip cannot be read: {error}") from None
    try:
        options = json.loads(told)
    except (ValueError, RecursionError):
        raise Unusable("its options.json is not JSON") from None
    if not isinstance(options, dict):
        raise Unusable("its options.json is no object")
    features = options.get("features")
    if features is not None and not (
        isinstance(features, list) and all(isinstance(name, str) for name in features)
    ):
        raise Unusable("features of its options.json is no array of strings")
    return _unpickle(io.BytesIO(content)), options


def _member(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    with archive.open(name) as member:  # the size that a zip declares proves nothing
        content = member.read(limit + 1)
    if len(content) > limit:
        raise Unusable(f"its {name} is longer than {limit} bytes")
    return content


def _unpickle(file: IO[bytes]) -> Any:
    try:
        import joblib  # type: ignore[import-untyped]
    except ImportError:
        raise Unusable("scikit-learn is not installed beside this hub") from None
    try:
        return joblib.load(file)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - a pickle raises whatever it likes
        kind = type(error).__name__
        raise Unusable(f"it cannot be unpickled here: {kind}: {error}") from None


# predicting


def predict(
    model: Model,
    features: Sequence[str],
    records: Sequence[Sequence[Any]],
    *,
    threshold: float | None = None,
    target: str | None = None,
    with_features: bool = True,
) -> tuple[list[str], list[list[Any]]]:
    """Return columns and rows: what was given, the prediction, and a probability of each class.

    Every cell is null, a boolean, a number that is finite, or a text: NaN and infinities become
    null, times become ISO 8601, anything else its text.

    Raises
    ------
    Unfit
        When the request lacks features of the model, or a threshold makes no sense for it.
    """
    named = target or model.target or "prediction"
    if named in features:
        named = "prediction"
    while named in features:
        named = f"predicted_{named}"
    columns = list(features) if with_features else []
    rows = [[plain(cell) for cell in record] if with_features else [] for record in records]
    if not records:
        return [*columns, named], rows
    given = _select(model, features, records)
    classes = _classes(model.estimator)
    probabilities = _probabilities(model.estimator, given, classes)
    if threshold is not None:
        predicted = _above(threshold, classes, probabilities)
    else:
        predicted = _columns_of(model.estimator.predict(given), len(records))
    if len(predicted) == 1:
        columns.append(named)
    else:
        columns += [f"{named}_{number}" for number in range(len(predicted))]
    if probabilities is not None:
        columns += [f"proba_{plain(name)}" for name in classes]
        predicted = [*predicted, *_columns_of(probabilities, len(records))]
    for column in predicted:
        for row, cell in zip(rows, column, strict=True):
            row.append(plain(cell))
    return columns, rows


def _select(model: Model, features: Sequence[str], records: Sequence[Sequence[Any]]) -> Any:
    """Return what `predict` is given: the features of the model, in its order."""
    wanted = model.features
    if wanted is None:
        places = list(range(len(features)))
        count = getattr(model.estimator, "n_features_in_", None)
        if count is not None and count != len(features):
            raise Unfit(f"the model takes {count} features, and {len(features)} were given")
        names = list(features)
    else:
        missing = [name for name in wanted if name not in features]
        if missing:
            listed = ", ".join(repr(name) for name in missing[:10])
            raise Unfit(f"the model wants features that were not given: {listed}")
        places = [list(features).index(name) for name in wanted]
        names = list(wanted)
    if _takes_texts(model.estimator):
        if len(places) != 1:
            raise Unfit(f"the model takes one text, and {len(places)} features were given")
        return ["" if record[places[0]] is None else str(record[places[0]]) for record in records]
    return _frame(model, names, [[record[place] for place in places] for record in records])


def _frame(model: Model, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Any:
    import numpy
    import pandas

    frame = pandas.DataFrame(rows)
    for place in frame.columns:
        if frame[place].isna().all():
            frame[place] = numpy.full(len(frame), numpy.nan, dtype=object)
    if model.features is None or getattr(model.estimator, "feature_names_in_", None) is None:
        # An estimator that was fitted without names warns of names.
        if all(_is_numeric(frame[place]) for place in frame.columns):
            return frame.to_numpy(dtype=float)
        values = frame.to_numpy(dtype=object, copy=True)  # else it may be read-only
        values[pandas.isna(values)] = numpy.nan
        return values
    frame.columns = pandas.Index(names)
    return frame


def _is_numeric(column: Any) -> bool:
    import pandas

    return pandas.api.types.is_numeric_dtype(column.dtype) or bool(column.isna().all())


def _takes_texts(estimator: Any) -> bool:
    """Tell whether the first step makes words of texts: it takes a list of them, not a table."""
    steps = getattr(estimator, "steps", None)
    first = steps[0][1] if isinstance(steps, list) and steps else estimator
    return callable(getattr(first, "build_analyzer", None))


def _classes(estimator: Any) -> list[Any]:
    found = getattr(estimator, "classes_", None)
    if found is None or getattr(found, "ndim", 1) != 1:
        return []
    return list(found)


def _probabilities(estimator: Any, given: Any, classes: Sequence[Any]) -> Any:
    """Return a column of probabilities for each class, or None where the model tells none."""
    if not classes or not hasattr(estimator, "predict_proba"):
        return None
    found = estimator.predict_proba(given)
    shape: Any = getattr(found, "shape", ())
    return found if len(shape) == 2 and shape[1] == len(classes) else None


def _above(threshold: float, classes: Sequence[Any], probabilities: Any) -> list[list[Any]]:
    """Return the second class where its probability is at least the threshold."""
    if probabilities is None or len(classes) != 2:
        raise Unfit("a threshold is for models that tell the probabilities of two classes")
    return [[classes[1] if row[1] >= threshold else classes[0] for row in probabilities]]


def _columns_of(values: Any, count: int) -> list[list[Any]]:
    """Return the columns of an array of one or two dimensions."""
    import numpy

    array = numpy.asarray(values)
    shape: tuple[int, ...] = array.shape
    if len(shape) not in (1, 2) or shape[0] != count:
        raise Unfit(f"the model answered {count} rows with an array of shape {shape}")
    return [list(array)] if len(shape) == 1 else [list(column) for column in array.T]


def plain(value: Any) -> Any:
    """Return a value as JSON has it.

    >>> [plain(value) for value in (float("nan"), 2, "a", None, 1e308)]
    [None, 2, 'a', None, 1e+308]
    """
    if type(value).__name__ in ("datetime64", "timedelta64"):
        return None if str(value) == "NaT" else str(value)
    item = getattr(value, "item", None)
    if callable(item) and not isinstance(value, (bytes, str)):
        value = item()
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return value if -_INT64 <= value < _INT64 else float(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if callable(getattr(value, "isoformat", None)):
        return value.isoformat()
    return str(value)
