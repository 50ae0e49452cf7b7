"""Pages of collections over a real socket: roles, deeds, what the dashboard says."""

from __future__ import annotations

import re
import uuid
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from mlpi.vectors.records import Record
from mlpi.vectors.relay import connected
from tests.service import Service, running_service


@dataclass
class Shelved:
    """A collection of lab with twelve records."""

    id: str
    name: str

    @property
    def at(self) -> str:
        return f"/vectors/{self.id}"


@pytest.fixture
def shelved(service: Service) -> Shelved:
    name = f"pages-{uuid.uuid4().hex[:8]}"
    with connected(service.home, "lab") as shelf:
        made = shelf.create(name, metadata={"about": "tests"})
        records = [
            Record(f"r{n}", f"text {n} <b>bold</b>", {"n": n}, array("f", (n, 1.0)))
            for n in range(12)
        ]
        shelf.write("add", made, records)
    return Shelved(made, name)


@pytest.fixture
def ana(service: Service) -> Iterator[httpx.Client]:
    with service.browser("ana") as client:
        yield client


def got(client: httpx.Client, path: str) -> httpx.Response:
    return client.get(path, params={"workspace": "lab"})


def posted(client: httpx.Client, path: str, **form: Any) -> httpx.Response:
    return client.post(path, params={"workspace": "lab"}, data=form)


def test_the_list_names_count_dimensions_and_distance(ana: httpx.Client, shelved: Shelved) -> None:
    page = ana.get("/vectors", params={"workspace": "lab", "q": shelved.name.upper()}).text
    cells = re.findall(r'<td class="num">(.*?)</td>', page)
    assert cells[:2] == ["12", "2"]
    assert f'<a href="{shelved.at}">{shelved.name}</a>' in page
    assert "<td>cosine</td>" in page


def test_a_collection_is_made_by_a_form_that_keeps_what_was_wrong(ana: httpx.Client) -> None:
    wrong = posted(ana, "/vectors", name="-no-", space="l2")
    assert wrong.status_code == 422
    assert "is no name of a collection" in wrong.text
    assert 'value="-no-"' in wrong.text
    assert posted(ana, "/vectors", name="fine", space="round").status_code == 422
    name = f"made-{uuid.uuid4().hex[:8]}"
    made = posted(ana, "/vectors", name=name, space="l2")
    assert made.status_code == 303
    assert name in got(ana, made.headers["location"].split("?")[0]).text
    again = posted(ana, "/vectors", name=name, space="l2")
    assert again.status_code == 422
    assert "already" in again.text


def test_it_is_renamed_described_and_removed(
    service: Service, ana: httpx.Client, shelved: Shelved
) -> None:
    name = shelved.name + "-new"
    assert posted(ana, shelved.at + "/rename", name=name).status_code == 303
    assert posted(ana, shelved.at + "/metadata", key="deep", value="true").status_code == 303
    assert posted(ana, shelved.at + "/metadata", key="about", value="").status_code == 303
    with connected(service.home, "lab") as shelf:
        (count,) = {shelf.count(shelved.id)}
    assert count == 12
    about = got(ana, shelved.at + "/about").text
    assert re.findall(r'<td title="deep">deep</td><td title="true">true</td>', about)
    assert 'title="about"' not in about
    kept = posted(ana, shelved.at + "/metadata", key="deep", value="")
    assert kept.status_code == 422
    assert "cannot become empty" in kept.text
    assert posted(ana, shelved.at + "/remove").status_code == 303
    assert got(ana, shelved.at).status_code == 404
    with service.browser("admin") as admin:
        audit = admin.get("/settings/audit", params={"q": name}).text
    assert "collection_removed" in audit or "collection removed" in audit


def test_an_embedder_is_chosen_with_the_collection_and_later(ana: httpx.Client) -> None:
    name = f"embedded-{uuid.uuid4().hex[:8]}"
    refused = posted(ana, "/vectors", name=name, space="cosine", embedder="onnx:not-there")
    assert refused.status_code == 422
    assert "models/not-there" in refused.text  # where its files would have to lie
    assert f'value="{name}"' in refused.text
    assert name not in got(ana, "/vectors").text
    made = posted(ana, "/vectors", name=name, space="cosine", embedder="lexical")
    at = made.headers["location"].split("?")[0]
    assert '<option value="lexical" selected>' in got(ana, at + "/about").text
    page = ana.get("/vectors", params={"workspace": "lab", "q": name}).text
    assert ">lexical</td>" in page
    wrong = posted(ana, at + "/embedder", embedder="magic")
    assert wrong.status_code == 422
    assert "There is no embedder &#39;magic&#39;." in wrong.text
    assert posted(ana, at + "/embedder", embedder="none").status_code == 303
    assert '<option value="none" selected>' in got(ana, at + "/about").text


def test_a_name_that_is_taken_stays_with_its_owner(
    ana: httpx.Client, service: Service, shelved: Shelved
) -> None:
    other = f"other-{uuid.uuid4().hex[:8]}"
    with connected(service.home, "lab") as shelf:
        shelf.create(other)
    refused = posted(ana, shelved.at + "/rename", name=other)
    assert refused.status_code == 422
    assert f'value="{other}"' in refused.text


@pytest.mark.parametrize(
    ("user", "allowed"),
    [
        ("vic", set()),
        ("eve", {"rename", "metadata", "embedder"}),
        ("ana", {"rename", "metadata", "embedder", "remove"}),
    ],
)
def test_deeds_need_their_role(
    service: Service, shelved: Shelved, user: str, allowed: set[str]
) -> None:
    forms = {
        "rename": {"name": shelved.name + "-x"},
        "metadata": {"key": "k", "value": "v"},
        "embedder": {"embedder": "lexical"},
    }
    with service.browser(user) as client:
        assert got(client, shelved.at).status_code == 200
        page = got(client, shelved.at + "/about").text
        for deed in ("rename", "metadata", "embedder", "remove"):
            assert (f"{shelved.at}/{deed}" in page) == (deed in allowed)
            answer = posted(client, f"{shelved.at}/{deed}", **forms.get(deed, {}))
            assert answer.status_code == (303 if deed in allowed else 403)


def test_a_collection_of_another_workspace_is_not_there(service: Service, shelved: Shelved) -> None:
    with service.browser("otto") as otto:
        for path in ("", "/about"):
            answer = otto.get(shelved.at + path, params={"workspace": "other"})
            assert answer.status_code == 404
        removed = otto.post(shelved.at + "/remove", params={"workspace": "other"})
        assert removed.status_code == 404
        assert shelved.name not in otto.get("/vectors", params={"workspace": "other"}).text


def test_texts_of_records_are_escaped(ana: httpx.Client, shelved: Shelved) -> None:
    page = got(ana, shelved.at).text
    assert "text 3 &lt;b&gt;bold&lt;/b&gt;" in page
    assert "<b>bold</b>" not in page


def test_the_dashboard_and_the_list_do_not_wake_the_engine(tmp_path: Path) -> None:
    with running_service(tmp_path) as service:
        service.add_user("admin", "--admin")
        with connected(service.home, "default") as shelf:
            made = shelf.create("sleeping", space="l2")
            shelf.write("add", made, [Record("a", vector=array("f", (1.0, 2.0)))])
        service.stop()
        service.start()
        with service.browser("admin") as admin:
            page = admin.get("/_cards").text
            assert "sleeping" in page
            assert "<b>1</b><span>record</span>" in page
            assert "sleeping" in admin.get("/vectors").text
            assert service.process is not None
            children = psutil.Process(service.process.pid).children()
            assert not [one for one in children if "mlpi.vectors.engine" in " ".join(one.cmdline())]
            assert admin.get(f"/vectors/{made}").status_code == 200
            children = psutil.Process(service.process.pid).children()
            assert [one for one in children if "mlpi.vectors.engine" in " ".join(one.cmdline())]


def test_workers_reach_a_home_with_a_long_path(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 60)
    deep.mkdir(parents=True)
    with running_service(deep) as service, connected(service.home, "default") as shelf:
        made = shelf.create("deep-down")
        assert shelf.count(made) == 0
