"""TensorBoard's projector, kept inside the workspace's folder.

It opens files itself: a run's `projector_config.pbtxt`, and the vectors and labels this names,
which must lie beside it. Here nothing on the way to that file may be a link: it could lead out.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tensorboard.context import RequestContext
from tensorboard.plugins.projector import projector_plugin
from tensorboard.plugins.projector.metadata import (
    PLUGIN_ASSETS_NAME,
    PLUGINS_DIR,
    PROJECTOR_FILENAME,
)

MOST_CONFIG_BYTES = 1 << 20
MOST_TENSOR_BYTES = 32 << 20  # of one file of vectors; as text it takes four times that to read

log = logging.getLogger(__name__)
Stamp = tuple[str, int, int]  # a file, its time of change in ns, its size


class Projector(projector_plugin.ProjectorPlugin):  # type: ignore[misc]
    """Vectors of runs that have event files, and of the workspace's folder itself."""

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self._lock = threading.Lock()
        self._seen: tuple[list[Stamp], list[Stamp]] = ([], [])
        self._configs: dict[str, Any] = {}
        self.config_fpaths: dict[str, str] = {}

    def is_active(self) -> bool:
        """Whether a run has a configuration; TensorBoard's own asks once and remembers."""
        return any(True for _ in self._found())

    def _update_configs(self) -> None:
        """Read them again if one came, went or changed, or a file of vectors did.

        What cannot be read is left out; TensorBoard's own fails for all of them then.
        """
        with self._lock:
            found = list(self._found())
            stamps = [_stamp(Path(folder) / PROJECTOR_FILENAME) for _, folder in found]
            if self._seen == (stamps, self._vectors()):
                return
            self.tensor_cache = projector_plugin.LRUCache(projector_plugin._TENSOR_CACHE_CAPACITY)
            configs: dict[str, Any] = {}
            paths: dict[str, str] = {}
            for run, folder in found:
                self._configs, self.config_fpaths = {}, {}
                self.readers.clear()
                try:
                    read = self._read_latest_config_files([(run, folder)])
                    for name, config in read[0].items():
                        _drop_unfit(config, read[1][name])
                    self._configs, self.config_fpaths = read
                    self._augment_configs_with_checkpoint_info()
                except (text_format.ParseError, ValueError, IndexError, OSError) as error:
                    log.warning("the projector leaves out what %s has: %s", run, error)
                    continue
                configs.update(self._configs)
                paths.update(self.config_fpaths)
            self._configs, self.config_fpaths = configs, paths
            self._seen = stamps, self._vectors()

    def _found(self) -> Iterator[tuple[str, str]]:
        """Each run that has a configuration, and the folder it lies in."""
        runs = self.data_provider.list_runs(RequestContext(), experiment_id="")
        root = Path(self.logdir)
        for run in dict.fromkeys([".", *(run.run_name for run in runs)]):
            for folder in (root / run, root / run / PLUGINS_DIR / PLUGIN_ASSETS_NAME):
                if _is_plain(root, folder / PROJECTOR_FILENAME):
                    yield run, str(folder)

    def _vectors(self) -> list[Stamp]:
        return [
            _stamp(Path(self.config_fpaths[run]).parent / embedding.tensor_path)
            for run, config in self._configs.items()
            for embedding in config.embeddings
        ]


def _is_plain(root: Path, path: Path) -> bool:
    """Whether there is such a file of a sensible size, which no link below the root leads to."""
    try:
        inside = path.resolve(strict=True).relative_to(root.resolve())
        is_plain = inside == path.relative_to(root) and path.is_file()
        return is_plain and path.stat().st_size <= MOST_CONFIG_BYTES
    except (OSError, ValueError):
        return False


def _stamp(path: Path) -> Stamp:
    try:
        status = path.stat()
    except OSError:
        return str(path), 0, 0
    return str(path), status.st_mtime_ns, status.st_size


def _drop_unfit(config: Any, at: str) -> None:
    """Vectors that lie elsewhere, cannot be had, or would not fit into memory."""
    config.model_checkpoint_path = ""  # needs TensorFlow, and may lie anywhere
    for embedding in list(config.embeddings):
        try:
            path = Path(projector_plugin._rel_to_abs_asset_path(embedding.tensor_path, at))
            fits = path.is_file() and 0 < path.stat().st_size <= MOST_TENSOR_BYTES
        except (ValueError, OSError):
            fits = False
        if not fits:
            config.embeddings.remove(embedding)
