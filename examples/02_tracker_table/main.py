"""A table of events: one row for each call, no step and no schema to think of.

python examples/02_tracker_table/main.py [FOLDER]
"""

import heapq
import sys
import time
from pathlib import Path

from mooring import Reader, Tracker

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo-out/02_tracker_table")
store = folder / "sorting.db"


def heap_sorted(values: list[int]) -> list[int]:
    heap = values.copy()
    heapq.heapify(heap)
    return [heapq.heappop(heap) for _ in values]


for sort in (sorted, heap_sorted):
    # reset: each time this example runs, it begins with an empty table
    with Tracker(store, params={"method": sort.__name__}, reset=sort is sorted) as tracker:
        for size in (1_000, 10_000, 100_000):
            values = [(7919 * i) % size for i in range(size)]
            began = time.perf_counter()
            sort(values)
            tracker.log({"size": size, "ms": 1000 * (time.perf_counter() - began)})

        print(f"The last row of {tracker.track_id}:\n  {tracker.latest}\n")
        # known only now, and yet in every row of the run
        tracker.set_value("total_ms", float(tracker["ms"].sum()))

with Reader(store) as reader:
    table = reader.to_df()
print("All rows of both runs:")
print(table.drop(columns="timestamp").round(3).to_string(index=False))
print("\nMilliseconds by size and method:")
print(table.pivot_table(index="size", columns="method", values="ms").round(3))
