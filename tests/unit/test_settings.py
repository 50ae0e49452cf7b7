"""Settings: order of sources, refusals that help, and the README's table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from mlpi.errors import SettingsInvalid
from mlpi.settings import Settings, load

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MLPI_HOME", str(tmp_path))


def write(tmp_path: Path, text: str) -> None:
    (tmp_path / "mlpi.toml").write_text(text)


def test_command_line_over_variables_over_file_over_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load().port == 9000
    write(tmp_path, "port = 9001\nlog_level = 'debug'")
    assert load().port == 9001
    monkeypatch.setenv("MLPI_PORT", "9002")
    assert load().port == 9002
    assert load(port=9003).port == 9003
    assert load(port=None).port == 9002
    assert load().log_level == "debug"


def test_they_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load().port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("port = 99999", r"port = 99999 \(.*mlpi.toml\): .*65535"),
        ("prot = 1", r"no setting 'prot'. Did you mean port\?"),
        ("port = ", "is not valid TOML"),
        ("home = '/x'", "home cannot be set in"),
        ("log_level = 'loud'", "'debug', 'info', 'warning' or 'error'"),
        ("database_url = 'mysql://x'", "must start with sqlite"),
    ],
)
def test_a_wrong_file_is_refused_with_what_is_allowed(tmp_path: Path, text: str, says: str) -> None:
    write(tmp_path, text)
    with pytest.raises(SettingsInvalid) as caught:
        load()
    assert re.search(says, caught.value.line())
    assert "\n" not in caught.value.line()


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("MLPI_PORT", "many", r"port = 'many' \(MLPI_PORT\)"),
        ("MLPI_PROT", "1", r"no setting MLPI_PROT. Did you mean MLPI_PORT\?"),
        ("MLPI_XYZZY", "1", "Known are: .*MLPI_HOST"),
    ],
)
def test_a_wrong_variable_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, says: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsInvalid) as caught:
        load()
    assert re.search(says, caught.value.line())


def test_a_secret_in_a_url_is_not_shown() -> None:
    with pytest.raises(SettingsInvalid) as caught:
        load(database_url="mysql://root:hunter2@db/mlpi")
    assert "hunter2" not in caught.value.line()


def test_the_readme_lists_every_setting_as_it_is() -> None:
    rows = dict(
        re.findall(r"^\| `MLPI_(\w+)` \| [^|]*\| (.+?) \|$", README.read_text(), re.MULTILINE)
    )
    described = {name.upper(): field.description for name, field in Settings.model_fields.items()}
    assert rows == described


def test_the_readme_gives_the_real_defaults() -> None:
    rows = dict(
        re.findall(r"^\| `MLPI_(\w+)` \| (?:`(.*?)`)? ?\|", README.read_text(), re.MULTILINE)
    )
    for name, field in Settings.model_fields.items():
        if name != "home":
            shown = "" if field.default is None else str(field.default)
            assert rows[name.upper()] == shown
