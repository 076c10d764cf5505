"""Everything that a run holds: configs, tags, series, histograms, files, previews, forks.

python examples/03_typed_runs/main.py [FOLDER]
"""

import math
import random
import sys
from dataclasses import dataclass
from pathlib import Path

from mooring import File, ReadOnlyProject, ReadOnlyRun, Run

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo-out/03_typed_runs")
store = folder / "walks.db"


@dataclass
class Config:
    noise: float
    seed: int = 0


def walk(run: Run, config: Config, steps: range, position: float = 0.0) -> float:
    """Take a random walk and log it."""
    chance = random.Random(config.seed)
    for step in steps:
        moves = [chance.gauss(0, config.noise) for _ in range(1000)]
        position += sum(moves) / len(moves)
        run.log({"walk": {"position": position, "distance": abs(position)}}, step=step)
        if step % 25 == 0:
            run.log_histogram("walk/moves", moves, step=step, bins=8)
            run.log({"notes": f"at {position:+.3f} after {step} steps"}, step=step)
    return position


# A run: nested configs, tags, series, single values, files of bytes or from a path.
config = Config(noise=1.0)
with Run("walks", store=store, name="walk", tags=["example"], params=config) as run:
    end = walk(run, config, range(100))
    run["result/end"] = end
    run["result/summary"] = File(f"ended at {end}\n".encode(), name="summary.txt")
    run["source"] = File(__file__)
    # A preview is provisional: kept apart until the final value for that step is logged.
    run.log({"forecast": 2 * end}, step=200, preview_completion=0.5)

    # A fork sees the points of its parent up to step 49, and goes its own way from there.
    with run.fork(step=49, name="wild walk", tags=["fork"], params={"noise": 5.0}) as fork:
        walk(fork, Config(noise=5.0, seed=1), range(50, 100))

# A run is gone on with by its id, in another process and on another day.
with Run("walks", store=store, run_id=run.run_id, resume=True) as again:
    again.log({"walk/position": 0.0}, step=100)
    again.add_tags("resumed")

# An exception is kept with the run that it ended.
try:
    with Run("walks", store=store, name="doomed", tags=["example"]) as doomed:
        doomed.log({"walk/position": math.sqrt(-1)})
except ValueError:
    pass

project = ReadOnlyProject("walks", store=store)
print(project.fetch_runs_df(["sys/name", "sys/tags", "sys/failed", "params/noise"], limit=3))

read = ReadOnlyRun(project, custom_id=run.run_id)
print("\nLines that it logged:")
print(read["notes"].fetch_values(include_timestamp=False).to_string(index=False))
histogram = read["walk/moves"].fetch_last()
print("\nIts moves at step 75:")
for low, high, count in zip(histogram.edges, histogram.edges[1:], histogram.values, strict=False):
    print(f"  {low:6.2f} to {high:5.2f}  {'#' * round(count / 8)}")
print(f"\nA file: {read['result/summary'].download(folder)}")

forked = ReadOnlyRun(project, custom_id=fork.run_id)
points = forked["walk/position"].fetch_values()
own = forked["walk/position"].fetch_values(include_inherited=False)
print(f"\nThe fork has {len(points)} points, {len(points) - len(own)} of them from its parent.")

failed = ReadOnlyRun(project, custom_id=doomed.run_id)
print(f"\nWhat ended the run {failed['sys/name'].fetch()!r}:")
print(failed["monitoring/traceback"].fetch())
project.close()
