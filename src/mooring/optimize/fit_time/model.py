"""Bayesian log-linear regression of fit times, in closed form.

The logarithm of the seconds of one fit is linear in `features.features`, with noise of a standard
deviation of 0.4. The prior of the coefficients is that of the algorithm's family; with the records
of the algorithm the posterior is (Bishop, Pattern Recognition and Machine Learning, eq. 3.50, 3.51
and 3.59)

    S = (P + XᵀX / σ²)⁻¹,  m = S (P m₀ + Xᵀy / σ²),  variance of one fit = xᵀSx + σ²

where P is the diagonal of the prior's precisions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mooring.errors import InvalidInput
from mooring.optimize.fit_time.families import Family, class_name, family_of
from mooring.optimize.fit_time.features import features, size

LEAST_SECONDS = 0.001
MOST_SECONDS = 1e7
NOISE = 0.4
"""Standard deviation of the logarithm of a time around what its sizes say."""
HOST_RECORDS = 3
"""With so many records of other algorithms, half of what they say of the host is believed."""
_TENTH = 1.2815515594457831
"""A normal variable is below its mean by more than so many deviations one time in ten."""
_LEAST_RECORDED = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class FitRecord:
    """A fit that was timed.

    `params` are those of the algorithm, `seconds` the wall time of one fit.
    """

    algorithm: str
    params: Mapping[str, Any]
    rows: float
    columns: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FitTime:
    """How long one fit is expected to take.

    Attributes
    ----------
    seconds : the median of what is expected, from 0.001 to 10,000,000
    low, high : one fit of ten takes less, one of ten takes more, within the same limits
    records : fits of this algorithm that it rests on
    others : fits of other algorithms that told how fast the host is
    family : what the prior is of
    """

    seconds: float
    low: float
    high: float
    records: int
    others: int
    family: str


@dataclass(frozen=True, slots=True)
class _Timed:
    """The records of one algorithm: features, log seconds without known factors, residuals."""

    x: np.ndarray
    y: np.ndarray
    residuals: np.ndarray


@dataclass(frozen=True, slots=True)
class FitTimes:
    """Estimates of fit times, from the priors of families and from records.

    `ignored` counts records that could not be used: without a name, with parameters that are no
    mapping, sizes below 1, or seconds that are not above 0.

    >>> times = FitTimes.learn([])
    >>> forest = "sklearn.ensemble.RandomForestClassifier"
    >>> round(times.estimate(forest, {"n_estimators": 100}, rows=10_000, columns=100).seconds, 1)
    12.5
    >>> measured = FitRecord(algorithm=forest, params={}, rows=1_000, columns=100, seconds=0.4)
    >>> learned = FitTimes.learn([measured] * 3)
    >>> round(learned.estimate(forest, {"n_estimators": 100}, rows=10_000, columns=100).seconds, 1)
    6.5
    """

    _timed: Mapping[str, _Timed] = field(default_factory=dict, repr=False)
    ignored: int = 0

    @classmethod
    def learn(cls, records: Iterable[FitRecord]) -> FitTimes:
        """Return what some records teach."""
        rows: dict[str, list[tuple[tuple[float, float, float, float], float]]] = {}
        families: dict[str, Family] = {}
        ignored = 0
        for record in records:
            try:
                name = _key(record.algorithm)
                seconds = _seconds(record.seconds)
                family = families.setdefault(name, family_of(record.algorithm))
                x, known = _features(family, record.params, record.rows, record.columns)
            except InvalidInput:
                ignored += 1
                continue
            rows.setdefault(name, []).append((x, math.log(seconds) - known))
        timed = {}
        for name, found in rows.items():
            at = np.array([one for one, _ in found])
            logs = np.array([value for _, value in found])
            timed[name] = _Timed(at, logs, logs - at @ _prior(families[name])[0])
        return cls(timed, ignored)

    @property
    def records(self) -> int:
        """How many records it rests on, of all algorithms."""
        return sum(len(timed.y) for timed in self._timed.values())

    def estimate(
        self, algorithm: str, params: Mapping[str, Any], *, rows: float, columns: float
    ) -> FitTime:
        """Return how long one fit takes.

        Parameters
        ----------
        algorithm : dotted name of a class; the package and the class tell algorithms apart, and
            the class tells the family
        params : its parameters, of any types; what is not understood counts as not given
        rows, columns : of the data, from 1 on; more than 10^12 count as 10^12

        Raises `InvalidInput` for anything else.
        """
        name, family = _key(algorithm), family_of(algorithm)
        x, known = _features(family, params, rows, columns)
        mean, precision = _prior(family)
        shift, others = self._host(name)
        mean[0] += shift
        timed = self._timed.get(name)
        if timed is not None:
            weighted = timed.x.T / NOISE**2
            posterior = precision + weighted @ timed.x
            mean = np.linalg.solve(posterior, precision @ mean + weighted @ timed.y)
            precision = posterior
        at = np.array(x)
        centre = float(at @ mean) + known
        spread = math.sqrt(float(at @ np.linalg.solve(precision, at)) + NOISE**2)
        return FitTime(
            seconds=_clip(centre),
            low=_clip(centre - _TENTH * spread),
            high=_clip(centre + _TENTH * spread),
            records=0 if timed is None else len(timed.y),
            others=others,
            family=family.name,
        )

    def _host(self, name: str) -> tuple[float, int]:
        """Return how much slower than the priors say the host is (a log), and by how many records.

        It is the median residual of the other algorithms' records, of which k / (k + 3) counts.
        """
        others = [timed.residuals for other, timed in self._timed.items() if other != name]
        if not others:
            return 0.0, 0
        residuals = np.concatenate(others)
        count = len(residuals)
        return float(np.median(residuals)) * count / (count + HOST_RECORDS), count


def _prior(family: Family) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of the coefficients, and their precision as a diagonal matrix."""
    mean = np.array([math.log(family.seconds), family.rows, family.columns, family.work or 0.0])
    return mean, np.diag(np.array(family.deviations) ** -2.0)


def _features(
    family: Family, params: object, rows: object, columns: object
) -> tuple[tuple[float, float, float, float], float]:
    if not isinstance(params, Mapping):
        raise InvalidInput(f"params are a mapping of names to values, not {params!r:.80}")
    return features(family, params, size(rows, "rows"), size(columns, "columns"))


def _key(algorithm: object) -> str:
    """Return what tells algorithms apart: package and class; modules move between releases."""
    if not isinstance(algorithm, str) or not algorithm.strip():
        raise InvalidInput(f"algorithm is the dotted name of a class, not {algorithm!r:.80}")
    return f"{algorithm.strip().partition('.')[0].lower()}:{class_name(algorithm)}"


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise InvalidInput(f"seconds are above 0 and finite, not {value!r:.80}")
    return float(min(max(value, _LEAST_RECORDED), MOST_SECONDS))


def _clip(log_seconds: float) -> float:
    if log_seconds <= math.log(LEAST_SECONDS):
        return LEAST_SECONDS
    if log_seconds >= math.log(MOST_SECONDS):
        return MOST_SECONDS
    return math.exp(log_seconds)
