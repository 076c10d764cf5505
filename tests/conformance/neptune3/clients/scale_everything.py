"""Logs by `neptune-scale` a run with everything that it can log, and a fork of it."""

import math
from datetime import UTC, datetime

from neptune_scale import Run
from neptune_scale.types import File, Histogram

errors = []


def tell(error, *_):
    errors.append(repr(error))


def open_run(run_id, **options):
    return Run(
        run_id=run_id,
        enable_console_log_capture=False,
        on_error_callback=tell,
        on_warning_callback=tell,
        source_tracking_config=None,
        **options,
    )


def finish(run):
    assert run.wait_for_processing(timeout=120)
    run.close()


def main():
    run = open_run("root", experiment_name="base line")
    run.log_configs(
        {
            "params/lr": 0.1,
            "params/layers": 2**53 + 1,
            "params/amp": True,
            "params/name": 'wörld "x"',
            "params/inf": math.inf,
            "params/when": datetime(2024, 5, 17, 12, 30, 15, 250_000, tzinfo=UTC),
            "params/set": {"a", "b"},
        }
    )
    run.add_tags(["good", "a b"])
    run.add_tags(["group"], group_tags=True)
    start = datetime(2024, 5, 17, tzinfo=UTC).timestamp()
    for step in range(20):
        when = datetime.fromtimestamp(start + step, tz=UTC)
        run.log_metrics({"train/loss": 1 / (step + 1)}, step=step, timestamp=when)
        run.log_string_series({"log/line": f"line {step}"}, step=step, timestamp=when)
    run.log_metrics({"train/odd": math.nan}, step=0.5)
    run.log_metrics({"train/odd": -math.inf}, step=1.25)
    run.log_metrics({"train/loss": 9.0}, step=30, preview=True, preview_completion=0.25)
    run.log_histograms({"weights": Histogram(bin_edges=[0, 1, 2], counts=[3, 4])}, step=1)
    run.log_histograms({"weights": Histogram(bin_edges=[0, 1, 2], densities=[0.25, 0.75])}, step=2)
    run.assign_files({"files/notes": File(b"some notes\n", mime_type="text/plain")})
    for step in (3, 1, 2):
        run.log_files({"files/images": File(b"%d" % step, mime_type="image/png")}, step=step)
    finish(run)
    fork = open_run("fork", experiment_name="forked", fork_run_id="root", fork_step=4)
    fork.log_configs({"params/lr": 0.01})
    fork.log_metrics({"train/loss": 7.0}, step=5)
    finish(fork)
    assert not errors, errors


if __name__ == "__main__":
    main()
