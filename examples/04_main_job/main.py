"""`make demo`: train real models from several processes into one file, ask it, and move it.

    python examples/04_main_job/main.py [FOLDER] [--quick]

Writes to FOLDER (default: demo-out): the store `digits.db`, pictures, and the same runs as Parquet,
in a second store, as a backup, restored from it, and in MLflow. Running it again replaces its runs.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import closing
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one core for each of our processes

import moving
import pandas as pd
import pictures
from tqdm import tqdm
from train import Setting, split, train

from mooring import Reader, ReadOnlyProject, exchange, open_store
from mooring.errors import MissingExtra

PROJECT = "local/digits"
BUCKETS = 60


def settings(steps: int) -> list[Setting]:
    """Eight runs. The labels of one batch of one of them are wrong, as happens in real life."""
    return [
        Setting("sgd", 0.01, 32),
        Setting("sgd", 0.1, 64),
        Setting("sgd", 0.3, 128, fault_at=round(0.6 * steps) + 17),
        Setting("sgd", 1.0, 64),
        Setting("adam", 0.001, 32),
        Setting("adam", 0.001, 128),
        Setting("adam", 0.01, 64),
        Setting("adam", 0.05, 64),
    ]


def main() -> None:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("folder", nargs="?", type=Path, default=Path("demo-out"))
    arguments.add_argument("--quick", action="store_true", help="fewer and shorter runs")
    given = arguments.parse_args()
    sys.stdout.reconfigure(errors="replace")  # pipes that cannot show every letter
    given.folder.mkdir(parents=True, exist_ok=True)
    store = given.folder / "digits.db"
    steps = 400 if given.quick else 3000
    runs = settings(steps)[2:4] if given.quick else settings(steps)

    began = time.perf_counter()
    train_all(runs, steps, str(store))
    seconds = time.perf_counter() - began
    with ReadOnlyProject(PROJECT, store=store) as project:
        best = show_table(project, store, seconds)
        spike, curve = find_spike(project)
        show_comparison(project, spike, curve, given.folder)
        show_best(project, best, given.folder)
    score_again(store)
    move(store, given.folder, best)
    show_next(store, best)


def train_all(runs: list[Setting], steps: int, store: str) -> None:
    """Train all runs, each in one of a few processes, all of them into one file."""
    processes = min(len(runs), max(2, os.cpu_count() or 2), 8)
    print(f"Training {len(runs)} networks on scikit-learn's digits, {steps:,} mini-batches each:")
    print(f"{processes} processes log every one of them into {store}.\n", flush=True)
    with closing(open_store(store)) as opened:
        if PROJECT in opened.list_projects():
            opened.delete_project(PROJECT)
        opened.create_project(PROJECT)
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        jobs = [pool.submit(train, run, steps, PROJECT, store) for run in runs]
        try:
            watch(jobs, steps, store)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def watch(jobs: list[Future[None]], steps: int, store: str) -> None:
    """Show how far the runs are, as the store tells while they write to it."""
    terminal = sys.stderr.isatty()
    total, told = len(jobs) * steps, 0
    with (
        ReadOnlyProject(PROJECT, store=store) as project,
        tqdm(total=total, unit=" mini-batches", disable=not terminal, leave=False) as bar,
    ):
        while not all(job.done() for job in jobs):
            time.sleep(0.3)
            for job in jobs:
                if job.done():
                    job.result()  # raises what went wrong
            done = round(project.fetch_runs_df(["progress"])["progress"].sum() * steps)
            bar.update(done - bar.n)
            if not terminal and done * 4 // total > told:
                told = done * 4 // total
                print(f"  {done:>7,} of {total:,} mini-batches", flush=True)


def show_table(project: ReadOnlyProject, store: Path, seconds: float) -> str:
    """Print the runs, best first; return the id of the best one."""
    table = project.fetch_runs_df(
        columns=["sys/custom_run_id", "test/accuracy", "test/loss", "test/mistakes", "train/loss"],
        columns_regex="^params/(solver|learning_rate|hidden)$",
        sort_by="test/accuracy",
    )
    points = project.fetch_metrics(buckets=1)["count"].sum()
    title("The runs, best test accuracy first", 'fetch_runs_df(sort_by="test/accuracy")')
    names = {
        "sys/custom_run_id": "run",
        "params/solver": "solver",
        "params/learning_rate": "learning rate",
        "params/hidden": "hidden",
        "test/accuracy": "test accuracy",
        "test/mistakes": "mistakes",
        "test/loss": "test loss",
        "train/loss": "train loss",
    }
    shown = table[list(names)].rename(columns=names)
    formats = {
        "learning rate": "{:g}".format,
        "test accuracy": "{:.1%}".format,
        "test loss": "{:.3f}".format,
        "train loss": "{:.4f}".format,
    }
    print(shown.to_string(index=False, formatters=formats))
    print(f"\n{points:,} points in {seconds:.0f} s; {store} has {size(store):.1f} MB.")
    return str(table["sys/custom_run_id"].iloc[0])


def find_spike(project: ReadOnlyProject) -> tuple[pd.Series, pd.DataFrame]:
    """Find the bucket whose maximum stands highest above its neighbours', in any run."""
    curves = project.fetch_metrics(paths=["train/loss"], buckets=BUCKETS)
    maxima = curves.groupby("run", observed=True)["max"]
    neighbours = pd.concat([maxima.shift(1), maxima.shift(-1)], axis=1).max(axis=1, skipna=False)
    found = curves.loc[(curves["max"] - neighbours).idxmax()]

    # The two usual ways to draw a curve of thousands of points, for comparison.
    run = next(project.fetch_read_only_runs(custom_ids=[found["run"]]))
    points = run["train/loss"].fetch_values(include_timestamp=False)
    curve = curves[curves["run"] == found["run"]].copy()
    curve["thinned"] = points["value"].iloc[:: len(points) // BUCKETS][: len(curve)].to_numpy()

    step = found["max_step"]
    around = curve[curve["bucket"].between(found["bucket"] - 1, found["bucket"] + 1)]
    thinned = curve.loc[curve["bucket"] == found["bucket"], "thinned"].item()
    batch = run["train/accuracy"].fetch_values(step_range=(step, step))["value"].item()
    title(
        "A spike, and the buckets beside it",
        f'fetch_metrics(paths=["train/loss"], buckets={BUCKETS})',
    )
    columns = ["bucket", "step_from", "step_to", "count", "min", "mean", "max", "max_step"]
    steps = dict.fromkeys(["step_from", "step_to", "max_step"], "{:.0f}".format)
    losses = dict.fromkeys(["min", "mean", "max"], "{:.4f}".format)
    print(around[columns].to_string(index=False, formatters=steps | losses))
    print(
        f"\nRun {found['run']} has a loss of {found['max']:.1f} at step {step:,.0f}. A mean shows "
        f"{found['mean']:.2f} there,\n"
        f"one point of each bucket {thinned:.4f}. Batch accuracy at that step: {batch:.0%}."
    )
    if "loader" in run:
        for line in run["loader"].fetch_values(step_range=(step, step))["value"]:
            print(f'And what did the loader log at that step? "{line}"')
    return pd.Series({"run": found["run"], "step": step, "value": found["max"]}), curve


def show_comparison(
    project: ReadOnlyProject, spike: pd.Series, curve: pd.DataFrame, folder: Path
) -> None:
    """Draw the test error of the runs: three in the terminal, all of them as PNG."""
    curves = project.fetch_metrics(paths=["test/accuracy"], buckets=40)
    last = curves.groupby("run", observed=True)["last"].last().sort_values(ascending=False)
    errors = pd.DataFrame(
        {
            "run": pd.Categorical(curves["run"], categories=list(last.index)),
            "step": (curves["step_from"] + curves["step_to"]) / 2,
            "error": 100 * (1 - curves["mean"]),
            "last": 100 * (1 - curves["last"]),
        }
    ).sort_values(["run", "step"], kind="stable")
    few = [last.index[0], last.index[len(last) // 2], last.index[-1]]
    some = errors[errors["run"].isin(few)]
    title(
        "Test error of the best, the median and the last run, in %",
        'fetch_metrics(paths=["test/accuracy"], buckets=40)',
    )
    print(pictures.terminal(some, columns=shutil.get_terminal_size().columns, colours=in_colour()))
    picture = folder / "comparison.png"
    picture.write_bytes(pictures.comparison(errors, spike, curve))
    print(f"\nAll runs, and the spike, as a picture: {picture}")


def show_best(project: ReadOnlyProject, best: str, folder: Path) -> None:
    """Download the pictures that the best run logged."""
    run = next(project.fetch_read_only_runs(custom_ids=[best]))
    title(f"What the best run, {best}, gets wrong", f'fetch_read_only_runs(custom_ids=["{best}"])')
    print(f"Most often: {run['test/hardest'].fetch()}.")
    for path in ("pictures/confusion", "pictures/mistakes"):
        print(f"  {run[path].download(folder)}")


def score_again(store: Path) -> None:
    """Ask the table of results in SQL, load the best one, and score it again."""
    question = (
        "SELECT track_id, round(accuracy, 4) AS accuracy, solver, learning_rate, hidden, model\n"
        "    FROM db.digits ORDER BY accuracy DESC LIMIT 3"
    )
    with Reader(store, table="digits") as reader:
        title("The three best models, in SQL", f'conn.execute("{question}")', on="reader")
        found = reader.conn.execute(question).df()
        print(found.to_string(index=False))
        name, accuracy, hash_value = found.loc[0, ["track_id", "accuracy", "model"]]
        title(f"The model of {name}, loaded back", f'get("{hash_value}")', on="reader")
        model = reader.get(hash_value)
    _, images, _, labels = split()
    again = round(model.score(images, labels), 4)
    print(f"{model}\n\nIts test accuracy was {accuracy:.2%}; scored again it is {again:.2%}.")
    if again != accuracy:
        sys.exit("The model that was loaded is not the one that was stored.")


def move(store: Path, folder: Path, best: str) -> None:
    """Take everything out of the store and in again, and show the best run in MLflow."""
    title("Out as Parquet, and into another store", "export_runs(runs, folder)", on="exchange")
    with moving.timed() as took:
        out = moving.take_out(store, folder / "exports")
    tell(out, "exported to", folder / "exports", took)
    with moving.timed() as took:
        back = moving.bring_in(folder / "exports", folder / "again.db")
    tell(back, "imported into", folder / "again.db", took)

    title("A backup as a tree of folders, and restored", "back_up(runs, folder)", on="exchange")
    with moving.timed() as took:
        saved, restored = moving.back_up_and_restore(
            store, folder / "backup", folder / "restored.db"
        )
    tell(saved, "backed up to", folder / "backup")
    tell(restored, "restored into", folder / "restored.db", took)

    title("Into MLflow, and asked by MLflow's own client", "load_runs(runs, mlflow)", on="exchange")
    try:
        with moving.timed() as took:
            loaded = moving.load(folder / "exports", folder / "mlflow.db")
    except MissingExtra as error:
        print(f"Left out: {error}")
        return
    points = sum(run.points for run in loaded.runs)
    print(f"{len(loaded.runs)} runs, {points:,} points in {took[0]:.0f} s: {loaded.outcome}.")
    if loaded.manifest is not None:
        print(f"Item by item: {os.path.relpath(loaded.manifest)}\n")
    for name, value in moving.find_in_mlflow(folder / "mlflow.db", best).items():
        print(f"  {name:<20}  {value}")
    if not loaded.is_complete:
        sys.exit("Something is missing in MLflow.")


def tell(
    report: exchange.TransferReport, what: str, where: Path, took: Sequence[float] = ()
) -> None:
    """Print what went where; end if something is missing."""
    seconds = f" in {took[0]:.1f} s, compared value by value" if took else ""
    points = sum(run.points for run in report.runs)
    print(f"{len(report.runs)} runs, {points:,} points {what} {where}{seconds}.")
    if not report.is_complete:
        for run in report.runs:
            print(run.project, run.run_id, run.outcome, run.note, *map(str, run.missing))
        sys.exit(f"Something is missing: {[str(problem) for problem in report.problems]}")


def show_next(store: Path, best: str) -> None:
    """Print commands that work from here."""
    python, examples = (
        os.path.relpath(path) for path in (sys.executable, Path(__file__).parents[1])
    )
    mooring = Path(python).with_name("mooring")
    sql = (
        "SELECT run_id, min AS test_loss, min_step / 1000000 AS step FROM attributes "
        "JOIN runs ON runs.id = run JOIN paths ON paths.id = attributes.path "
        "WHERE paths.path = 'test/loss' ORDER BY min"
    )
    title("What to try next")
    print(f"All that the best run holds:\n  {mooring} run show {store} {best}")
    print(
        "The runs with the least loss:\n"
        f'  {mooring} runs {store} --query "test/loss < 0.5" --sort-by test/loss --limit 3'
    )
    if shutil.which("sqlite3"):
        print(f'Best test loss of each run, in plain SQL:\n  sqlite3 -box {store} "{sql}"')
    print(f"Filters, sorting, polars and Arrow:\n  {python} {Path(examples, '05_query/main.py')}")
    print("Mooring beside its peers:\n  make bench")


def size(store: Path) -> float:
    """Return the size of the store's file, in MB."""
    return store.stat().st_size / 1e6


def title(text: str, call: str = "", on: str = "project") -> None:
    """Print the head of a section, and the call that gave what it shows."""
    bold, plain = ("\033[1m", "\033[0m") if in_colour() else ("", "")
    print(f"\n{bold}{text}{plain}" + (f"\n>>> {on}.{call}" if call else ""), flush=True)


def in_colour() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\nStopped. What was logged until now is in the store.")
