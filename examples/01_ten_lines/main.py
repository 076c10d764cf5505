"""Ten lines: log a few runs, and read them back as a DataFrame.

python examples/01_ten_lines/main.py [FOLDER]
"""

import sys
from pathlib import Path

from mooring import ReadOnlyProject, Run

store = Path(sys.argv[1] if len(sys.argv) > 1 else "demo-out/01_ten_lines") / "runs.db"

for lr in (0.1, 0.3, 0.9):
    with Run("parabola", store=store, params={"lr": lr}) as run:
        x = 1.0
        for step in range(100):
            x -= lr * 2 * x  # one step down the slope of x²
            run.log({"x": x, "loss": x * x}, step=step)

with ReadOnlyProject("parabola", store=store) as project:
    columns = ["params/lr", "loss", "sys/creation_time"]
    print(project.fetch_runs_df(columns=columns, sort_by="loss", ascending=True, limit=6))
