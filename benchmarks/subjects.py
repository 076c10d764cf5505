"""Who is measured, and how each is called."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A tracker in one way of using it.

    Attributes
    ----------
    key : what `--peers` takes, and the name of its module in `benchmarks.peers`
    title : how tables name it
    call : the call that is measured
    requirements : file of `benchmarks/requirements`, None for Mooring itself
    imports : what a script of its users imports
    syncs : how often a call syncs the disk: counted with strace, pinned versions, 200 calls of 5
    has_bars : whether this is what the bars of Mooring are about
    logs : whether it is a tracker; the others only exchange
    """

    key: str
    title: str
    call: str
    requirements: str | None
    imports: str
    syncs: int = 0
    has_bars: bool = False
    logs: bool = True

    @property
    def is_mooring(self) -> bool:
        """Whether it runs in this environment."""
        return self.requirements is None


MOORING = Subject(
    key="mooring_run",
    title="Mooring Run",
    call="Run.log(dict, step=)",
    requirements=None,
    imports="mooring",
    has_bars=True,
)
MOORING_TRACKER = Subject(
    key="mooring_tracker",
    title="Mooring Tracker",
    call="Tracker.log(dict)",
    requirements=None,
    imports="mooring",
    has_bars=True,
)
MOORING_POWER = Subject(
    key="mooring_power",
    title="Mooring Run, power",
    call='Run.log(dict, step=), durability="power"',
    requirements=None,
    imports="mooring",
    syncs=1,
)
XETRACK = Subject(
    key="xetrack",
    title="xetrack",
    call="Tracker.log(dict)",
    requirements="xetrack.txt",
    imports="xetrack",
    syncs=4,
)
XETRACK_DUCKDB = Subject(
    key="xetrack_duckdb",
    title="xetrack (DuckDB)",
    call='Tracker.log(dict), engine="duckdb"',
    requirements="xetrack_duckdb.txt",
    imports="xetrack",
    syncs=4,
)
TRACKIO = Subject(
    key="trackio",
    title="trackio",
    call="run.log(dict, step=)",
    requirements="trackio.txt",
    imports="trackio",
)
MLFLOW = Subject(
    key="mlflow",
    title="MLflow (SQLite)",
    call="mlflow.log_metrics(dict, step=)",
    requirements="mlflow.txt",
    imports="mlflow",
    syncs=4,
)
AIM = Subject(
    key="aim",
    title="Aim",
    call="Run.track(dict, step=)",
    requirements="aim.txt",
    imports="aim",
)
WANDB = Subject(
    key="wandb",
    title="W&B offline",
    call="run.log(dict, step=)",
    requirements="wandb.txt",
    imports="wandb",
)
TENSORBOARDX = Subject(
    key="tensorboardx",
    title="TensorBoardX",
    call="SummaryWriter.add_scalar, once a metric",
    requirements="tensorboardx.txt",
    imports="tensorboardX",
)
NEPTUNE_SCALE = Subject(
    key="neptune_scale",
    title="neptune-scale offline",
    call="Run.log_metrics(dict, step=)",
    requirements="neptune_scale.txt",
    imports="neptune_scale",
    syncs=1,
)
NEPTUNE_QUERY = Subject(
    key="neptune_query",
    title="neptune-query",
    call="fetch_metrics, fetch_runs_table, list_attributes",
    requirements="neptune_query.txt",
    imports="neptune_query",
    logs=False,
)
EXPORTER_RULES = Subject(
    key="exporter_rules",
    title="exporter's rules (re-created)",
    call="pyarrow.parquet.ParquetWriter, a row group a batch",
    requirements="exporter_rules.txt",
    imports="pyarrow.parquet",
    logs=False,
)
MOORING_LOAD = Subject(
    key="mooring_load",
    title="Mooring beside MLflow",
    call="load_runs(source, MlflowTarget(uri))",
    requirements="mooring_load.txt",
    imports="mlflow",
    logs=False,
)
MLFLOW_SERVER = Subject(
    key="mlflow_server",
    title="MLflow server",
    call="MlflowClient.log_batch, mlflow.search_runs",
    requirements="mlflow_server.txt",
    imports="mlflow",
    logs=False,
)
AUGER_CLIENT = Subject(
    key="auger_client",
    title="auger-hub-api-client",
    call="HubApiClient.get_trials",
    requirements="auger_client.txt",
    imports="auger.hub_api_client",
    logs=False,
)
HYPEROPT = Subject(
    key="hyperopt",
    title="hyperopt (TPE)",
    call="fmin(…, algo=tpe.suggest)",
    requirements="hyperopt.txt",
    imports="hyperopt",
    logs=False,
)

SUBJECTS = (
    MOORING,
    MOORING_TRACKER,
    MOORING_POWER,
    XETRACK,
    XETRACK_DUCKDB,
    TRACKIO,
    MLFLOW,
    AIM,
    WANDB,
    TENSORBOARDX,
    NEPTUNE_SCALE,
    NEPTUNE_QUERY,
    EXPORTER_RULES,
    MOORING_LOAD,
    MLFLOW_SERVER,
    AUGER_CLIENT,
    HYPEROPT,
)
