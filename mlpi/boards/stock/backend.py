"""TensorBoard's own backend, put together for one workspace."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tensorboard.backend import application
from tensorboard.plugins import base_plugin
from tensorboard.plugins.audio.audio_plugin import AudioPlugin
from tensorboard.plugins.core.core_plugin import CorePlugin
from tensorboard.plugins.custom_scalar.custom_scalars_plugin import CustomScalarsPlugin
from tensorboard.plugins.distribution.distributions_plugin import DistributionsPlugin
from tensorboard.plugins.graph.graphs_plugin import GraphsPlugin
from tensorboard.plugins.histogram.histograms_plugin import HistogramsPlugin
from tensorboard.plugins.hparams.hparams_plugin import HParamsPlugin
from tensorboard.plugins.image.images_plugin import ImagesPlugin
from tensorboard.plugins.mesh.mesh_plugin import MeshPlugin
from tensorboard.plugins.metrics.metrics_plugin import MetricsPlugin
from tensorboard.plugins.pr_curve.pr_curves_plugin import PrCurvesPlugin
from tensorboard.plugins.scalar.scalars_plugin import ScalarsPlugin
from tensorboard.plugins.text.text_plugin import TextPlugin

from mlpi.boards.library import Run
from mlpi.boards.stock.projector import Projector
from mlpi.boards.stock.provider import Provider

# In the order of the page's tabs, as tensorboard.default has them. Left out: the debugger, which
# opens files of its own, and the notices where to get the profiler and the What-If tool.
PLUGINS = (
    MetricsPlugin,
    ScalarsPlugin,
    CustomScalarsPlugin,
    ImagesPlugin,
    AudioPlugin,
    GraphsPlugin,
    DistributionsPlugin,
    HistogramsPlugin,
    TextPlugin,
    PrCurvesPlugin,
    HParamsPlugin,
    MeshPlugin,
)

logging.getLogger("tensorboard").setLevel(logging.ERROR)  # one line a request otherwise


def wsgi_app(runs: Callable[[], Sequence[Run]], folder: Path, location: str) -> Any:
    """A workspace's WSGI app, without the page and its files.

    runs: those to show now; folder: the workspace's; location: what the page calls it.
    """
    data = Provider(runs, location)
    flags = argparse.Namespace(
        logdir=location,
        logdir_spec="",
        path_prefix="",
        samples_per_plugin={},
        window_title="",
        generic_data="true",
    )
    made: dict[str, Any] = {}

    def context(logdir: str) -> Any:
        return base_plugin.TBContext(
            data_provider=data,
            flags=flags,
            logdir=logdir,
            multiplexer=None,
            plugin_name_to_instance=made,
            sampling_hints={},
            window_title="",
        )

    shown, inside = context(location), context(str(folder))
    # CorePlugin has no page and files without a zip; with one it would pack and hold them per app.
    plugins = [CorePlugin(shown), *(plugin(shown) for plugin in PLUGINS), Projector(inside)]
    made.update({plugin.plugin_name: plugin for plugin in plugins})
    return application.TensorBoardWSGI(plugins, data_provider=data)
