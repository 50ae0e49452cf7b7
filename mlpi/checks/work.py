"""What workers do for this room. Imported in workers by name; the engine comes in late."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlpi.checks.source import SQL, Source
from mlpi.jobs.context import JobContext
from mlpi.uploads import digest

PREVIEW_ROWS = 200
MOST_LISTED = 10_000


def profile(context: JobContext, params: Mapping[str, Any]) -> dict[str, Any]:
    """A source's profile and first rows, and its hash if wanted."""
    from mlpi.checks.engine.profiling import preview  # noqa: PLC0415
    from mlpi.checks.engine.profiling import profile as profile_of  # noqa: PLC0415
    from mlpi.checks.engine.reading import open_table  # noqa: PLC0415

    source = Source.of_params(params["source"])
    with _scratch(context) as folder:
        context.progress(0.05, "opening")
        with open_table(
            _named(source, folder), folder=folder / "spill", memory_bytes=params["memory_bytes"]
        ) as table:
            found = profile_of(
                table, progress=lambda part, words: context.progress(0.1 + 0.8 * part, words)
            )
            rows = preview(table, limit=PREVIEW_ROWS)
            found["reading"] = table.reading
    context.progress(0.95, "hashing")
    file = _file_of(source) if params["wants_hash"] else None
    return {"profile": found, "preview": rows, "file": file}


def validate(context: JobContext, params: Mapping[str, Any]) -> dict[str, Any]:
    """The result of a suite on a source, in Great Expectations' JSON, and what it took."""
    from mlpi.checks.engine.reading import open_table  # noqa: PLC0415
    from mlpi.checks.engine.validation import validate as validate_table  # noqa: PLC0415

    source = Source.of_params(params["source"])
    began = time.monotonic()
    with _scratch(context) as folder:
        context.progress(0.02, "opening")
        with open_table(
            _named(source, folder), folder=folder / "spill", memory_bytes=params["memory_bytes"]
        ) as table:
            result = validate_table(
                table,
                params["suite"],
                result_format=params["result_format"],
                progress=lambda part, words: context.progress(0.05 + 0.9 * part, words),
            )
            skipped = table.skipped_lines
    _shorten(result)
    file = _file_of(source) if params["wants_hash"] else None
    figures = {"wall_s": round(time.monotonic() - began, 3), "skipped_lines": skipped}
    return {"result": result, "figures": figures, "file": file}


def _shorten(result: dict[str, Any]) -> None:
    """Cut what COMPLETE lists, for a report is kept in the database; meta says how long it was."""
    for one in result["results"]:
        found = one.get("result") or {}
        for key, listed in found.items():
            if isinstance(listed, list) and len(listed) > MOST_LISTED:
                found[key] = listed[:MOST_LISTED]
                one.setdefault("meta", {}).setdefault("mlpi", {}).setdefault("cut", {})[key] = len(
                    listed
                )


@contextmanager
def _scratch(context: JobContext) -> Iterator[Path]:
    """A folder for what does not fit into memory, gone afterwards."""
    base = context.home / "tmp"
    base.mkdir(exist_ok=True, mode=0o700)
    folder = Path(tempfile.mkdtemp(prefix=f"job{context.job_id}-", dir=base))
    (folder / "spill").mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _named(source: Source, folder: Path) -> Source:
    """The source under the name that people know, which is the one in messages about it."""
    if not source.file_name or Path(source.path).name == source.file_name:
        return source
    link = folder / "in" / source.file_name
    link.parent.mkdir()
    link.symlink_to(source.path)
    return replace(source, path=str(link))


def _file_of(source: Source) -> dict[str, Any] | None:
    if source.format == SQL:
        return None
    sha256, size_bytes = digest(Path(source.path))
    return {"path": source.path, "sha256": sha256, "size_bytes": size_bytes}


def data_docs(context: JobContext, params: Mapping[str, Any]) -> dict[str, Any]:
    """Write the Data Docs page of a result to a file."""
    from mlpi.checks.engine.data_docs import data_docs as page_of  # noqa: PLC0415

    context.progress(0.1, "importing Great Expectations")
    page = page_of(params["result"])
    target = context.home / "checks" / "docs" / f"{int(params['run'])}.html"
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = target.with_suffix(".part")
    draft.write_text(page, "utf-8")
    draft.replace(target)
    return {"bytes": len(page)}
