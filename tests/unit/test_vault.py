"""Secrets that must be read again."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlpi.auth.vault import FILE_NAME, Vault
from mlpi.errors import Invalid


def test_what_is_sealed_opens_again_also_after_a_restart(tmp_path: Path) -> None:
    sealed = Vault(tmp_path).seal("postgresql://ana:pässword@db/x")
    assert "pässword" not in sealed
    assert Vault(tmp_path).open(sealed) == "postgresql://ana:pässword@db/x"
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_nothing_is_made_for_nothing(tmp_path: Path) -> None:
    assert Vault(tmp_path).seal("") == ""
    assert Vault(tmp_path).open("") == ""
    assert list(tmp_path.iterdir()) == []


def test_another_key_opens_nothing_and_says_so(tmp_path: Path) -> None:
    sealed = Vault(tmp_path).seal("secret")
    (tmp_path / FILE_NAME).unlink()
    with pytest.raises(Invalid, match="cannot be opened") as caught:
        Vault(tmp_path).open(sealed)
    assert "secret" not in caught.value.line()
    Vault(tmp_path).seal("other")
    with pytest.raises(Invalid, match="cannot be opened"):
        Vault(tmp_path).open(sealed)
