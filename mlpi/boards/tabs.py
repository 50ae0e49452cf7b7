"""The pages of the room, in the order of their tabs. Whoever adds a page adds a line."""

from __future__ import annotations

from typing import NamedTuple


class Tab(NamedTuple):
    """A page that shows the chosen runs."""

    label: str
    href: str


TABS: tuple[Tab, ...] = (
    Tab("Curves", "/boards"),
    Tab("Images", "/boards/images"),
    Tab("Audio", "/boards/audio"),
    Tab("Histograms", "/boards/histograms"),
    Tab("Text", "/boards/text"),
    Tab("HParams", "/boards/hparams"),
    Tab("TensorBoard", "/tensorboard/"),
)
