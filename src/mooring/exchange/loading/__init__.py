"""Loading runs into other trackers: the engine that drives every `Target`.

Runs go one after the other, parents before their forks. Of each, values go first, then series in
pieces of some 500,000 points, then files; what arrived is written to the journal. Then the run is
read back through the target's own interface, compared, and marked as complete only if nothing is
missing. The manifest tells it item by item.

What a SIGKILL between any two lines leaves behind, and what the next load makes of it:

- Before a run is made: nothing, or the line `opening` in the journal. Loaded as if new.
- The run is made, and the journal does not say so: a target that finds runs finds it by its
  marks, without `complete`, and it is gone on with. One that cannot find runs has a run too many;
  the next load makes another one and says that the target may hold both.
- Attributes are in the target, and not in the journal: they are handed over again, with the same
  content, and the target holds them once (that is in its contract).
- A torn line at the end of the journal: it is cut off, as if it had not been written.
- A file in the temporary folder: nobody looks for it again.
- The run is whole and not marked: it is read back again and marked.
- It is marked, and the journal does not say so: the target says it is complete. One that cannot
  find runs gets it once more, which is reported.
- The manifest lies beside its place as a hidden file that ends in `.part`: the next load writes
  one of its own.

Deleting the journal costs time and nothing else where the target finds runs.
"""

from mooring.exchange.loading.attempts import RetrySettings
from mooring.exchange.loading.engine import load_runs
from mooring.exchange.loading.report import LoadReport, RunLoad, RunStatus

__all__ = ["LoadReport", "RetrySettings", "RunLoad", "RunStatus", "load_runs"]
