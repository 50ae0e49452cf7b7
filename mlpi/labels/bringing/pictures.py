"""Small and upright copies of pictures, made by Pillow one at a time and kept on the disk."""

from __future__ import annotations

import hashlib
import shutil
import threading
import time
import warnings
from pathlib import Path

from mlpi.errors import MlpiError

SMALL = 256  # pixels of the longer side
MOST_PIXELS = 50_000_000  # a picture's memory, unpacked, is up to four bytes for each
KEEP_S = 30 * 86400.0
FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".gif": "GIF"}
_ORIENTATION = 0x0112
_lock = threading.Lock()  # one picture in memory at a time


class PictureUnusable(MlpiError):
    """No small copy can be made of this file."""

    status = 415
    code = "PICTURE_UNUSABLE"


class Pictures:
    """Copies under cache/labels/<project>; a copy is of one content, so it is never stale."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "cache" / "labels"

    def small(self, project_id: int, path: Path) -> Path:
        """A WebP of at most 256 pixels a side, upright. Raises PictureUnusable."""
        target = self._target(project_id, path, "small.webp")
        if not target.exists():
            self._make(path, target, SMALL)
        return target

    def upright(self, project_id: int, path: Path) -> Path:
        """The picture turned as its EXIF orientation says; the file itself when it says nothing.

        Raises PictureUnusable.
        """
        if FORMATS.get(path.suffix.lower()) not in ("JPEG", "PNG", "WEBP"):
            return path
        ending = path.suffix.lower()
        target = self._target(project_id, path, f"upright{ending}")
        if target.exists():
            return target
        return target if self._make(path, target, None) else path

    def drop_project(self, project_id: int) -> None:
        shutil.rmtree(self._folder / str(project_id), ignore_errors=True)

    def sweep(self) -> int:
        """Remove copies that were made a month ago; how many."""
        limit, removed = time.time() - KEEP_S, 0
        for one in self._folder.glob("*/*"):
            if one.stat().st_mtime < limit:
                one.unlink(missing_ok=True)
                removed += 1
        return removed

    def _target(self, project_id: int, path: Path, ending: str) -> Path:
        about = path.stat()
        words = f"{path} {about.st_mtime_ns} {about.st_size}".encode()
        name = hashlib.sha256(words).hexdigest()[:32]
        return self._folder / str(project_id) / f"{name}.{ending}"

    def _make(self, path: Path, target: Path, side: int | None) -> bool:
        """Write a copy; False when side is None and the picture is upright already."""
        # Late: Pillow takes its time, and most services never show a picture.
        from PIL import Image, ImageOps, UnidentifiedImageError  # noqa: PLC0415

        kind = FORMATS.get(path.suffix.lower())
        if kind is None:
            raise PictureUnusable(f"There are no small copies of {path.suffix or 'such'} files.")
        part = target.with_name(f"{target.name}.part")
        with _lock, warnings.catch_warnings():
            if target.exists():
                return True
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            try:
                with Image.open(path, formats=(kind,)) as picture:
                    width, height = picture.size
                    if width * height > MOST_PIXELS:
                        raise PictureUnusable(
                            f"The picture has {width:,} × {height:,} pixels; "
                            f"{MOST_PIXELS:,} are allowed."
                        )
                    turn = picture.getexif().get(_ORIENTATION, 1)
                    if side is None and turn not in range(2, 9):
                        return False
                    if side is not None:
                        picture.draft("RGB", (side, side))  # a JPEG is unpacked small at once
                        picture.thumbnail((2 * side, 2 * side))
                    made = ImageOps.exif_transpose(picture)
                    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                    if side is not None:
                        made.thumbnail((side, side))
                        if made.mode not in ("RGB", "RGBA"):
                            made = made.convert("RGBA" if "transparency" in made.info else "RGB")
                        made.save(part, "WEBP", quality=80)
                    else:
                        made.save(part, kind, **({} if kind == "PNG" else {"quality": 95}))
            except (
                UnidentifiedImageError,
                Image.DecompressionBombWarning,
                Image.DecompressionBombError,
                OSError,
                ValueError,
                SyntaxError,
            ) as error:
                part.unlink(missing_ok=True)
                raise PictureUnusable(
                    f"The file is no picture that can be read: {error}."
                ) from None
        part.replace(target)
        return True
