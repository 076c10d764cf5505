"""One run: a small neural network learns to read digits, and logs each mini-batch."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import pictures
from sklearn.datasets import load_digits
from sklearn.metrics import confusion_matrix, log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from mooring import File, Run, Tracker

BATCH = 32
TEST_EVERY = 25


@dataclass(frozen=True)
class Setting:
    """The hyper-parameters of one run."""

    solver: str
    learning_rate: float
    hidden: int
    fault_at: int | None = None
    """Step whose batch comes with its labels shifted by one row. Found again in main.py."""

    @property
    def run_id(self) -> str:
        return f"{self.solver}-{self.learning_rate:g}-{self.hidden}"


def split() -> list[np.ndarray]:
    """Return images to train and to test with, and the labels of both."""
    digits = load_digits()
    return train_test_split(
        digits.data / 16, digits.target, test_size=450, stratify=digits.target, random_state=0
    )


def train(setting: Setting, steps: int, project: str, store: str) -> None:
    """Train one network for `steps` mini-batches."""
    images, test_images, labels, test_labels = split()
    shuffle = np.random.default_rng(0)
    model = MLPClassifier(
        (setting.hidden,),
        solver=setting.solver,
        learning_rate_init=setting.learning_rate,
        momentum=0,
        random_state=0,
    )
    model.partial_fit(images[:BATCH], labels[:BATCH], classes=range(10))  # makes the layers

    with Run(
        project, store=store, run_id=setting.run_id, tags=[setting.solver], params=asdict(setting)
    ) as run:
        batches: list[np.ndarray] = []
        for step in range(1, steps + 1):
            if not batches:
                order = shuffle.permutation(len(images))
                batches = np.array_split(order, len(images) // BATCH)
            batch = batches.pop()
            x, y = images[batch], labels[batch]
            if step == setting.fault_at:
                y = np.roll(y, 1)
                run.log({"loader": "labels of this batch are shifted by one row"}, step)

            accuracy = (model.predict(x) == y).mean()
            before = [layer.copy() for layer in model.coefs_]
            model.partial_fit(x, y)
            run.log(
                {
                    "train/loss": model.loss_,
                    "train/accuracy": accuracy,
                    "train/update_norm": norm(np.subtract, model.coefs_, before),
                    "train/weight_norm": norm(np.add, model.coefs_),
                },
                step,
            )
            if step % TEST_EVERY == 0:
                run["progress"] = step / steps
                chances = model.predict_proba(test_images)
                right = chances.argmax(axis=1) == test_labels
                run.log(
                    {"test/accuracy": right.mean(), "test/loss": log_loss(test_labels, chances)},
                    step,
                )

        read = model.predict(test_images)
        matrix = confusion_matrix(test_labels, read)
        off = matrix - np.diag(matrix.diagonal())
        true, taken_for = np.unravel_index(off.argmax(), off.shape)
        wrong = read != test_labels
        run["test/mistakes"] = int(wrong.sum())
        run["test/hardest"] = f"{true} read as {taken_for}, {off.max()} times"
        run["pictures/confusion"] = File(
            pictures.confusion(matrix, setting.run_id), name="confusion.png"
        )
        run["pictures/mistakes"] = File(
            pictures.mistakes(test_images[wrong], test_labels[wrong], read[wrong]),
            name="mistakes.png",
        )

    # A row for SQL, in the same run. The model is no number and no text: the row has its hash.
    with Tracker(store, table=project, track_id=setting.run_id, on_error="raise") as table:
        table.log({**asdict(setting), "accuracy": (~wrong).mean(), "model": model})


def norm(combine: np.ufunc, layers: list[np.ndarray], others: list[np.ndarray] | None = None):
    """Return the Euclidean norm of all weights, or of their change."""
    others = others or [0.0] * len(layers)
    return sum((combine(a, b) ** 2).sum() for a, b in zip(layers, others, strict=True)) ** 0.5
