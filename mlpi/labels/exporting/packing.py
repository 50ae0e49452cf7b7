"""Images beside their labels: those that lie on this server, packed as they are.

Images of other hosts are named and not fetched, as Label Studio leaves those that it cannot reach;
an export that leaves some out lists them in images-left-out.txt.
"""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from mlpi.labels.bringing.finding import Find
from mlpi.labels.bringing.local import AT as LOCAL
from mlpi.labels.exporting import images
from mlpi.labels.exporting.spool import Spools, add_file, blocks

LEFT_OUT = "images-left-out.txt"
LONGEST_NAME = 255
LONGEST_TOLD = 2000  # characters of an address
_ORIENTATION, _LYING = 0x0112, range(5, 9)  # of EXIF: turned by a quarter


class Images:
    """The images of an export, each once. Their names and places are in memory, no content is."""

    def __init__(self, find: Find, spools: Spools) -> None:
        self._find = find
        self._places: dict[str, Path] = {}
        self._missing: set[str] = set()
        self._left_out = spools()

    def close(self) -> None:
        self._left_out.close()

    def take(self, image: str) -> str:
        """What the export calls an image, which from now on belongs to it."""
        found = self._find(image) if image else None
        path = images.path_of(image)
        if found is not None and found.is_file():
            name = images.name_of(path)
            if urlsplit(image).path.rstrip("/") == LOCAL.rstrip("/"):
                # Of folders, which may have the same names.
                name = f"{images.mark_of(image)}__{name}"[-LONGEST_NAME:]
            path = f"{images.FOLDER}/{name}"
            self._places[path] = found
        elif image and (mark := images.mark_of(image)) not in self._missing:
            self._missing.add(mark)
            told = image[:LONGEST_TOLD].splitlines()[0] if image.strip() else repr(image)
            self._left_out.write(f"{told}\n".encode(errors="replace"))
        return path

    def size_of(self, path: str) -> tuple[int, int] | None:
        """Width and height in pixels, upright, of one that was taken; None if it is not here."""
        # Late: Pillow takes its time, and most exports need none.
        from PIL import Image  # noqa: PLC0415

        place = self._places.get(path)
        if place is None:
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # nothing is unpacked
            try:
                with Image.open(place) as picture:
                    width, height = picture.size
                    is_lying = picture.getexif().get(_ORIENTATION, 1) in _LYING
            except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
                return None
        return (height, width) if is_lying else (width, height)

    def pack(self, archive: zipfile.ZipFile) -> Iterator[None]:
        """Write them into an archive, by name; stops after each part, so that it can be sent."""
        for path in sorted(self._places):
            try:
                source = self._places[path].open("rb")
            except OSError as error:  # removed meanwhile
                self._left_out.write(f"{path}: {error.strerror}\n".encode())
                continue
            with source:  # stored: images are compressed already
                yield from add_file(archive, path, blocks(source), zipfile.ZIP_STORED)
        if self._left_out.tell():
            yield from add_file(archive, LEFT_OUT, self._told())

    def _told(self) -> Iterator[bytes]:
        yield (
            b"These images are not in this archive: they do not lie on this server, or are gone, "
            b"and nothing is fetched from other hosts.\n\n"
        )
        yield from blocks(self._left_out)
