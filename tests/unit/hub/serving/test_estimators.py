"""What models answer: classifiers, regressors, pipelines, and files that are no models."""

from __future__ import annotations

import io
import json
import pickle
import zipfile

import joblib
import numpy
import pandas
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from mooring.errors import InvalidInput, ModelFailed, ModelUnusable
from mooring.hub.serving import check_records
from tests.unit.hub.serving.conftest import Predict

FRAME = pandas.DataFrame({"a": [0.0, 1, 2, 3], "b": [3.0, 2, 1, 0]})
KINDS = ["no", "no", "yes", "yes"]


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_a_classifier_tells_its_class_and_probabilities(predict: Predict) -> None:
    model = DecisionTreeClassifier(random_state=0).fit(FRAME, KINDS)
    result = predict(model, ["a", "b"], [[0, 3], [3, 0]])
    assert result.columns == ["a", "b", "prediction", "proba_no", "proba_yes"]
    assert result.data == [[0, 3, "no", 1.0, 0.0], [3, 0, "yes", 0.0, 1.0]]
    assert result.records_count == 2
    assert result.time_consumed_ms >= 0


def test_features_are_found_by_name(predict: Predict) -> None:
    model = DecisionTreeClassifier(random_state=0).fit(FRAME, KINDS)
    result = predict(model, ["id", "b", "a", "a"], [["x", 3, 0, 9]], target="kind")
    assert result.columns == ["id", "b", "a", "a", "kind", "proba_no", "proba_yes"]
    assert result.data == [["x", 3, 0, 9, "no", 1.0, 0.0]]
    taken = predict(model, ["kind", "a", "b"], [["?", 3, 0]], target="kind", with_features=False)
    assert (taken.columns[0], taken.data[0][0]) == ("prediction", "yes")
    with pytest.raises(ModelFailed, match="wants features that were not given: 'b'"):
        predict(model, ["a"], [[1]])


def test_no_two_columns_are_called_as_the_prediction(predict: Predict) -> None:
    model = LinearRegression().fit([[0], [1]], [0, 1])
    result = predict(model, ["prediction"], [[0]])
    assert result.columns == ["prediction", "predicted_prediction"]
    both = predict(model, ["prediction"], [[0]], target="prediction")
    assert both.columns == ["prediction", "predicted_prediction"]


def test_texts_for_a_model_that_was_fitted_without_names(predict: Predict) -> None:
    kinds = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression())
    kinds.fit(numpy.array([["a"], ["b"]], dtype=object), KINDS[1:3])
    result = predict(kinds, ["letter"], [["b"], ["a"], [None]])
    assert [row[1] for row in result.data[:2]] == ["yes", "no"]
    assert result.data[2][2] == pytest.approx(0.5, abs=0.01)  # missing is neither of them
    line = LinearRegression().fit([[0], [1]], [0, 2])
    assert predict(line, ["a"], [["3.5"]]).data == [["3.5", pytest.approx(7)]]


def test_a_threshold_moves_the_line_between_two_classes(predict: Predict) -> None:
    model = LogisticRegression().fit(FRAME, KINDS)
    likely = predict(model, ["a", "b"], [[1.6, 1.4]])
    probability = likely.data[0][-1]
    assert isinstance(probability, float)
    assert likely.data[0][2] == "yes"
    strict = predict(model, ["a", "b"], [[1.6, 1.4]], threshold=probability + 0.01)
    assert strict.data[0][2] == "no"
    equal = predict(model, ["a", "b"], [[1.6, 1.4]], threshold=probability)
    assert equal.data[0][2] == "yes"
    with pytest.raises(ModelFailed, match="a threshold is for models"):
        predict(LinearRegression().fit(FRAME, [0, 1, 2, 3]), ["a", "b"], [[1, 2]], threshold=0.5)


def test_a_regressor_and_what_tells_no_probabilities(predict: Predict) -> None:
    line = LinearRegression().fit(FRAME.to_numpy(), [0, 2, 4, 6])
    result = predict(line, ["x", "y"], [[10, -7]])
    assert result.columns == ["x", "y", "prediction"]
    assert result.data[0][2] == pytest.approx(20)
    machine = LinearSVC().fit(FRAME.to_numpy(), [False, False, True, True])
    assert predict(machine, ["x", "y"], [[3, 0]]).data == [[3, 0, True]]
    both = LinearRegression().fit(FRAME, numpy.array([[0, 1], [1, 2], [2, 3], [3, 4]]))
    assert predict(both, ["a", "b"], [[1, 2]]).columns == ["a", "b", "prediction_0", "prediction_1"]


def test_a_pipeline_with_texts_and_missing_cells(predict: Predict) -> None:
    frame = pandas.DataFrame(
        {
            "size": [1.0, None, 3.0, 4.0, 9.0, 8.0],
            "colour": ["red", "red", None, "blue", "blue", "blue"],
        }
    )
    model = make_pipeline(
        ColumnTransformer(
            [
                ("number", SimpleImputer(), ["size"]),
                ("text", OneHotEncoder(handle_unknown="ignore"), ["colour"]),
            ]
        ),
        RandomForestClassifier(n_estimators=8, random_state=0, n_jobs=-1),
    ).fit(frame, [0, 0, 0, 1, 1, 1])
    rows: list[list[object]] = [["red", 1], [None, None], ["green", 9], ["blue", 9]]
    result = predict(model, ["colour", "size"], rows)
    assert [list(row[:2]) for row in result.data] == rows
    wanted = model.predict(pandas.DataFrame(rows, columns=["colour", "size"]))
    assert [row[2] for row in result.data] == wanted.tolist()
    empty = predict(model, ["colour", "size"], [[None, None]])
    assert empty.data[0][2] in (0, 1)
    assert predict(model, ["colour", "size"], []).data == []


def test_a_model_of_words(predict: Predict) -> None:
    texts = ["good fine", "bad", "fine", "bad awful"]
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, [1, 0, 1, 0])
    result = predict(model, ["text"], [["fine good"], ["awful"], [None]])
    assert [row[1] for row in result.data[:2]] == [1, 0]
    with pytest.raises(ModelFailed, match="takes one text, and 2 features were given"):
        predict(model, ["text", "other"], [["fine", 1]])


def test_numbers_of_features_are_told(predict: Predict) -> None:
    model = LinearRegression().fit(FRAME.to_numpy(), [0, 1, 2, 3])
    with pytest.raises(ModelFailed, match="takes 2 features, and 3 were given"):
        predict(model, ["a", "b", "c"], [[1, 2, 3]])
    with pytest.raises(ModelFailed, match="raised ValueError"):
        predict(model, ["a", "b"], [["x", 2]])
    assert predict(model, ["a", "b"], [[1, 2]]).records_count == 1


@pytest.mark.parametrize("rows", [[[1]], [[1, 2, 3]], [1, 2], ["ab"], [[1, []]], {}, None])
def test_rows_that_do_not_fit_are_refused(predict: Predict, rows: object) -> None:
    with pytest.raises(
        InvalidInput,
        match=r"^records should be an array of arrays of plain values, each records size should be "
        "equal to the features count$",
    ):
        check_records(["a", "b"], rows)
    with pytest.raises(InvalidInput):
        predict(b"", ["a", "b"], rows)  # type: ignore[arg-type]


def test_values_that_json_lacks_become_null_or_text(predict: Predict) -> None:
    class Odd:
        def predict(self, rows: object) -> object:
            made = [float("nan"), numpy.inf, 2**70, numpy.datetime64("2026-01-02"), b"ab", (1,)]
            answer = numpy.empty(len(made), dtype=object)
            answer[:] = made
            return answer

    result = predict(Odd(), ["a"], [[float("nan")]] * 6)
    assert result.data == [
        [None, cell] for cell in (None, None, float(2**70), "2026-01-02", "ab", "(1,)")
    ]


def test_files_of_every_form_are_read(predict: Predict) -> None:
    model = LinearRegression().fit(FRAME.to_numpy(), [0, 1, 2, 3])
    pickled = pickle.dumps(model)
    packed = io.BytesIO()
    joblib.dump(model, packed, compress=3)
    options = json.dumps({"features": ["b", "a"], "target": "size"}).encode()
    for content in (
        pickled,
        packed.getvalue(),
        zipped(**{"model.pkl": pickled}),
        zipped(**{"model.joblib": packed.getvalue(), "notes/read.me": b"hello"}),
    ):
        assert predict(content, ["x", "y"], [[1, 2]]).data[0][2] == pytest.approx(1)
    named = zipped(**{"model.pkl": pickled, "options.json": options})
    result = predict(named, ["a", "b"], [[2, 1]])
    assert result.columns == ["a", "b", "size"]
    assert result.data[0][2] == pytest.approx(1)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "cannot be unpickled"),
        (b"just some words\n", "cannot be unpickled"),
        (pickle.dumps(LinearRegression().fit([[1]], [1]))[:-30], "cannot be unpickled"),
        (pickle.dumps({"a": 1}), r"holds a dict, which has no predict\(\)"),
        (b"cno_such_module\nThing\n.", "No module named 'no_such_module'"),
        (zipped(**{"../model.pkl": b"x"}), "no single model.pkl or model.joblib at its top"),
        (zipped(**{"deep/model.pkl": b"x"}), "no single model.pkl"),
        (zipped(**{"model.pkl": b"x", "model.joblib": b"x"}), "no single model.pkl"),
        (zipped(**{"model.pkl": b"x"})[:60], "cannot be"),
        (zipped(**{"model.pkl": b"x", "options.json": b"{"}), "options.json is not JSON"),
        (zipped(**{"model.pkl": b"x", "options.json": b"[]"}), "options.json is no object"),
        (
            zipped(**{"model.pkl": b"x", "options.json": b'{"features": [1]}'}),
            "no array of strings",
        ),
    ],
)
def test_a_file_that_is_no_model_is_told(predict: Predict, content: bytes, told: str) -> None:
    with pytest.raises(ModelUnusable, match=told):
        predict(content, ["a"], [[1]])
