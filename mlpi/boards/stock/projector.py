"""TensorBoard's projector, kept inside the workspace's folder.

It opens files itself: a run's `projector_config.pbtxt`, and the vectors and labels this names,
which must lie beside it. Here nothing on the way to that file may be a link: it could lead out.
"""

from __future__ import annotations

import logging
import os
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
MOST_TENSOR_BYTES = 64 << 20  # of one file of vectors; the plugin holds all of it

log = logging.getLogger(__name__)


class Projector(projector_plugin.ProjectorPlugin):  # type: ignore[misc]
    """Vectors of runs that have event files, and of the workspace's folder itself."""

    def is_active(self) -> bool:
        """Whether a run has a configuration; TensorBoard asks once and remembers."""
        runs = self.data_provider.list_runs(RequestContext(), experiment_id="")
        folders = {".", *(run.run_name for run in runs)}
        return any(
            self._is_inside(os.path.join(self.logdir, folder, below))  # noqa: PTH118
            for folder in folders
            for below in ("", os.path.join(PLUGINS_DIR, PLUGIN_ASSETS_NAME))  # noqa: PTH118
        )

    def _read_latest_config_files(
        self, run_path_pairs: list[tuple[str, str]]
    ) -> tuple[dict[str, Any], dict[str, str]]:
        """A configuration that cannot be read is left out, not the page of all others."""
        configs: dict[str, Any] = {}
        paths: dict[str, str] = {}
        for run, folder in run_path_pairs:
            if not self._is_inside(folder):
                continue
            try:
                found, at = super()._read_latest_config_files([(run, folder)])
                for name, config in found.items():
                    self._drop_unfit(config, at[name])
            except (text_format.ParseError, UnicodeDecodeError, OSError) as error:
                log.warning("the projector's configuration of %s is left out: %s", run, error)
                continue
            configs.update(found)
            paths.update(at)
        return configs, paths

    def _is_inside(self, folder: str) -> bool:
        """Whether there is a configuration that no link leads to."""
        root = Path(self.logdir).resolve()
        path = Path(os.path.normpath(root / Path(folder).relative_to(self.logdir)))
        path /= PROJECTOR_FILENAME
        try:
            is_plain: bool = path.resolve(strict=True) == path and path.is_file()
            return is_plain and path.stat().st_size <= MOST_CONFIG_BYTES
        except OSError:
            return False

    def _drop_unfit(self, config: Any, at: str) -> None:
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
