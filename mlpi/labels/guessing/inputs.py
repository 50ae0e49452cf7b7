"""What a model is given of a task. Imported in workers; PIL and numpy come in late."""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from mlpi.labels.bringing.finding import Find
from mlpi.labels.guessing.answers import Size, Unfit
from mlpi.labels.guessing.plan import Plan

LARGEST_PICTURE = 64 << 20  # bytes


def input_of(plan: Plan, data: Mapping[str, Any], find: Find) -> tuple[Any, Size | None]:
    """The input, and a picture's own size in pixels. Raises Unfit."""
    value = data if not plan.field else data.get(plan.field)
    if value is None:
        raise Unfit(f"the task has no {plan.field!r}")
    if plan.kind == "text":
        if not isinstance(value, str | int | float):
            raise Unfit(f"{plan.field!r} is no text")
        return str(value), None
    if plan.kind == "features":
        if isinstance(value, Mapping) or (isinstance(value, list) and value):
            return value, None
        raise Unfit(f"{plan.field or 'its data'!r} is no list of numbers and no object")
    if not isinstance(value, str):
        raise Unfit(f"{plan.field!r} is no address of a picture")
    return _picture(plan, value, find)


def _picture(plan: Plan, address: str, find: Find) -> tuple[Any, Size]:
    import numpy as np  # noqa: PLC0415 - never in the service
    from PIL import Image, ImageOps  # noqa: PLC0415

    content = _content(address, find)
    try:
        with Image.open(io.BytesIO(content)) as opened:
            turned = ImageOps.exif_transpose(opened)
            size = turned.size
            picture = turned.convert(plan.mode)
            if plan.width or plan.height:
                wanted = (plan.width or size[0], plan.height or size[1])
                if wanted != size:
                    picture = picture.resize(wanted, Image.Resampling.BILINEAR)
            return np.asarray(picture, dtype=float) * (plan.top / 255.0), size
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise Unfit(f"the picture cannot be read ({type(error).__name__})") from None


def _content(address: str, find: Find) -> bytes:
    """A picture's bytes: of a data: URI, or of an uploaded file. Never another host's."""
    if address.startswith("data:"):
        head, _, body = address.partition(",")
        try:
            is_base64 = head.endswith(";base64")
            return base64.b64decode(body, validate=True) if is_base64 else unquote_to_bytes(body)
        except (binascii.Error, ValueError):
            raise Unfit("its data: URI cannot be read") from None
    path = find(address)
    if path is None or not path.is_file():
        raise Unfit(f"{address[:80]!r} is no file of this server")
    if path.stat().st_size > LARGEST_PICTURE:
        raise Unfit("the picture is larger than 64 MB")
    return path.read_bytes()
