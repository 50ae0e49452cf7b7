"""TensorBoard's data provider over the runs that our reader holds."""

from __future__ import annotations

import base64
import binascii
import json
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from tensorboard import errors
from tensorboard.data import provider

from mlpi.boards.library import Run
from mlpi.boards.reader.arrays import Ints
from mlpi.boards.reader.columns import Places, Points
from mlpi.boards.reader.run import Held, entries_of
from mlpi.boards.stock import metadata, values
from mlpi.boards.stock.series import BlobSeries, One, ScalarSeries, TensorSeries

MOST_BYTES = 64 << 20  # of tensors that one call reads; fewer steps are read rather than more
Index = dict[str, dict[str, One]]


class Counted(NamedTuple):
    """The most blobs of one step, found in the first `length` places."""

    held: Held
    length: int
    last: tuple[int, int]
    most: int


class Provider(provider.DataProvider):  # type: ignore[misc]
    """One workspace's runs, as `MultiplexerDataProvider` would serve them without its reservoirs.

    One difference is our reader's: a writer's restart ends what was written from its step on even
    when it is the run's first (as with `purge_step` of torch), which TensorBoard's passes over.

    Experiments are not told apart: the runs are the workspace's, whatever id is asked for. Only
    the steps asked for are read from disk, those of one call up to 64 MB; listing reads none but
    the first bytes of new blobs.
    """

    def __init__(self, runs: Callable[[], Sequence[Run]], location: str) -> None:
        """runs: those to show now; location: what the page says about where they lie."""
        self._runs, self._location = runs, location
        self._counted: dict[tuple[str, str], Counted] = {}

    def __str__(self) -> str:
        return f"mlpi's reader of {self._location}"

    def experiment_metadata(self, ctx: Any = None, *, experiment_id: str) -> Any:
        return provider.ExperimentMetadata(data_location=self._location)

    def list_plugins(self, ctx: Any = None, *, experiment_id: str) -> frozenset[str]:
        return frozenset(
            plugin
            for run in self._runs()
            for plugin in list(run.reader.held.plugins.values())
            if plugin
        )

    def list_runs(self, ctx: Any = None, *, experiment_id: str) -> list[Any]:
        return [
            provider.Run(run_id=run.name, run_name=run.name, start_time=run.reader.held.began_at)
            for run in self._runs()
        ]

    def list_scalars(
        self,
        ctx: Any = None,
        *,
        experiment_id: str,
        plugin_name: str,
        run_tag_filter: Any = None,
    ) -> dict[str, dict[str, Any]]:
        index = self._index(plugin_name, run_tag_filter, metadata.SCALAR)
        return _each(index, ScalarSeries)

    def read_scalars(
        self,
        ctx: Any = None,
        *,
        experiment_id: str,
        plugin_name: str,
        downsample: int | None = None,
        run_tag_filter: Any = None,
    ) -> dict[str, dict[str, Any]]:
        most = _checked(downsample)
        index = self._index(plugin_name, run_tag_filter, metadata.SCALAR)
        return _each(index, lambda one: self._scalars(one, most))

    def read_last_scalars(
        self,
        ctx: Any = None,
        *,
        experiment_id: str,
        plugin_name: str,
        run_tag_filter: Any = None,
    ) -> dict[str, dict[str, Any]]:
        index = self._index(plugin_name, run_tag_filter, metadata.SCALAR)
        found: dict[str, dict[str, Any]] = {}
        for run, tags in index.items():
            for tag, one in tags.items():
                series = one.held.series.get(tag)
                last = self._scalars(one, 1) if series is None else _scalar_data(series.last())
                if last:
                    found.setdefault(run, {})[tag] = last[-1]
        return found

    def list_tensors(
        self,
        ctx: Any = None,
        *,
        experiment_id: str,
        plugin_name: str,
        run_tag_filter: Any = None,
    ) -> dict[str, dict[str, Any]]:
        index = self._index(plugin_name, run_tag_filter, metadata.TENSOR)
        return _each(index, TensorSeries)

    def read_tensors(
        self,
        ctx: Any = None,
        *,
        experiment_id: str,
        plugin_name: str,
        downsample: int | None = None,
        run_tag_filter: Any = None,
    ) -> dict[str, dict[str, Any]]:
        most = _checked(downsample)
        index = self._index(plugin_name, run_tag_filter, metadata.TENSOR)
        places = _each(index, lambda one: one.places())
        while most > 1 and _bytes(places, most) > MOST_BYTES:
            most //= 2
        return _each(index, lambda one: list(_tensor_data(one, places[one.run.name], most)))

    def list_blob_sequences(
        self,
        ctx: Any = None,
        *,
        experiment_id: str,
        plugin_name: str,
        run_tag_filter: Any = None,
    ) -> dict[str, dict[str, Any]]:
        index = self._index(plugin_name, run_tag_filter, metadata.BLOBS)
        names = {run.name for run in self._runs()}
        for key in [key for key in list(self._counted) if key[0] not in names]:
            self._counted.pop(key, None)
        return _each(index, lambda one: BlobSeries(one, self._most_blobs))

    def read_blob_sequences(
        self,
        ctx: Any = None,
        *,
        experiment_id: str,
        plugin_name: str,
        downsample: int | None = None,
        run_tag_filter: Any = None,
    ) -> dict[str, dict[str, Any]]:
        most = _checked(downsample)
        index = self._index(plugin_name, run_tag_filter, metadata.BLOBS)

        def read(one: One) -> list[Any]:
            places = one.places()
            _, firsts = np.unique(places.steps, return_index=True)  # by step, the first of each
            chosen = places.at(firsts[sampled(len(firsts), most)])
            found = []
            for entry, count in _blob_counts(one, chosen):
                address = (experiment_id, plugin_name, one.run.name, one.tag, entry.step)
                found.append(
                    provider.BlobSequenceDatum(
                        wall_time=entry.wall_time,
                        step=entry.step,
                        values=tuple(
                            provider.BlobReference(blob_key(*address, number))
                            for number in range(count)
                        ),
                    )
                )
            return found

        return _each(index, read)

    def read_blob(self, ctx: Any = None, *, blob_key: str) -> bytes:
        _, plugin, name, tag, step, number = _blob_address(blob_key)
        only = provider.RunTagFilter(runs=[name], tags=[tag])
        one = self._index(plugin, only, metadata.BLOBS).get(name, {}).get(tag)
        if one is None:
            raise errors.NotFoundError(blob_key)
        places = one.places()
        at_step = np.flatnonzero(places.steps == step)
        if not len(at_step):
            raise errors.NotFoundError(f"{blob_key}: no such step {step}")
        (entry,) = entries_of(one.held, places.at(at_step[:1]))
        try:
            blobs = values.array(entry, one.run.reader.content(entry), one.described).reshape(-1)
        except values.Unreadable:
            raise errors.NotFoundError(f"{blob_key}: its file has changed") from None
        if not 0 <= number < len(blobs):
            raise errors.NotFoundError(f"{blob_key}: no such blob {number}")
        return bytes(blobs[number])

    def _index(self, plugin: str, only: Any, data_class: int) -> Index:
        names = only.runs if only is not None else None
        tags = only.tags if only is not None else None
        found: Index = {}
        for run in self._runs():
            if names is not None and run.name not in names:
                continue
            held = run.reader.held
            every = held.plugins if tags is None else tags & held.plugins.keys()
            of_run = {
                tag: One(run, held, tag, described)
                for tag in list(every)
                if held.plugins.get(tag) == plugin
                and (described := metadata.described(held, tag)) is not None
                and described.data_class == data_class
            }
            if of_run:
                found[run.name] = of_run
        return found

    def _scalars(self, one: One, most: int) -> list[Any]:
        if one.tag in one.held.series:
            points = one.points()
            return _scalar_data(points.at(sampled(len(points.steps), most)))
        return [
            provider.ScalarDatum(step=each.step, wall_time=each.wall_time, value=each.numpy.item())
            for each in _tensor_data(one, {one.tag: one.places()}, most)
            if each.numpy.size == 1
        ]

    def _most_blobs(self, one: One) -> int | None:
        """The most blobs of a step. Places that were looked at are not looked at again."""
        places = one.places()
        count = len(places.steps)
        if not count:
            return None
        key = (one.run.name, one.tag)
        before, most = self._counted.get(key), 0
        new = places
        if before is not None and before.held is one.held and count >= before.length:
            last = before.length - 1
            if before.last == (int(places.files[last]), int(places.offsets[last])):
                most, new = before.most, places.at(slice(before.length, None))
        most = max([most, *(number for _, number in _blob_counts(one, new))])
        last_place = int(places.files[-1]), int(places.offsets[-1])
        self._counted[key] = Counted(one.held, count, last_place, most)
        return most


def sampled(count: int, most: int) -> Ints:
    """(n,) int64: the positions that MultiplexerDataProvider picks: at random, and the last."""
    if most > count:
        return np.arange(count)
    if most == 0:
        return np.empty(0, np.int64)
    chosen = random.Random(0).sample(range(count - 1), most - 1)  # noqa: S311 - as TensorBoard does
    return np.array([*sorted(chosen), count - 1], np.int64)


def blob_key(experiment: str, plugin: str, run: str, tag: str, step: int, number: int) -> str:
    """As TensorBoard writes it: a link of one is a link of the other."""
    address = json.dumps((experiment, plugin, run, tag, step, number), separators=(",", ":"))
    return base64.urlsafe_b64encode(address.encode("ascii")).decode("ascii").rstrip("=")


def _blob_address(key: str) -> tuple[str, str, str, str, int, int]:
    try:
        address = json.loads(base64.urlsafe_b64decode(key + "=="))
        experiment, plugin, run, tag, step, number = address
    except (ValueError, TypeError, binascii.Error):
        raise errors.InvalidArgumentError("this is no key of a blob") from None
    texts = (experiment, plugin, run, tag)
    if not all(isinstance(one, str) for one in texts) or not (type(step) is type(number) is int):
        raise errors.InvalidArgumentError("this is no key of a blob")
    return experiment, plugin, run, tag, step, number


def _checked(downsample: int | None) -> int:
    if not isinstance(downsample, int):
        raise TypeError(f"`downsample` must be an int, but got {downsample!r}")
    return downsample


def _each(index: Index, make: Callable[[One], Any]) -> dict[str, dict[str, Any]]:
    return {run: {tag: make(one) for tag, one in tags.items()} for run, tags in index.items()}


def _scalar_data(points: Points) -> list[Any]:
    rows = zip(*(column.tolist() for column in points), strict=True)
    return [
        provider.ScalarDatum(step=step, wall_time=wall_time, value=value)
        for step, wall_time, value in rows
    ]


def _bytes(places: dict[str, dict[str, Places]], most: int) -> int:
    """How much would be read."""
    return sum(
        int(one.lengths[sampled(len(one.lengths), most)].sum())
        for tags in places.values()
        for one in tags.values()
    )


def _tensor_data(one: One, places: dict[str, Places], most: int) -> Iterator[Any]:
    """What cannot be read any more is left out: its file is about to be read anew."""
    every = places[one.tag]
    for entry in entries_of(one.held, every.at(sampled(len(every.steps), most))):
        try:
            made = values.array(entry, one.run.reader.content(entry), one.described)
        except values.Unreadable:
            continue
        yield provider.TensorDatum(step=entry.step, wall_time=entry.wall_time, numpy=made)


def _blob_counts(one: One, places: Places) -> Iterator[tuple[Any, int]]:
    """Each entry that can be read, and how many blobs it holds."""
    for entry in entries_of(one.held, places):
        head = b""
        if entry.kind == "tensor":
            try:
                head = one.run.reader.content(
                    entry._replace(length=min(entry.length, values.HEAD_BYTES))
                )
            except OSError:
                continue
        yield entry, values.blob_count(entry.kind, head, one.described)
