"""Static files, compressed once and kept."""

from __future__ import annotations

import gzip
import hashlib
import os
import stat
from pathlib import Path

import anyio.to_thread
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from mlpi.errors import NotFound

IMMUTABLE = "public, max-age=31536000, immutable"
_COMPRESSIBLE = {".js", ".mjs", ".css", ".html", ".svg", ".json", ".map", ".txt", ".wasm", ".ttf"}
_WORTH_BYTES = 1400  # less fits one packet anyway


class Assets(StaticFiles):
    """Files of a folder, gzipped on first use into a cache folder.

    Compressing MLflow's scripts costs a Pi seconds, so it happens once per file and release.
    always_immutable is for folders whose names carry a hash; others are immutable when asked for
    with ?v=.
    """

    def __init__(self, folder: Path, *, cache: Path, always_immutable: bool = False) -> None:
        super().__init__(directory=folder, check_dir=False)
        self._cache = cache
        self._always_immutable = always_immutable

    async def get_response(self, path: str, scope: Scope) -> Response:
        full_path, info = await anyio.to_thread.run_sync(self.lookup_path, path)
        if info is None or not stat.S_ISREG(info.st_mode):
            raise NotFound
        file = Path(full_path)
        headers = {"Vary": "Accept-Encoding"}
        if self._always_immutable or b"v=" in scope["query_string"]:
            headers["Cache-Control"] = IMMUTABLE
        else:
            headers["Cache-Control"] = "public, max-age=300"
        accepts = dict(scope["headers"]).get(b"accept-encoding", b"")
        if b"gzip" in accepts and file.suffix in _COMPRESSIBLE and info.st_size > _WORTH_BYTES:
            media_type = FileResponse(file).media_type
            try:
                packed = await anyio.to_thread.run_sync(self._packed, file, info)
            except OSError:  # a full disk: send it as it is
                packed = None
            if packed is not None:
                headers["Content-Encoding"] = "gzip"
                return FileResponse(packed, headers=headers, media_type=media_type)
        return FileResponse(file, headers=headers, stat_result=info)

    def _packed(self, file: Path, info: os.stat_result) -> Path:
        key = f"{file}|{info.st_mtime_ns}|{info.st_size}"
        packed = self._cache / (hashlib.sha256(key.encode()).hexdigest()[:32] + ".gz")
        if not packed.exists():
            self._cache.mkdir(parents=True, exist_ok=True)
            draft = packed.with_suffix(f".{os.getpid()}-{os.urandom(4).hex()}")
            draft.write_bytes(gzip.compress(file.read_bytes(), 7, mtime=0))
            draft.replace(packed)
        return packed
