"""A hub with runs of both kinds of writers, and our command line beside `neptune-query`."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mooring import File, Run, open_store
from mooring.exchange.source import RunExtras, SourceRun, SourceValue
from mooring.exchange.sources.store import StoreSource
from mooring.model import AttributeType, Typed, step_from_micros, step_to_micros
from tests.conformance.neptune3.sample import log_sample
from tests.conformance.neptune3.series_sample import log_series
from tests.e2e.exchange.peer import find_peer
from tests.serving import HubProcess, clean_environment

ROOT = Path(__file__).parents[3]
SCALE = "team/scale"

TRAIN = """
import math
from datetime import datetime, timezone
from neptune_scale import Run
from neptune_scale.types import File, Histogram

errors = []

def open_run(**options):
    def told(error, *rest):
        errors.append(repr(error))
    return Run(
        project="team/scale", enable_console_log_capture=False, source_tracking_config=None,
        on_error_callback=told, on_warning_callback=told, **options,
    )

def main():
    run = open_run(run_id="root", experiment_name="exp/1 (a)")
    run.log_configs({"lr": 0.1, "n": 2**53 + 1, "on": True, "name": "w\\u00f6rld \\\\ \\"q\\"",
                     "empty": "", "inf": math.inf, "nan": math.nan,
                     "when": datetime(2024, 5, 1, 12, 30, tzinfo=timezone.utc), "set": {"a", "b"}})
    run.add_tags(["x", "y"])
    run.add_tags(["g"], group_tags=True)
    for step in range(50):
        run.log_metrics({"loss": 1 / (step + 1), "odd `name`": math.nan, "a:int": -0.0}, step=step)
        run.log_string_series({"line": f"line {step}"}, step=step / 10)
    run.log_metrics({"far": 1.0}, step=123456789.25)
    run.log_metrics({"far": math.inf}, step=8_000_000_000)
    run.log_histograms({"h": Histogram(bin_edges=[0, 1, 2], counts=[3, 4])}, step=0.5)
    run.log_histograms({"h": Histogram(bin_edges=[0, 1, 2], densities=[0.25, 0.75])}, step=1)
    run.log_metrics({"loss": 9.0, "soon": 1.0}, step=60, preview=True, preview_completion=0.25)
    run.log_metrics({"loss": 8.0}, step=61, preview=True, preview_completion=0.5)
    run.assign_files({"model": File(b"weights", destination="my/model.pt"), "blank": b""})
    for step in range(3):
        run.log_files({"images": File(b"%d" % step, mime_type="image/png")}, step=step)
    assert run.wait_for_processing(timeout=90)
    run.close()
    fork = open_run(run_id="fork", fork_run_id="root", fork_step=4, experiment_name="exp/1 (a)")
    fork.log_metrics({"loss": 7.0, "mine": 1.0}, step=5)
    fork.log_string_series({"line": "forked"}, step=5)
    assert fork.wait_for_processing(timeout=90)
    fork.close()
    assert not errors, errors

if __name__ == "__main__":
    main()
"""


def fill(path: Path) -> None:
    """Log runs with our own clients: of every type, forks of forks, long series, and one in parts.

    One more attribute has each type that Neptune 3 does not know.
    """
    with open_store(path) as store:
        log_sample(SimpleNamespace(store=store))  # type: ignore[arg-type]
        log_series(SimpleNamespace(store=store))  # type: ignore[arg-type]
        with Run("team/parts", store=store, run_id="parts") as run:
            run["ckpt"] = File(bytes(range(256)) * 200, name="ckpt.bin")
            for step in range(600):
                run.log({f"m{n}": step / (n + 1) for n in range(8)}, step=step * (1 + step % 3))
            for step in range(3):
                run.log_file("img", b"%d" % step, step=step)
            run.log({"far": 1.0}, step="10000000000.000003")


def train(hub: HubProcess, folder: Path) -> None:
    """Log runs with the real `neptune-scale`."""
    folder.mkdir()
    find_peer("neptune_scale").run(TRAIN, cwd=folder, NEPTUNE_API_TOKEN=hub.admin)


@dataclass(frozen=True)
class Beside:
    """Our command line in an environment that has `neptune-query`, in a folder."""

    folder: Path
    token: str

    def start(self, *arguments: object, code: Sequence[str] = (), **more: str) -> Any:
        """Start a command; `code` is what runs it, and `more` is added to the environment."""
        about = self.folder / "about" / "mooring.dist-info"  # what tells our version
        about.mkdir(parents=True, exist_ok=True)
        about.joinpath("METADATA").write_text(distribution("mooring").read_text("METADATA") or "")
        environment = clean_environment(
            PYTHONPATH=f"{ROOT / 'src'}:{about.parent}",
            NEPTUNE_API_TOKEN=self.token,
            HOME=str(self.folder),
        )
        command = [find_peer("neptune3").python, *(code or ("-m", "mooring"))]
        return subprocess.Popen(
            [*command, *map(str, arguments)],
            cwd=self.folder,
            env=environment | more,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: object, code: int = 0, **more: str) -> tuple[str, str]:
        """Run a command to its end; return what it wrote to stdout and to stderr."""
        process = self.start(*arguments, **more)
        out, err = process.communicate(timeout=180)
        assert process.returncode == code, (process.returncode, err, out)
        return out, err


class AsTold(StoreSource):
    """A store as a server of Neptune 3 tells of it: what that cannot say is left out."""

    def read_values(self, run: SourceRun) -> Mapping[str, SourceValue]:
        """Return values: times in milliseconds, and of the types of Neptune 3 alone."""
        found = super().read_values(run)
        return {
            path: _floored(value)
            for path, value in found.items()
            if not isinstance(value, Typed) and path != "sys/running_time_seconds"
        }

    def read_points(
        self, run: SourceRun, type: AttributeType, paths: Sequence[str] | None = None
    ) -> pa.Table:
        """Return points with times in milliseconds, at steps that doubles can tell."""
        return told_steps(floor_times(super().read_points(run, type, paths)))

    def read_extras(self, run: SourceRun) -> RunExtras:
        """Return previews, and no rows of a table."""
        previews = super().read_extras(run).previews
        return RunExtras(previews=None if previews is None else floor_times(previews))


def floor_times(points: pa.Table) -> pa.Table:
    """Return points with times in whole milliseconds."""
    times = pc.multiply(pc.divide(points["time"], 1_000), 1_000)
    return points.set_column(points.column_names.index("time"), "time", times)


def told_steps(points: pa.Table) -> pa.Table:
    """Return points at steps as doubles tell them: beyond 8·10^9 a millionth is lost."""
    steps = [step_to_micros(step_from_micros(micros)) for micros in points["step"].to_pylist()]
    at = points.column_names.index("step")
    return points.set_column(at, "step", pa.array(steps, pa.int64()))


def _floored(value: Any) -> Any:
    if hasattr(value, "microsecond"):
        return value.replace(microsecond=value.microsecond // 1_000 * 1_000)
    return value
