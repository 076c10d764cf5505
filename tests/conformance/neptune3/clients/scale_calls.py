"""Makes the calls of `neptune-scale` that trainings seldom make; prints what they answer."""

import json
import logging
import subprocess
from pathlib import Path

from neptune_scale import NeptuneLoggingHandler, Run, legacy, projects
from neptune_scale.api.run import SourceTrackingConfig
from neptune_scale.types import Histogram

errors = []


def tell(error, *_):
    errors.append(repr(error))


def quiet(**options):
    return {
        "enable_console_log_capture": False,
        "source_tracking_config": None,
        "on_error_callback": tell,
        "on_warning_callback": tell,
        **options,
    }


def refusal(call, *given, **options):
    try:
        return call(*given, **options)
    except Exception as error:  # noqa: BLE001 - what is raised is the answer
        return type(error).__name__


def ask_projects():
    create = projects.create_project
    return {
        "created": [
            create("made/a", visibility="workspace"),
            create("b", workspace="made", description="A project.", key="BEE"),
            create("made/b"),
        ],
        "again": refusal(create, "made/b", fail_if_exists=True),
        "a name that cannot be": refusal(create, "made/c!"),
        "listed": projects.list_projects(),
        "extracted": projects.extract_workspace_and_project("made/a"),
        "normalized": projects.normalize_project_name("a", workspace="made"),
    }


def log_by_one_call():
    with Run(run_id="with", **quiet()) as run:
        run.log(
            step=1,
            configs={"lr": 0.5, "names": ["x", "y"]},
            metrics={"loss": 0.25},
            tags_add={"sys/tags": ["a", "b"]},
        )
        run.log(tags_remove={"sys/tags": ["b"]})
        return run.wait_for_submission(timeout=60)


def log_as_to_the_older_client():
    run = legacy.Run(run_id="legacy", **quiet())
    run["params"] = {"lr": 0.5, "deep": {"layers": 3}}
    run["name"].assign("x")
    run["loss"].append(0.5, step=1)
    run["loss"].append(9.0, step=5, preview=True, preview_completion=0.5)
    run["accuracy"].extend([0.1, 0.2, 0.3], steps=[1, 2, 3])
    run["sys/tags"].add(["a", "b"])
    run["sys/tags"].remove("b")
    run.wait_for_processing(timeout=60)
    run.close()


def log_messages():
    run = Run(run_id="messages", **quiet(enable_console_log_capture=True))
    handler = NeptuneLoggingHandler(run=run, level=logging.INFO, attribute_path="messages")
    logger = logging.getLogger("training")
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    logger.debug("not this")
    logger.info("began\nwell")
    logger.warning("ends")
    print("said on the console")
    run.wait_for_processing(timeout=60)
    run.close()


def log_the_source():
    name = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com"]
    Path("repository").mkdir()
    Path("repository/model.py").write_text("layers = 2\n")
    for command in (["init", "-q", "-b", "trunk"], ["add", "."], ["commit", "-q", "-m", "Begin"]):
        subprocess.run(["git", *name, *command], cwd="repository", check=True)
    Path("repository/model.py").write_text("layers = 3\n")
    config = SourceTrackingConfig(
        namespace="code", repository=Path("repository"), upload_diff_head=True
    )
    run = Run(run_id="source", **quiet(source_tracking_config=config))
    run.wait_for_processing(timeout=60)
    run.close()


def log_nothing():
    run = Run(run_id="disabled", mode="disabled", log_directory="disabled", **quiet())
    run.log_metrics({"loss": 1.0}, step=1)
    run.log_configs({"lr": 0.5})
    run.assign_files({"notes": b"text"})
    waited = run.wait_for_processing(timeout=60)
    run.close()
    return [waited, Path("disabled").exists()]


def end_at_once():
    run = Run(run_id="ended", experiment_name="exp", **quiet())
    run.log_metrics({"loss": 1.0}, step=1)
    run.wait_for_processing(timeout=60)
    urls = [run.get_run_url(), run.get_experiment_url()]
    run.terminate()
    run.log_metrics({"loss": 2.0}, step=2)
    return urls


def log_offline():
    run = Run(run_id="offline", mode="offline", log_directory="offline", **quiet())
    run.log_configs({"lr": 0.5})
    run.add_tags(["kept"])
    for step in range(3):
        run.log_metrics({"loss": 1.0 / (step + 1)}, step=step)
        run.log_string_series({"line": f"line {step}"}, step=step)
        run.log_files({"images": b"%d" % step}, step=step)
    run.log_histograms({"weights": Histogram([0, 1, 2], densities=[0.25, 0.75])}, step=1)
    run.assign_files({"notes": b"text"})
    run.close()


def main():
    counted = Histogram(bin_edges=[0, 1, 2], counts=[3, 4])
    dense = Histogram(bin_edges=[0, 1], densities=[0.5])
    told = {
        "projects": ask_projects(),
        "histograms": [
            counted.bin_edges_as_list(),
            counted.counts_as_list(),
            dense.densities_as_list(),
        ],
        "submitted": log_by_one_call(),
    }
    log_as_to_the_older_client()
    log_messages()
    log_the_source()
    told["disabled"] = log_nothing()
    told["urls"] = end_at_once()
    log_offline()
    told["errors"] = errors
    print(json.dumps(told))


if __name__ == "__main__":
    main()
