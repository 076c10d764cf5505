"""Real curves: a network that learns scikit-learn's digits, 50 metrics of every batch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss, recall_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

METRICS = 50
BATCH = 32
LEARNING_RATE = 0.05


def write_rows(file: Path, batches: int, *, single: bool = False) -> None:
    """Write one JSON object a line, a batch each; `single`: values that were float32 once."""
    with file.open("w") as lines:
        for row in training_rows(batches):
            if single:
                row = {name: float(np.float32(value)) for name, value in row.items()}
            lines.write(json.dumps(row) + "\n")


def training_rows(batches: int) -> Iterator[Mapping[str, float]]:
    """Train for so many batches; yield 50 metrics after each."""
    images, digits = load_digits(return_X_y=True)
    x, x_test, y, y_test = train_test_split(images / 16.0, digits, test_size=200, random_state=0)
    network = MLPClassifier(
        (64, 32), solver="sgd", momentum=0.0, learning_rate_init=LEARNING_RATE, random_state=0
    )
    order = np.random.default_rng(0)
    classes = np.unique(digits)
    network.partial_fit(x[:BATCH], y[:BATCH], classes=classes)
    for number in range(batches):
        batch = order.choice(len(x), BATCH, replace=False)
        before = [weights.copy() for weights in _weights(network)]
        network.partial_fit(x[batch], y[batch])
        row = {"train/epoch": number * BATCH / len(x), "train/loss": float(network.loss_)}
        row["train/accuracy"] = float(np.mean(network.predict(x[batch]) == y[batch]))
        row |= _test_metrics(network, x_test, y_test)
        row |= _layer_metrics(network, before)
        assert len(row) == METRICS
        yield row


def _test_metrics(
    network: MLPClassifier, x_test: np.ndarray, y_test: np.ndarray
) -> dict[str, float]:
    """Return loss, accuracy, confidence and entropy, and the recall of each digit."""
    chances = network.predict_proba(x_test)
    predicted = chances.argmax(axis=1)
    recalls = recall_score(y_test, predicted, average=None, labels=range(10), zero_division=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.nansum(chances * np.log(chances), axis=1)
    return {
        "test/loss": float(log_loss(y_test, chances, labels=range(10))),
        "test/accuracy": float(np.mean(predicted == y_test)),
        "test/confidence": float(chances.max(axis=1).mean()),
        "test/entropy": float(entropy.mean()),
        "test/margin": float(np.diff(np.sort(chances, axis=1)[:, -2:]).mean()),
        **{f"test/recall/{digit}": float(value) for digit, value in enumerate(recalls)},
    }


def _layer_metrics(network: MLPClassifier, before: list[np.ndarray]) -> dict[str, float]:
    """Return what describes the gradients and weights of each layer's matrix and bias."""
    metrics = {}
    for index, (old, new) in enumerate(zip(before, _weights(network), strict=True)):
        name = f"layer{index // 2}/{'bias' if index % 2 else 'kernel'}"
        gradient = (old - new) / LEARNING_RATE  # what plain gradient descent has subtracted
        metrics[f"grad_norm/{name}"] = float(np.linalg.norm(gradient))
        metrics[f"grad_max/{name}"] = float(np.abs(gradient).max())
        metrics[f"weight_norm/{name}"] = float(np.linalg.norm(new))
        metrics[f"weight_mean/{name}"] = float(new.mean())
        metrics[f"weight_std/{name}"] = float(new.std())
    metrics["grad_norm/all"] = float(
        np.sqrt(sum(metrics[n] ** 2 for n in metrics if "grad_n" in n))
    )
    metrics["weight_norm/all"] = float(
        np.sqrt(sum(metrics[n] ** 2 for n in metrics if "weight_n" in n))
    )
    return metrics


def _weights(network: MLPClassifier) -> list[np.ndarray]:
    """Return the arrays in the order kernel 0, bias 0, kernel 1, …"""
    pairs = zip(network.coefs_, network.intercepts_, strict=True)
    return [array for pair in pairs for array in pair]
