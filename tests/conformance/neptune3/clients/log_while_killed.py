"""Logs to a run of its own and to one that others log to as well; prints what went wrong."""

import sys
import time
from pathlib import Path

from neptune_scale import Run
from neptune_scale.exceptions import NeptuneRetryableError, NeptuneRunDuplicate
from neptune_scale.types import File, Histogram

told = []


def tell(error, *_):
    # Others create the common run too; and what cannot be reached is tried again.
    if not isinstance(error, (NeptuneRunDuplicate, NeptuneRetryableError)):
        told.append(repr(error))


def open_run(run_id):
    return Run(
        project="team/digits",
        run_id=run_id,
        experiment_name=f"experiment {run_id}",
        enable_console_log_capture=False,
        source_tracking_config=None,
        on_error_callback=tell,
        on_warning_callback=tell,
    )


def log(run, name, step):
    run.log_metrics({f"{name}/loss": step / 2, f"{name}/minus": -step}, step=step)
    run.log_metrics({f"{name}/fine": float(step)}, step=step + 0.25)
    run.log_string_series({f"{name}/line": f"line {step}"}, step=step)
    run.log_configs({f"{name}/config/{step}": step, f"{name}/latest": step})
    run.add_tags([f"{name} {step}", f"shared {step}"])
    if step:
        run.remove_tags([f"{name} {step - 1}"])
    if step % 10 == 0:
        run.log_histograms({f"{name}/h": Histogram(bin_edges=[0, 1, 2], counts=[step, 1])}, step)
        run.log_files({f"{name}/image": File(f"{name} {step}".encode() * 1000)}, step=step)
        run.assign_files({f"{name}/files/{step}": f"file {name} {step}".encode() * 1000})


def main():
    name, steps, long_files = sys.argv[1], int(sys.argv[2]), sys.argv[3:4]
    runs = [open_run(name), open_run("common")]
    for run in runs:
        run.assign_files({f"{name}/first": b"first"})
        run.wait_for_processing(timeout=60)
    Path("connected").touch()
    for path in long_files:
        runs[0].assign_files({"long": path})
    for step in range(steps):
        for run in runs:
            log(run, name, step)
        time.sleep(0.02)
    for run in runs:
        if not run.wait_for_processing(timeout=120):
            told.append("not processed in time")
        run.close()
    print("\n".join(told))
    sys.exit(1 if told else 0)


if __name__ == "__main__":
    main()
