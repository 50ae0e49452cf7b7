"""Uploads in parts: nothing lost, nothing mixed, nothing taken for another."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from mlpi.errors import Conflict, DiskFull, Invalid, NotFound
from mlpi.uploads import KEEP_S, Uploads, plain_name, settle


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    return Uploads(tmp_path / "uploads")


def test_a_file_arrives_in_parts_and_over_a_restart(tmp_path: Path, uploads: Uploads) -> None:
    content = b"a,b\n1,2\n"
    upload = uploads.begin(
        "lab", "dataset", "x.csv", len(content), sha256=hashlib.sha256(content).hexdigest()
    )
    with uploads.open(upload, 0) as file:
        file.write(content[:3])
    again = Uploads(tmp_path / "uploads")
    upload = again.get("lab", "dataset", upload.id)
    assert again.offset(upload) == 3
    with again.open(upload, 3) as file:
        file.write(content[3:])
    arrived = again.finish(upload)
    settle(arrived.path, tmp_path / "kept" / "x.csv")
    assert (tmp_path / "kept" / "x.csv").read_bytes() == content
    assert (arrived.size_bytes, arrived.sha256) == (8, hashlib.sha256(content).hexdigest())


def test_a_part_at_the_wrong_place_is_refused(uploads: Uploads) -> None:
    upload = uploads.begin("lab", "dataset", "x.csv", 10)
    with uploads.open(upload, 0) as file:
        file.write(b"12345")
    with pytest.raises(Conflict, match="at byte 5, not 0"):
        uploads.open(upload, 0)


def test_two_senders_at_once_are_refused(uploads: Uploads) -> None:
    upload = uploads.begin("lab", "dataset", "x.csv", 10)
    with uploads.open(upload, 0), pytest.raises(Conflict, match="Another connection"):
        uploads.open(upload, 0)


def test_a_changed_file_is_refused_and_forgotten(uploads: Uploads) -> None:
    upload = uploads.begin("lab", "dataset", "x.csv", 3, sha256="0" * 64)
    with uploads.open(upload, 0) as file:
        file.write(b"abc")
    with pytest.raises(Invalid, match="changed on the way"):
        uploads.finish(upload)
    with pytest.raises(NotFound):
        uploads.get("lab", "dataset", upload.id)


@pytest.mark.parametrize(("workspace", "purpose"), [("other", "dataset"), ("lab", "board")])
def test_an_upload_is_found_in_its_own_room_alone(
    uploads: Uploads, workspace: str, purpose: str
) -> None:
    upload = uploads.begin("lab", "dataset", "x.csv", 3)
    with pytest.raises(NotFound):
        uploads.get(workspace, purpose, upload.id)


@pytest.mark.parametrize("upload_id", ["", "../../etc/passwd", "x" * 32, "0" * 31 + "/"])
def test_an_id_that_is_none_is_not_found(uploads: Uploads, upload_id: str) -> None:
    uploads.begin("lab", "dataset", "x.csv", 3)
    with pytest.raises(NotFound):
        uploads.get("lab", "dataset", upload_id)


def test_what_does_not_fit_on_the_disk_is_refused_before_it_is_sent(uploads: Uploads) -> None:
    with pytest.raises(DiskFull, match="are free for uploads"):
        uploads.begin("lab", "dataset", "x.csv", 2**60)


def test_only_uploads_that_nobody_goes_on_with_are_swept(tmp_path: Path, uploads: Uploads) -> None:
    old, new = (uploads.begin("lab", "dataset", name, 3) for name in ("old.csv", "new.csv"))
    past = time.time() - KEEP_S - 60
    os.utime(tmp_path / "uploads" / f"{old.id}.part", (past, past))
    assert uploads.sweep() == 1
    assert uploads.offset(uploads.get("lab", "dataset", new.id)) == 0
    with pytest.raises(NotFound):
        uploads.get("lab", "dataset", old.id)


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ("a.csv", "a.csv"),
        ("/etc/a.csv", "a.csv"),
        ("C:\\x\\b.csv", "b.csv"),
        ("a\x00\n.csv", "a.csv"),
    ],
)
def test_a_file_name_has_no_folder(given: str, plain: str) -> None:
    assert plain_name(given) == plain


@pytest.mark.parametrize("given", ["", "/", "..", "a/..", "\n"])
def test_a_file_without_a_name_is_refused(given: str) -> None:
    with pytest.raises(Invalid):
        plain_name(given)
