"""Questions: filters in Python and in Neptune's query language, sorting, buckets, other frames.

python examples/05_query/main.py [FOLDER]
"""

import random
import sys
from pathlib import Path

from mooring import ReadOnlyProject, Run, errors, open_store
from mooring.query import field

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo-out/05_query")
store = open_store(folder / "bandits.db")  # one store for all that follows

# 60 runs: gamblers at ten slot machines. Each tries a random one now and then (epsilon), and
# else the one that paid best so far.
if "local/bandits" in store.list_projects():
    store.delete_project("local/bandits")
for seed in range(20):
    for epsilon in (0.01, 0.1, 0.5):
        chance = random.Random(seed)
        pays = [chance.gauss(0, 1) for _ in range(10)]
        tries, won = [1e-9] * 10, [0.0] * 10
        name = f"gambler-{seed}-{epsilon:g}"
        with Run("bandits", store=store, run_id=name, params={"epsilon": epsilon}) as run:
            rewards = []
            for _ in range(500):
                known = max(range(10), key=lambda arm: won[arm] / tries[arm])
                arm = chance.randrange(10) if chance.random() < epsilon else known
                rewards.append(pays[arm] + chance.gauss(0, 1))
                tries[arm] += 1
                won[arm] += rewards[-1]
            run["reward"].extend(rewards, steps=range(500))
            run.add_tags("careful" if epsilon < 0.2 else "restless")

project = ReadOnlyProject("bandits", store=store)
columns = ["sys/custom_run_id", "params/epsilon", "reward"]


def show(title: str, frame: object) -> None:
    print(f"\n{title}\n{frame}")


show(
    "Careful gamblers, best mean reward first (a table shows the last value of a series):",
    project.fetch_runs_df(
        columns,
        query=field("sys/tags").contains("careful") & (field("reward").max > 3),
        sort_by=field("reward").average,
        limit=3,
    ),
)
show(
    "The same kind of question in Neptune's query language:",
    project.fetch_runs_df(
        columns,
        query="`reward`:floatSeries.average >= 1 AND NOT `sys/tags`:stringSet CONTAINS careful",
        sort_by=field("reward").average,
        limit=3,
    ),
)

curves = project.fetch_metrics(r"^gambler-1?0-0\.1$", ["reward"], buckets=3)
show(
    "Two runs in three buckets each; minimum and maximum are exact:",
    curves[["run", "bucket", "count", "min", "mean", "max", "max_step"]].round(2).to_string(),
)
show(
    "The last two points of two runs, as polars:",
    project.fetch_metrics(["gambler-3-0.1", "gambler-3-0.5"], ["reward"], tail=2, format="polars"),
)
table = project.fetch_metrics(paths=["reward"], step_range=(400, None), format="arrow")
show("The last 100 points of all runs, as Arrow:", table.schema.to_string(show_schema_metadata=0))
print(f"{table.num_rows:,} rows, {table.nbytes / 1e6:.1f} MB")

try:
    project.fetch_runs_df(columns, query="`params/epsilon` > 0.1 OR")
except errors.QueryError as error:
    show("A filter that cannot be read says where:", error)
try:
    next(project.fetch_read_only_runs(custom_ids=["gambler-3-0.3"]))
except errors.RunNotFound as error:
    show("And a name that is not there says what comes closest:", error)
store.close()
