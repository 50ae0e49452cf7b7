"""Tasks as the bytes of a file, in any of the formats."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import orjson

from mlpi.labels.bringing.finding import Find
from mlpi.labels.config.config import LabelConfig
from mlpi.labels.exporting import texts
from mlpi.labels.exporting.coco import Coco
from mlpi.labels.exporting.formats import Format
from mlpi.labels.exporting.items import Item, items
from mlpi.labels.exporting.packing import Images
from mlpi.labels.exporting.shape import Read, Task, as_it_is
from mlpi.labels.exporting.spool import Drawer, Spools, add_file, add_folder, archived
from mlpi.labels.exporting.tables import Records, delimited, json_min, kinds_of
from mlpi.labels.exporting.voc import Voc
from mlpi.labels.exporting.yolo import Yolo
from mlpi.web import parquet

PARQUET_ROWS = 500  # of one message to the process that writes


@dataclass(frozen=True, slots=True)
class Writing:
    """How a file is written. find: where the images lie that are packed. is_raw: cells of CSV as
    they are, formulas too."""

    config: LabelConfig
    spools: Spools
    now: datetime
    find: Find
    is_raw: bool = False


def read_for(one: Format) -> Read:
    """How a format needs the JSON that tasks and annotations hold."""
    return as_it_is if one.name == "JSON" else orjson.loads


def written(one: Format, how: Writing, batches: Iterable[list[Task]]) -> Iterator[bytes]:
    """The bytes of a file, in parts of bounded size.

    JSON, JSON-MIN, CoNLL and spaCy come as tasks are read; the others once all have been read.
    """
    if one.name == "JSON":
        return whole_json(batches)
    found = items(how.config, (task for batch in batches for task in batch))
    return _WRITERS[one.name](how, found)


def whole_json(batches: Iterable[list[Task]]) -> Iterator[bytes]:
    """A JSON list with a task a line, so that it can be read again line by line."""
    begin = b"[\n"
    for batch in filter(None, batches):
        yield begin + b",\n".join(map(orjson.dumps, batch))
        begin = b",\n"
    yield b"[]" if begin == b"[\n" else b"\n]"


def _delimited(delimiter: str) -> Callable[[Writing, Iterator[Item]], Iterator[bytes]]:
    def write(how: Writing, found: Iterator[Item]) -> Iterator[bytes]:
        with how.spools() as file:
            records = Records(file)
            records.take(found)
            yield from delimited(records, delimiter, is_raw=how.is_raw)

    return write


def _parquet(how: Writing, found: Iterator[Item]) -> Iterator[bytes]:
    with how.spools() as file:
        records = Records(file)
        records.take(found)
        names = records.columns
        kinds = kinds_of(names, records.rows())
        columns = [cast(parquet.Column, (name, kinds[name])) for name in names]
        yield from parquet.stream(columns, _rows(records, names, kinds))


def _rows(
    records: Records, names: Sequence[str], kinds: dict[str, str]
) -> Iterator[list[list[Any]]]:
    held: list[list[Any]] = []
    for row in records.rows():
        held.append([_cell(row.get(name), kinds[name]) for name in names])
        if len(held) >= PARQUET_ROWS:
            yield held
            held = []
    if held:
        yield held


def _cell(value: Any, kind: str) -> Any:
    if value is None or kind != "text" or isinstance(value, str):
        return value
    return orjson.dumps(value).decode()


def _coco(*, has_images: bool = False) -> Callable[[Writing, Iterator[Item]], Iterator[bytes]]:
    def write(how: Writing, found: Iterator[Item]) -> Iterator[bytes]:
        with _images(how, has_images) as packed, how.spools() as images, how.spools() as said:
            writer = Coco(how.config, images, said, packed)
            writer.take(found)
            yield from _packed(
                lambda archive: add_file(archive, "result.json", writer.parts(how.now)), packed
            )

    return write


def _yolo(
    *, is_turned: bool, has_images: bool = False
) -> Callable[[Writing, Iterator[Item]], Iterator[bytes]]:
    def write(how: Writing, found: Iterator[Item]) -> Iterator[bytes]:
        with _images(how, has_images) as packed, how.spools() as file:
            drawer = Drawer(file)
            writer = Yolo(how.config, drawer, packed, is_turned=is_turned)
            writer.take(found)
            writer.finish(how.now)
            yield from _packed(drawer.pack, packed, "labels")

    return write


def _voc(how: Writing, found: Iterator[Item]) -> Iterator[bytes]:
    with how.spools() as file:
        drawer = Drawer(file)
        Voc(how.config, drawer).take(found)
        yield from _packed(drawer.pack, None, "Annotations")


@contextmanager
def _images(how: Writing, has_images: bool) -> Iterator[Images | None]:
    if not has_images:
        yield None
        return
    with closing(Images(how.find, how.spools)) as packed:
        yield packed


def _packed(
    fill: Callable[[zipfile.ZipFile], Iterator[None]], packed: Images | None, *folders: str
) -> Iterator[bytes]:
    """An archive with the folders that the format has; images/ is empty unless they are packed."""

    def filled(archive: zipfile.ZipFile) -> Iterator[None]:
        for name in ("images", *folders):
            add_folder(archive, name)
        yield from fill(archive)
        if packed is not None:
            yield from packed.pack(archive)

    return archived(filled)


_WRITERS: dict[str, Callable[[Writing, Iterator[Item]], Iterator[bytes]]] = {
    "JSON_MIN": lambda how, found: json_min(found),
    "CSV": _delimited(","),
    "TSV": _delimited("\t"),
    "PARQUET": _parquet,
    "CONLL2003": lambda how, found: texts.conll(how.config, found),
    "SPACY": lambda how, found: texts.spacy(how.config, found),
    "COCO": _coco(),
    "YOLO": _yolo(is_turned=False),
    "YOLO_OBB": _yolo(is_turned=True),
    "COCO_WITH_IMAGES": _coco(has_images=True),
    "YOLO_WITH_IMAGES": _yolo(is_turned=False, has_images=True),
    "YOLO_OBB_WITH_IMAGES": _yolo(is_turned=True, has_images=True),
    "VOC": _voc,
}
