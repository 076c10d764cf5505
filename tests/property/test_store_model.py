"""Any sequence of operations leaves a store that reads like a plain model in memory."""

from __future__ import annotations

import math
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from mooring.errors import AttributeNotFound, RunNotFound, TypeConflict
from mooring.model import STEP_SCALE, AttributeType, RunInfo, RunSpec
from mooring.query import Field, Sort
from mooring.query import field as attribute
from mooring.store import Lineage, PathSelector, RunQuery, RunWriter, SeriesQuery, open_store

FLOATS, STRINGS = AttributeType.FLOAT_SERIES, AttributeType.STRING_SERIES
SERIES_TYPES = (FLOATS, STRINGS)

numbers = st.sampled_from([0.0, -1.5, 2.0, 1e6, math.nan, math.inf, -math.inf]) | st.floats(
    -1e6, 1e6
)
texts = st.sampled_from(["", "a", "nan", "'\"é"])
steps = st.none() | st.integers(-3, 12).map(lambda number: number * STEP_SCALE // 2)
names = st.sampled_from(["x", "y", "z"])
points = st.dictionaries(names, numbers, min_size=1, max_size=3)
mixed_points = st.dictionaries(names, numbers | texts, min_size=1, max_size=3)
values = st.integers(-(2**63), 2**63 - 1) | numbers | texts | st.booleans()
value_names = st.sampled_from(["v", "w", "x"])


@dataclass
class Series:
    """Points that a run logged itself, the last one at each step."""

    type: AttributeType
    own: dict[int, Any] = field(default_factory=dict)


@dataclass
class Run:
    """What a run is, as plainly as can be."""

    info: RunInfo
    parent: Run | None = None
    fork_step: int = 0
    last_step: int | None = None
    series: dict[str, Series] = field(default_factory=dict)
    values: dict[str, tuple[AttributeType, Any]] = field(default_factory=dict)
    previews: dict[str, dict[int, tuple[Any, float]]] = field(default_factory=dict)
    cut_off: set[str] = field(default_factory=set)
    """Paths that were deleted here, and are not inherited any more."""
    tags: set[str] = field(default_factory=set)
    trashed: bool = False
    rows: list[dict[str, Any]] = field(default_factory=list)

    def next_step(self) -> int:
        if self.last_step is None:
            return 0
        return (self.last_step // STEP_SCALE + 1) * STEP_SCALE

    def resolve(self, step: int | None) -> int:
        return self.next_step() if step is None else step

    def visible(self, path: str, type: AttributeType) -> dict[int, Any]:
        """Return the points that a reader sees, by step."""
        if path in self.values:
            return {}
        own = self.series.get(path)
        if own is not None and own.type is not type:
            return {}
        seen: dict[int, Any] = {}
        if self.parent is not None and path not in self.cut_off:
            inherited = self.parent.visible(path, type)
            seen = {step: each for step, each in inherited.items() if step <= self.fork_step}
        if own is not None:
            low = -math.inf if self.parent is None else self.fork_step
            seen |= {step: each for step, each in own.own.items() if step >= low}
        return seen

    def type_of(self, path: str) -> AttributeType | None:
        if path in self.values:
            return self.values[path][0]
        if path in self.series:
            return self.series[path].type
        for type in SERIES_TYPES:
            if self.visible(path, type):
                return type
        return FLOATS if self.previews.get(path) else None


def plain(value: Any) -> Any:
    """Return a value with NaN as a text."""
    return "NaN" if isinstance(value, float) and math.isnan(value) else value


class StoreMachine(RuleBasedStateMachine):
    """Drives one store, with sometimes a second object on the same file."""

    runs = Bundle("runs")

    @initialize(target=runs)
    def open(self) -> Any:
        self.folder = Path(tempfile.mkdtemp(prefix="mooring-model-"))
        self.store = open_store(self.folder / "runs.db")
        self.model: dict[int, Run] = {}
        self.writers: dict[int, RunWriter] = {}
        # A family to begin with: forks are where most can go wrong.
        parent = self.create()
        for step in (0, 2, 4):
            self.log(parent, {"x": float(step), "y": 1.0}, step * STEP_SCALE)
        child = self.fork(parent, 2 * STEP_SCALE)
        self.log(child, {"x": 9.0}, STEP_SCALE)
        return multiple(parent, child)

    def teardown(self) -> None:
        if hasattr(self, "store"):
            try:
                self.compare()
                self.store.compact(events=True)
                self.compare()
                assert self.store.check().ok
            finally:
                self.store.close()
                shutil.rmtree(self.folder, ignore_errors=True)

    def writer(self, run: Run) -> RunWriter:
        key = run.info.key
        if key not in self.writers:
            self.writers[key] = self.store.open_writer(key)
        return self.writers[key]

    # runs

    @rule(target=runs)
    def create_run(self) -> Any:
        return self.create()

    def create(self) -> Any:
        if len(self.model) >= 5:
            return multiple()
        info = self.store.create_run(RunSpec(project="p"))
        self.model[info.key] = Run(info)
        return info.key

    @rule(target=runs, parent=runs, step=steps)
    def fork_run(self, parent: int, step: int | None) -> Any:
        return self.fork(parent, step)

    def fork(self, parent: int, step: int | None) -> Any:
        if len(self.model) >= 6:
            return multiple()
        origin = self.model[parent]
        info = self.store.create_run(RunSpec(project="p", parent=parent, fork_step=step))
        if step is None:
            step = 0 if origin.last_step is None else origin.last_step
        assert info.fork_step == step
        self.model[info.key] = Run(info, origin, step, step)
        return info.key

    @rule(key=runs, trashed=st.booleans())
    def trash(self, key: int, trashed: bool) -> None:
        (self.store.trash_runs if trashed else self.store.restore_runs)([key])
        self.model[key].trashed = trashed

    @precondition(lambda self: len(self.model) > 2)
    @rule(key=consumes(runs))
    def delete_run(self, key: int) -> None:
        gone = self.model.pop(key)
        if writer := self.writers.pop(key, None):
            writer.close()
        for heir in self.model.values():
            if heir.parent is gone:
                # What it sees becomes its own.
                for path in ("x", "y", "z", "v", "w", "e"):
                    for type in SERIES_TYPES:
                        if seen := heir.visible(path, type):
                            heir.series[path] = Series(type, seen)
                        elif path in heir.series and heir.series[path].type is type:
                            heir.series[path].own = {}
                heir.parent = None
        self.store.delete_runs([key])
        with pytest.raises(RunNotFound):
            self.store.get_runs([key])

    # writing

    @rule(key=runs, given=points, step=steps)
    def log_numbers(self, key: int, given: dict[str, Any], step: int | None) -> None:
        self.log(key, given, step)

    @rule(key=runs, given=mixed_points, step=steps)
    def log_anything(self, key: int, given: dict[str, Any], step: int | None) -> None:
        self.log(key, given, step)

    def log(self, key: int, given: dict[str, Any], step: int | None) -> None:
        run = self.model[key]
        writer = self.fresh_writer(run)
        shown = None if step is None else step / STEP_SCALE
        kinds = {path: STRINGS if isinstance(each, str) else FLOATS for path, each in given.items()}
        if any(run.type_of(path) not in (None, kind) for path, kind in kinds.items()):
            with pytest.raises(TypeConflict):
                writer.log(given, step=shown)
            return
        writer.log(given, step=shown)
        at = run.resolve(step)
        run.last_step = at if run.last_step is None else max(at, run.last_step)
        for path, value in given.items():
            run.series.setdefault(path, Series(kinds[path])).own[at] = value

    def fresh_writer(self, run: Run) -> RunWriter:
        """Return a writer that knows the types that forks inherited since the last one."""
        if run.parent is not None and (old := self.writers.pop(run.info.key, None)):
            old.close()
        return self.writer(run)

    @rule(key=runs, path=names, value=numbers, step=steps.filter(bool), ratio=st.floats(-1, 2))
    def preview(self, key: int, path: str, value: float, step: int, ratio: float) -> None:
        run = self.model[key]
        writer = self.fresh_writer(run)
        if run.type_of(path) not in (None, FLOATS):
            with pytest.raises(TypeConflict):
                writer.log({path: value}, step=step / STEP_SCALE, preview_completion=ratio)
            return
        self.settle()
        writer.log({path: value}, step=step / STEP_SCALE, preview_completion=ratio)
        seen = run.visible(path, FLOATS)
        if not seen or step > max(seen):
            run.previews.setdefault(path, {})[step] = (value, min(1.0, max(0.0, ratio)))

    @rule(
        key=runs,
        path=names,
        given=st.lists(st.tuples(st.integers(-3, 12), numbers), min_size=1, max_size=6),
    )
    def write_points(self, key: int, path: str, given: list[tuple[int, float]]) -> None:
        run = self.model[key]
        at, written = zip(*given, strict=True)
        if run.type_of(path) not in (None, FLOATS):
            with pytest.raises(TypeConflict):
                self.store.write_points(key, path, steps=at, values=written)
            return
        self.store.write_points(key, path, steps=at, values=written)
        series = run.series.setdefault(path, Series(FLOATS))
        series.own |= {step * STEP_SCALE: value for step, value in given}
        highest = max(at) * STEP_SCALE
        run.last_step = highest if run.last_step is None else max(highest, run.last_step)

    @rule(key=runs, cells=st.dictionaries(st.just("e"), numbers | st.integers(-(2**63), 2**63 - 1)))
    def log_event(self, key: int, cells: dict[str, Any]) -> None:
        run = self.model[key]
        self.writer(run).log_event(cells)
        at = run.next_step()
        run.last_step = at
        run.rows.append(cells)
        if cells:
            run.series.setdefault("e", Series(FLOATS)).own[at] = float(cells["e"])

    @rule(key=runs, path=value_names, value=values)
    def assign(self, key: int, path: str, value: Any) -> None:
        run = self.model[key]
        type = AttributeType({str: "string"}.get(value.__class__, value.__class__.__name__))
        known = run.type_of(path)
        if known is AttributeType.FLOAT and type is AttributeType.INT:
            type, value = AttributeType.FLOAT, float(value)
        writer = self.fresh_writer(run)
        if known not in (None, type):
            with pytest.raises(TypeConflict):
                writer.assign({path: value})
            return
        writer.assign({path: value})
        run.values[path] = (type, value)

    @rule(key=runs, add=st.sets(texts), remove=st.sets(texts))
    def change_set(self, key: int, add: set[str], remove: set[str]) -> None:
        run = self.model[key]
        self.writer(run).change_set("sys/tags", add=add, remove=remove)
        run.tags = (run.tags | add) - remove

    @rule(key=runs, path=names | value_names)
    def delete_attribute(self, key: int, path: str) -> None:
        run = self.model[key]
        self.writer(run).delete(path)
        run.values.pop(path, None)
        run.series.pop(path, None)
        run.previews.pop(path, None)
        run.cut_off.add(path)

    # care

    @rule(events=st.booleans())
    def compact(self, events: bool) -> None:
        self.store.compact(events=events)

    @rule()
    def settle(self) -> None:
        """Fold, and drop the previews that final points have overridden."""
        self.store.query_runs(RunQuery(limit=0))

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.writers = {}
        self.store = open_store(self.folder / "runs.db")

    @rule()
    def second_object(self) -> None:
        with open_store(self.folder / "runs.db") as other:  # type: ignore[attr-defined]
            other.compact()
            assert other.query_runs(RunQuery(trashed=None)).total == len(self.model)

    @rule()
    def read_only_object(self) -> None:
        with open_store(self.folder / "runs.db", read_only=True) as other:  # type: ignore[attr-defined]
            self.compare_series(other)

    # comparing

    @rule()
    def compare(self) -> None:
        self.compare_runs()
        self.compare_series(self.store)
        self.compare_aggregates()
        self.compare_values()
        self.compare_rows()

    @invariant()
    def previews_give_way(self) -> None:
        for run in getattr(self, "model", {}).values():
            for path, held in run.previews.items():
                if seen := run.visible(path, FLOATS):
                    last = max(seen)
                    run.previews[path] = {step: v for step, v in held.items() if step > last}

    def compare_runs(self) -> None:
        expected = sorted(self.model)[::-1]
        for trashed in (True, False, None):
            page = self.store.query_runs(RunQuery(trashed=trashed))
            keys = [k for k in expected if trashed is None or self.model[k].trashed is trashed]
            assert [run.key for run in page.runs] == keys
            assert page.total == len(keys)
        for tag in ("", "a"):
            found = self.store.query_runs(
                RunQuery(trashed=None, filter=attribute("sys/tags").contains(tag))
            )
            assert {run.key for run in found.runs} == {
                key for key, run in self.model.items() if tag in run.tags
            }

    def compare_series(self, store: Any) -> None:
        keys = sorted(self.model)
        for type in SERIES_TYPES:
            select = PathSelector(types=frozenset({type}))
            for lineage in (Lineage.FULL, Lineage.OWN):
                found: dict[tuple[int, str], list[tuple[int, Any]]] = {}
                table = store.read_series(keys, select, SeriesQuery(lineage=lineage)).to_pydict()
                for key, path, step, value in zip(
                    *(table[name] for name in ("run", "path", "step", "value")), strict=True
                ):
                    found.setdefault((key, path), []).append((step, plain(value)))
                if lineage is Lineage.OWN:
                    continue
                expected = {
                    (key, path): [(step, plain(value)) for step, value in sorted(seen.items())]
                    for key, run in self.model.items()
                    for path in ("x", "y", "z", "v", "w", "e")
                    if (seen := run.visible(path, type))
                }
                assert found == expected

    def compare_aggregates(self) -> None:
        for key, run in self.model.items():
            for path in ("x", "y", "z", "e"):
                seen = run.visible(path, FLOATS)
                if not seen:
                    continue
                stats = self.store.get_stats(key, path)
                order = sorted(seen)
                finite = {step: seen[step] for step in order if math.isfinite(seen[step])}
                assert (stats.count, stats.first_step, stats.last_step) == (
                    len(order),
                    order[0],
                    order[-1],
                )
                assert plain(stats.first) == plain(seen[order[0]])
                assert plain(stats.last) == plain(seen[order[-1]])
                special = [value for value in seen.values() if not math.isfinite(value)]
                assert stats.nan_count == sum(map(math.isnan, special))
                assert stats.positive_inf_count == special.count(math.inf)
                assert stats.negative_inf_count == special.count(-math.inf)
                assert stats.minimum == min(finite.values(), default=None)
                assert stats.maximum == max(finite.values(), default=None)
                if finite:
                    assert stats.minimum_step == min(finite, key=finite.__getitem__)
                    assert stats.maximum_step == max(finite, key=finite.__getitem__)
                squares = [value * value for value in finite.values()]
                assert stats.sum == pytest.approx(math.fsum(finite.values()), rel=1e-9, abs=1e-3)
                assert stats.sum_squares == pytest.approx(math.fsum(squares), rel=1e-9)
        lasts = {}
        for key, run in self.model.items():
            if seen := run.visible("x", FLOATS):
                lasts[key] = seen[max(seen)]
        page = self.store.query_runs(
            RunQuery(trashed=None, filter=attribute("x").typed("float_series") > 0)
        )
        assert {run.key for run in page.runs} == {key for key, last in lasts.items() if last > 0}
        sort = Sort(Field("x", FLOATS), ascending=False)
        ordered = [run.key for run in self.store.query_runs(RunQuery(trashed=None, sort=sort)).runs]
        numbers_only = {key: last for key, last in lasts.items() if not math.isnan(last)}
        assert ordered == [
            *sorted(numbers_only, key=lambda key: (-numbers_only[key], -key)),
            *sorted(self.model.keys() - numbers_only.keys(), reverse=True),
        ]

    def compare_values(self) -> None:
        for key, run in self.model.items():
            for path in ("v", "w", "x"):
                if path in run.values:
                    type, value = run.values[path]
                    found_type, found = self.store.get_value(key, path)
                    assert (found_type, plain(found)) == (type, plain(value))
                elif run.type_of(path) is None:
                    with pytest.raises(AttributeNotFound):
                        self.store.get_value(key, path)
            assert self.store.get_value(key, "sys/tags")[1] == run.tags
            assert self.store.get_value(key, "sys/trashed")[1] == run.trashed
            for path in ("x", "y", "z"):
                select = PathSelector(paths=(path,), types=frozenset({FLOATS}))
                query = SeriesQuery(include_previews=True)
                table = self.store.read_series([key], select, query).to_pydict()
                found_previews = {
                    step: (plain(value), ratio)
                    for step, value, ratio in zip(
                        table["step"], table["value"], table["completion"], strict=True
                    )
                    if ratio is not None
                }
                assert found_previews == {
                    step: (plain(value), ratio)
                    for step, (value, ratio) in run.previews.get(path, {}).items()
                }

    def compare_rows(self) -> None:
        for key, run in self.model.items():
            table = self.store.read_events("p", [key])
            column = table.columns.get("e", [None] * len(table.sequence))
            assert [plain(cell) for cell in column] == [plain(row.get("e")) for row in run.rows]


TestStoreAgainstAModel = StoreMachine.TestCase
TestStoreAgainstAModel.settings = settings(
    max_examples=5 * settings().max_examples,
    stateful_step_count=settings().stateful_step_count,
)
