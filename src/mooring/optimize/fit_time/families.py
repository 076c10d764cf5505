"""Families of algorithms: what is known of their times before anything was measured.

A family says how the seconds of one fit grow:

    seconds · (rows / 1000)^r · (columns / 10)^c · (work / 100)^w · known factors

where work is how many trees, rounds or iterations are fitted. The figures were measured with
scikit-learn 1.9 on one core, for classification unless the family says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum


class Split(StrEnum):
    """How many features a tree looks at for a split where its parameters do not say."""

    SQRT = "sqrt"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trees:
    """How the parameters of trees change the time.

    Attributes
    ----------
    split, split_exponent : features per split where `max_features` does not say, and the exponent
        of those it says in proportion to them; None: it has no such parameter
    depth, depth_exponent : the same of `max_depth`; `depth` None: as deep as the rows make it
    leaves, leaves_exponent : the same of the leaves, which a depth limits, too; None: unlimited
    """

    split: Split | None = None
    split_exponent: float = 0.0
    depth: float | None = None
    depth_exponent: float = 0.0
    leaves: float | None = None
    leaves_exponent: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The prior of some algorithms.

    Attributes
    ----------
    name : what it is called
    seconds : of one fit on 1,000 rows of 10 columns, with a work of 100
    rows, columns, work : exponents; `work` None: it has none
    small_rows : the exponent below 1,000 rows, where it is another one
    deviations : standard deviations of the logarithm of `seconds` and of the three exponents
    work_names : parameters that hold the work, the first one that is there counts
    usual_work : the work of an algorithm whose parameters do not tell it
    trees : how parameters of its trees change the time
    """

    name: str
    seconds: float
    rows: float
    columns: float
    work: float | None = None
    small_rows: float | None = None
    deviations: tuple[float, float, float, float] = (1.0, 0.25, 0.25, 0.15)
    work_names: tuple[str, ...] = ()
    usual_work: float = 100.0
    trees: Trees | None = None


TREES = ("n_estimators",)
ROUNDS = ("n_estimators", "max_iter", "iterations", "num_iterations", "num_boost_round")

RANDOM_FOREST = Family(
    name="random forest",
    seconds=0.25,
    rows=1.2,
    columns=0.5,
    work=1.0,
    work_names=TREES,
    trees=Trees(split=Split.SQRT, split_exponent=0.8, depth_exponent=0.6),
)
RANDOM_FOREST_REGRESSION = replace(
    RANDOM_FOREST,
    name="random forest, regression",
    seconds=0.27,
    columns=0.9,
    trees=Trees(split=Split.ALL, split_exponent=0.7, depth_exponent=0.6),
)
EXTRA_TREES = Family(
    name="extra trees",
    seconds=0.15,
    rows=1.0,
    small_rows=0.6,
    columns=0.4,
    work=1.0,
    work_names=TREES,
    trees=Trees(split=Split.SQRT, split_exponent=0.3, depth_exponent=0.6),
)
EXTRA_TREES_REGRESSION = replace(
    EXTRA_TREES,
    name="extra trees, regression",
    columns=0.7,
    trees=Trees(split=Split.ALL, split_exponent=0.6, depth_exponent=0.8),
)
GRADIENT_BOOSTING = Family(
    name="gradient boosting",
    seconds=0.55,
    rows=1.0,
    columns=0.8,
    work=1.0,
    work_names=ROUNDS,
    trees=Trees(split=Split.ALL, split_exponent=0.7, depth=3.0, depth_exponent=0.9),
)
HISTOGRAM_BOOSTING = Family(
    name="histogram boosting",
    seconds=0.10,
    rows=0.5,
    columns=0.7,
    work=0.9,
    work_names=ROUNDS,
    trees=Trees(leaves=31.0, leaves_exponent=0.6),
)
ADA_BOOST = Family(
    name="AdaBoost",
    seconds=0.2,
    rows=0.9,
    columns=0.8,
    work=1.0,
    work_names=TREES,
    usual_work=50.0,
)
DECISION_TREE = Family(
    name="decision tree",
    seconds=0.005,
    rows=1.2,
    columns=1.0,
    trees=Trees(split=Split.ALL, split_exponent=0.8, depth_exponent=0.6),
)
LOGISTIC = Family(name="logistic regression", seconds=0.003, rows=0.8, columns=0.7)
GRADIENT_DESCENT = Family(name="stochastic descent", seconds=0.003, rows=1.1, columns=0.6)
KERNEL_CLASSIFIER = Family(name="kernel classifier", seconds=0.01, rows=1.9, columns=0.5)
KERNEL_REGRESSION = Family(name="kernel regression", seconds=0.03, rows=2.0, columns=0.3)
NEIGHBOURS = Family(name="nearest neighbours", seconds=0.001, rows=0.8, columns=0.3)
NAIVE_BAYES = Family(name="naive Bayes", seconds=0.001, rows=0.8, columns=0.5)
LEAST_SQUARES = Family(name="ridge, elastic net", seconds=0.0007, rows=0.8, columns=1.0)
UNKNOWN = Family(
    name="unknown",
    seconds=0.05,
    rows=1.0,
    columns=0.7,
    work=1.0,
    deviations=(2.0, 0.4, 0.4, 0.3),
    work_names=ROUNDS,
)

BY_CLASS: Mapping[str, Family] = {
    "randomforestclassifier": RANDOM_FOREST,
    "randomforestregressor": RANDOM_FOREST_REGRESSION,
    "extratreesclassifier": EXTRA_TREES,
    "extratreesregressor": EXTRA_TREES_REGRESSION,
    "gradientboostingclassifier": GRADIENT_BOOSTING,
    "gradientboostingregressor": GRADIENT_BOOSTING,
    "histgradientboostingclassifier": HISTOGRAM_BOOSTING,
    "histgradientboostingregressor": HISTOGRAM_BOOSTING,
    "lgbmclassifier": HISTOGRAM_BOOSTING,
    "lgbmregressor": HISTOGRAM_BOOSTING,
    "lgbmranker": HISTOGRAM_BOOSTING,
    "xgbclassifier": HISTOGRAM_BOOSTING,
    "xgbregressor": HISTOGRAM_BOOSTING,
    "xgbranker": HISTOGRAM_BOOSTING,
    "adaboostclassifier": ADA_BOOST,
    "adaboostregressor": ADA_BOOST,
    "decisiontreeclassifier": DECISION_TREE,
    "decisiontreeregressor": DECISION_TREE,
    "extratreeclassifier": DECISION_TREE,
    "extratreeregressor": DECISION_TREE,
    "logisticregression": LOGISTIC,
    "linearsvc": LOGISTIC,
    "linearsvr": LOGISTIC,
    "sgdclassifier": GRADIENT_DESCENT,
    "sgdregressor": GRADIENT_DESCENT,
    "perceptron": GRADIENT_DESCENT,
    "passiveaggressiveclassifier": GRADIENT_DESCENT,
    "passiveaggressiveregressor": GRADIENT_DESCENT,
    "svc": KERNEL_CLASSIFIER,
    "nusvc": KERNEL_CLASSIFIER,
    "svr": KERNEL_REGRESSION,
    "nusvr": KERNEL_REGRESSION,
    "kneighborsclassifier": NEIGHBOURS,
    "kneighborsregressor": NEIGHBOURS,
    "radiusneighborsclassifier": NEIGHBOURS,
    "radiusneighborsregressor": NEIGHBOURS,
    "gaussiannb": NAIVE_BAYES,
    "bernoullinb": NAIVE_BAYES,
    "multinomialnb": NAIVE_BAYES,
    "complementnb": NAIVE_BAYES,
    "categoricalnb": NAIVE_BAYES,
    "ridge": LEAST_SQUARES,
    "ridgeclassifier": LEAST_SQUARES,
    "linearregression": LEAST_SQUARES,
    "elasticnet": LEAST_SQUARES,
    "lasso": LEAST_SQUARES,
}
"""Families by the name of a class in small letters."""


def class_name(algorithm: str) -> str:
    """Return the last part of a dotted name, in small letters.

    >>> class_name("sklearn.svm.SVC")
    'svc'
    """
    return algorithm.rpartition(".")[2].strip().lower()


def family_of(algorithm: str) -> Family:
    """Return the family of an algorithm by the name of its class, whatever module it is in.

    >>> family_of("sklearn.ensemble.RandomForestClassifier").name
    'random forest'
    >>> family_of("somewhere.Novelty").name
    'unknown'
    """
    return BY_CLASS.get(class_name(algorithm), UNKNOWN)
