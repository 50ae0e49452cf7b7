"""A tag's SummaryMetadata as TensorBoard has it after its own migration of older kinds."""

from __future__ import annotations

from typing import Any, NamedTuple

from tensorboard.compat.proto import summary_pb2
from tensorboard.plugins.audio import metadata as audio
from tensorboard.plugins.custom_scalar import metadata as custom_scalars
from tensorboard.plugins.graph import metadata as graphs
from tensorboard.plugins.histogram import metadata as histograms
from tensorboard.plugins.hparams import metadata as hparams
from tensorboard.plugins.image import metadata as images
from tensorboard.plugins.mesh import metadata as meshes
from tensorboard.plugins.pr_curve import metadata as pr_curves
from tensorboard.plugins.scalar import metadata as scalars
from tensorboard.plugins.text import metadata as text

from mlpi.boards.reader.run import Held

SCALAR = summary_pb2.DATA_CLASS_SCALAR
TENSOR = summary_pb2.DATA_CLASS_TENSOR
BLOBS = summary_pb2.DATA_CLASS_BLOB_SEQUENCE

# What tensorboard.dataclass_compat makes of writers that name no data class.
CLASSES = {
    scalars.PLUGIN_NAME: SCALAR,
    **dict.fromkeys(
        (
            histograms.PLUGIN_NAME,
            text.PLUGIN_NAME,
            hparams.PLUGIN_NAME,
            pr_curves.PLUGIN_NAME,
            meshes.PLUGIN_NAME,
            custom_scalars.PLUGIN_NAME,
        ),
        TENSOR,
    ),
    **dict.fromkeys(
        (
            images.PLUGIN_NAME,
            audio.PLUGIN_NAME,
            graphs.PLUGIN_NAME_RUN_METADATA,
            graphs.PLUGIN_NAME_RUN_METADATA_WITH_GRAPH,
            graphs.PLUGIN_NAME_KERAS_MODEL,
        ),
        BLOBS,
    ),
}
# Events that are no summaries; TensorBoard makes blobs of them.
EVENTS = (graphs.PLUGIN_NAME, graphs.PLUGIN_NAME_TAGGED_RUN_METADATA)


class Described(NamedTuple):
    """What TensorBoard knows about a tag. is_migrated: its data class was left to the reader."""

    plugin: str
    data_class: int
    content: bytes
    display_name: str
    description: str
    is_migrated: bool


def described(held: Held, tag: str) -> Described | None:
    """None for a tag that no plugin owns."""
    written = held.metadata.get(tag)
    if written is not None and written.plugin:
        is_migrated = not written.data_class
        return Described(
            written.plugin,
            CLASSES.get(written.plugin, 0) if is_migrated else written.data_class,
            written.content,
            written.display_name,
            written.description,
            is_migrated,
        )
    plugin = held.plugins.get(tag)
    if not plugin:
        return None
    if plugin in EVENTS:
        return Described(plugin, BLOBS, b"", "", "", False)
    made = _of_old_kind(
        plugin,
        (written and written.display_name) or tag,
        written.description if written is not None else "",
    )
    if made is None:
        return None
    return Described(
        plugin,
        CLASSES[plugin],
        made.plugin_data.content,
        made.display_name,
        made.summary_description,
        True,
    )


def _of_old_kind(plugin: str, name: str, description: str) -> Any:
    """As tensorboard.data_compat writes it."""
    if plugin == scalars.PLUGIN_NAME:
        return scalars.create_summary_metadata(name, description)
    if plugin == histograms.PLUGIN_NAME:
        return histograms.create_summary_metadata(name, description)
    if plugin == images.PLUGIN_NAME:
        return images.create_summary_metadata(name, description, converted_to_tensor=True)
    if plugin == audio.PLUGIN_NAME:
        wav = audio.Encoding.Value("WAV")
        return audio.create_summary_metadata(name, description, wav, converted_to_tensor=True)
    return None
