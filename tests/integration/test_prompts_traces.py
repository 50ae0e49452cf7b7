"""Pages of prompts and traces over a real socket, of what MLflow's unmodified client made."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.genai_work import EVIL, made_with_real_client
from tests.service import Service

LAB = {"workspace": "lab"}
API = "/api/2.0/mlflow"


@pytest.fixture(scope="module")
def work(service: Service) -> dict[str, str]:
    return made_with_real_client(service.url, service.token("ana", "lab"), "pages")


@pytest.fixture(scope="module")
def ana(service: Service) -> Iterator[httpx.Client]:
    with service.browser("ana") as browser:
        yield browser


@pytest.fixture(scope="module")
def api(service: Service) -> Iterator[httpx.Client]:
    with service.client(service.token("ana", "lab")) as client:
        yield client


def page(browser: httpx.Client, path: str, status: int = 200, **query: str) -> str:
    answer = browser.get(path, params={**LAB, **query})
    assert answer.status_code == status, answer.text
    return answer.text


def posted(browser: httpx.Client, path: str, **form: Any) -> httpx.Response:
    return browser.post(path, params=LAB, data=form)


def stored(api: httpx.Client, name: str, version: int) -> dict[str, Any]:
    answer = api.get(f"{API}/model-versions/get", params={"name": name, "version": str(version)})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["model_version"]
    return found


def draft(**changes: Any) -> dict[str, Any]:
    return {"kind": "text", "text": "Say {{word}}.", "message": "by hand", **changes}


# --- prompts --------------------------------------------------------------------------------------


def test_prompts_are_listed_and_found_by_alias_and_tag(
    ana: httpx.Client, work: dict[str, str]
) -> None:
    listed = page(ana, "/tracking/prompts", q="-pages")
    assert work["text"] in listed
    assert work["chat"] in listed
    assert "production → v1" in listed
    for words in ("production", "support"):
        found = page(ana, "/tracking/prompts", q=words)
        assert work["text"] in found
        assert work["chat"] not in found
    assert "No prompt of lab" in page(ana, "/tracking/prompts", q="nobody-has-this")


def test_a_prompt_shows_template_variables_settings_and_code(
    ana: httpx.Client, work: dict[str, str]
) -> None:
    html = page(ana, f"/tracking/prompts/{work['text']}")
    assert '<mark class="var">{{ language }}</mark>' in html
    assert "&#34;temperature&#34;: 0.2" in html
    assert EVIL not in html
    assert "&lt;script&gt;" in html
    first = page(ana, f"/tracking/prompts/{work['text']}", version="1")
    assert f"prompts:/{work['text']}@production" in first
    chat = page(ana, f"/tracking/prompts/{work['chat']}")
    assert re.search(r"<b>system</b>.*\{\{ style \}\}", chat, re.DOTALL)


def test_two_versions_are_compared_line_by_line(ana: httpx.Client, work: dict[str, str]) -> None:
    html = page(ana, f"/tracking/prompts/{work['text']}", version="2", against="1")
    assert "<mark>brief</mark>" in html
    assert "<mark>thorough</mark>" in html
    assert html.count('<tr class="gone">') == html.count('<tr class="come">') == 1


def test_a_prompt_made_here_is_one_to_mlflow(
    service: Service, ana: httpx.Client, api: httpx.Client
) -> None:
    name = "made-on-the-page"
    made = posted(ana, "/tracking/prompts", name=name, **draft(model='{"temperature": 0.5}'))
    assert made.status_code == 303, made.text
    tags = {tag["key"]: tag["value"] for tag in stored(api, name, 1)["tags"]}
    assert tags == {
        "mlflow.prompt.is_prompt": "true",
        "_mlflow_prompt_type": "text",
        "mlflow.prompt.text": "Say {{word}}.",
        "_mlflow_prompt_model_config": '{"temperature": 0.5}',
    }
    chat = draft(kind="chat", role=["system", "user"], content=["Be kind.", "{{question}}"])
    added = posted(ana, f"/tracking/prompts/{name}/versions", **chat)
    assert added.status_code == 303
    assert "version=2" in added.headers["location"]
    tags = {tag["key"]: tag["value"] for tag in stored(api, name, 2)["tags"]}
    assert tags["_mlflow_prompt_type"] == "chat"
    assert json.loads(tags["mlflow.prompt.text"])[1] == {"role": "user", "content": "{{question}}"}

    posted(ana, f"/tracking/prompts/{name}/aliases", alias="live", version="1")
    posted(ana, f"/tracking/prompts/{name}/aliases", alias="live", version="2")
    assert "live" in stored(api, name, 2)["aliases"]
    posted(ana, f"/tracking/prompts/{name}/tags", key="team", value=EVIL, version="2")
    html = page(ana, f"/tracking/prompts/{name}")
    assert EVIL not in html
    assert "team: &lt;script&gt;" in html
    posted(ana, f"/tracking/prompts/{name}/tags/remove", key="team", version="2")
    posted(ana, f"/tracking/prompts/{name}/aliases/remove", alias="live")
    assert "aliases" not in stored(api, name, 2)

    assert posted(ana, f"/tracking/prompts/{name}/versions/1/delete").status_code == 303
    page(ana, f"/tracking/prompts/{name}", 404, version="1")
    assert posted(ana, f"/tracking/prompts/{name}/delete").status_code == 303
    page(ana, f"/tracking/prompts/{name}", 404)
    with service.browser("admin") as admin:
        trail = admin.get("/settings/audit").text
    assert f"{name}@live to 2" in trail


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (draft(name="white space"), "letters, digits"),
        (draft(name=".."), "letters, digits"),
        (draft(name="x", text=" "), "needs a template"),
        (draft(name="x", kind="chat"), "needs a message"),
        (draft(name="x", model="{"), "not JSON"),
        (draft(name="x", response_format="[]"), "must be an object"),
        (draft(name="x", text="y" * 100_001), "100001 characters"),
    ],
)
def test_a_wrong_prompt_is_refused_with_what_was_typed(
    ana: httpx.Client, form: dict[str, str], words: str
) -> None:
    answer = posted(ana, "/tracking/prompts", **form)
    assert answer.status_code == 422
    assert words in answer.text
    assert f'value="{form["name"]}"' in answer.text
    page(ana, "/tracking/prompts/x", 404)


def test_roles_decide_and_models_are_no_prompts(
    service: Service, api: httpx.Client, work: dict[str, str]
) -> None:
    at = f"/tracking/prompts/{work['text']}"
    api.post(f"{API}/registered-models/create", json={"name": "no-prompt"})
    with service.browser("vic") as vic, service.browser("eve") as eve:
        assert page(vic, at)
        assert "New prompt" not in page(vic, "/tracking/prompts")
        assert posted(vic, "/tracking/prompts", name="of-vic", **draft()).status_code == 403
        assert posted(eve, f"{at}/delete").status_code == 403
        assert posted(eve, f"{at}/versions/1/delete").status_code == 403
        assert posted(eve, f"{at}/tags", key="mlflow.prompt.text", value="x").status_code == 422
        for path in ("", "/new"):
            page(eve, f"/tracking/prompts/no-prompt{path}", 404)
        for path in ("versions", "tags", "aliases"):
            form = {**draft(), "key": "a", "alias": "a", "version": "1"}
            assert posted(eve, f"/tracking/prompts/no-prompt/{path}", **form).status_code == 404


# --- traces ---------------------------------------------------------------------------------------


def names(html: str) -> list[str]:
    return re.findall(r'<td class="stick"[^>]*><a [^>]*>([^<]*)</a>', html)


def test_traces_are_listed_and_narrowed(ana: httpx.Client, work: dict[str, str]) -> None:
    at, of = "/tracking/traces", {"experiment": work["experiment"]}
    assert f"experiment={work['experiment']}" in page(ana, at)
    assert "Traces</a>" in page(ana, f"/tracking/experiments/{work['experiment']}")
    assert len(names(page(ana, at, **of))) == 50
    assert names(page(ana, at, **of, state="ERROR")) == ["check"]
    assert names(page(ana, at, **of, q="ANSWER what", run=work["run"])) == ["answer"]
    assert names(page(ana, at, **of, session="session pages")) == ["answer"]
    assert names(page(ana, at, **of, q=work["trace"])) == ["answer"]
    assert "No trace is like this" in page(ana, at, **of, run="nobody")
    found = page(ana, at, **of, q="answer", since="1h")
    for words in ("17</td>", "helpful: true", "channel: mail", "session pages", "its run"):
        assert words in found
    for wrong in ({"state": "odd"}, {"since": "1y"}, {"after": "xx"}, {"experiment": "one"}):
        page(ana, at, 422, **{**of, **wrong})


def test_paging_meets_every_trace_once(ana: httpx.Client, work: dict[str, str]) -> None:
    html = page(ana, "/tracking/traces", experiment=work["experiment"])
    older = re.search(r'href="([^"]*)">Older', html)
    assert older
    rest = ana.get(older[1].replace("&amp;", "&")).text
    every = names(html) + names(rest)
    steps = [name for name in every if name.startswith("step ")]
    assert len(set(steps)) == len(steps) == 60


def test_traces_are_downloaded_whole(ana: httpx.Client, work: dict[str, str]) -> None:
    query = {**LAB, "experiment": work["experiment"]}
    answer = ana.get("/tracking/traces.csv", params=query)
    assert "attachment" in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == 63
    mine = next(row for row in rows if row["trace_id"] == work["trace"])
    assert (mine["total_tokens"], mine["run_id"]) == ("17", work["run"])
    objects = ana.get("/tracking/traces.json", params=query).json()
    assert [one["trace_id"] for one in objects] == [row["trace_id"] for row in rows]
    said = next(one for one in objects if one["trace_id"] == work["trace"])["assessments"]
    assert said == [{"name": "helpful", "kind": "feedback", "value": True, "source": "HUMAN ana"}]
    empty = ana.get("/tracking/traces.json", params={**query, "run": "nobody"})
    assert empty.json() == []


def spans_of(html: str) -> dict[str, str]:
    return {
        name: id_
        for id_, name in re.findall(
            r'<li id="s-([^"]*)".*?<b class="t">([^<]*)</b>', html, re.DOTALL
        )
    }


def test_a_trace_shows_its_spans_and_one_span_s_content(
    ana: httpx.Client, work: dict[str, str]
) -> None:
    at = f"/tracking/traces/{work['trace']}"
    html = page(ana, at)
    found = spans_of(html)
    assert list(found) == ["answer", "find", "check", "complete"]
    assert html.count('aria-level="2"') == 3
    for words in ("11 in, 6 out", "It is right.", f"{work['text']} v1", "channel: mail"):
        assert words in html
    model = page(ana, at, span=found["complete"])
    assert re.search(
        r"<b>user</b>.*What is the answer\?.*<b>assistant</b>.*Forty-two", model, re.DOTALL
    )
    headers = {"HX-Request": "true"}
    part = ana.get(f"{at}/spans/{found['check']}", params=LAB, headers=headers).text
    assert "<html" not in part
    assert "ValueError: cannot check" in part
    assert "Traceback" in part
    documents = ana.get(f"{at}/spans/{found['find']}", params=LAB, headers=headers).text
    assert "doc_uri: note-1" in documents
    assert ana.get(f"{at}/spans/0000", params=LAB, headers=headers).status_code == 404


def test_hostile_and_large_content_is_shown_as_text_and_cut(
    ana: httpx.Client, work: dict[str, str]
) -> None:
    for path in (f"/tracking/traces/{work['evil']}", "/tracking/traces"):
        html = page(ana, path, experiment=work["experiment"], q="evil")
        assert EVIL not in html
        assert "<img" not in html
        assert len(html) < 200_000
    assert "more characters, left out" in page(ana, f"/tracking/traces/{work['evil']}")


def test_a_trace_of_elsewhere_is_not_found(service: Service, work: dict[str, str]) -> None:
    with service.browser("otto") as otto:
        query = {"workspace": "other"}
        for path in (
            f"/tracking/traces/{work['trace']}",
            f"/tracking/traces?experiment={work['experiment']}",
            f"/tracking/traces.csv?experiment={work['experiment']}",
            f"/tracking/prompts/{work['text']}",
        ):
            address = httpx.URL(path).copy_merge_params(query)
            assert otto.get(address).status_code == 404
        form = {"trace": [work["trace"]]}
        gone = otto.post("/tracking/traces/delete", params=query, data=form)
        assert gone.status_code == 404


def test_a_link_leads_to_the_workspace_that_has_the_thing(
    service: Service, work: dict[str, str]
) -> None:
    with service.browser("admin") as admin:
        for path, query in (
            (f"/tracking/traces/{work['trace']}", "span=abc"),
            (f"/tracking/prompts/{work['text']}", "version=1"),
        ):
            led = admin.get(f"{path}?{query}")
            assert led.status_code == 303, path
            assert led.headers["location"] == f"{path}?{query}&workspace=lab"
        # Who says which workspace means that one: names are everybody's.
        stays = admin.get(f"/tracking/prompts/{work['text']}?workspace=other")
        assert stays.status_code == 404


def test_editors_tag_traces(service: Service, ana: httpx.Client, work: dict[str, str]) -> None:
    at = f"/tracking/traces/{work['failed']}"
    with service.browser("vic") as vic:
        assert 'name="key"' not in page(vic, at)
        assert posted(vic, f"{at}/tags", key="quality", value="poor").status_code == 403
    with service.browser("otto") as otto:
        gone = otto.post(f"{at}/tags?workspace=other", data={"key": "quality", "value": "poor"})
        assert gone.status_code == 404
    with service.browser("eve") as eve:
        assert posted(eve, f"{at}/tags", key=" quality ", value=EVIL).status_code == 303
        html = page(eve, at)
        assert "quality: &lt;script" in html
        assert EVIL not in html
        listed = eve.get("/tracking/traces.json", params={**LAB, "experiment": work["experiment"]})
        tags = {one["trace_id"]: one["tags"] for one in listed.json()}
        assert tags[work["failed"]] == {"quality": EVIL}
        for key in ("", "mlflow.traceName", "mlpi.demo", "k" * 251):
            refused = posted(eve, f"{at}/tags", key=key, value="what was typed")
            assert refused.status_code == 422, key
            assert "what was typed" in refused.text
            assert 'class="wrong"' in refused.text
        assert posted(eve, f"{at}/tags/remove", key="mlflow.traceName").status_code == 422
        assert posted(eve, f"{at}/tags/remove", key="quality").status_code == 303
        assert "quality:" not in page(eve, at)


def test_owners_delete_traces_for_good(
    service: Service, ana: httpx.Client, api: httpx.Client
) -> None:
    doomed = made_with_real_client(service.url, service.token("ana", "lab"), "doomed")
    form = {"trace": [doomed["failed"], doomed["evil"]]}
    query = {**LAB, "experiment": doomed["experiment"]}
    with service.browser("eve") as eve:
        assert eve.post("/tracking/traces/delete", params=query, data=form).status_code == 403
    assert ana.post("/tracking/traces/delete", params=query).status_code == 422
    assert ana.post("/tracking/traces/delete", params=query, data=form).status_code == 303
    for id_ in form["trace"]:
        page(ana, f"/tracking/traces/{id_}", 404)
        assert api.get(f"/api/3.0/mlflow/traces/{id_}").status_code == 404
    assert page(ana, f"/tracking/traces/{doomed['trace']}")


def test_spans_of_a_file_are_read_too(
    service: Service, ana: httpx.Client, api: httpx.Client, work: dict[str, str]
) -> None:
    """As older MLflow kept them: a trace with an artifact location, spans in traces.json."""
    made = api.post(
        "/api/2.0/mlflow/traces",
        json={
            "experiment_id": work["experiment"],
            "timestamp_ms": 1_700_000_000_000,
            "request_metadata": [],
            "tags": [{"key": "mlflow.traceName", "value": "of a file"}],
        },
    )
    assert made.status_code == 200, made.text
    info = made.json()["trace_info"]
    tags = {tag["key"]: tag["value"] for tag in info["tags"]}
    folder = tags["mlflow.artifactLocation"].partition(":/")[2].strip("/")
    context = {"trace_id": info["request_id"], "span_id": "0xaa"}
    span = {
        "name": "old root",
        "context": context,
        "parent_id": None,
        "start_time": 1_000,
        "end_time": 9_000,
        "status_code": "OK",
        "status_message": "",
        "attributes": {"mlflow.spanInputs": '{"a": "from a file"}', "mlflow.spanType": '"LLM"'},
        "events": [],
    }
    inner = {**span, "name": "old inner", "context": {**context, "span_id": "0xbb"}}
    inner["parent_id"] = "0xaa"
    text = json.dumps({"spans": [span, inner], "request": "{}", "response": "{}"})
    put = api.put(
        f"/api/2.0/mlflow-artifacts/artifacts/{folder.removeprefix('workspaces/lab/')}/traces.json",
        content=text,
    )
    assert put.status_code == 200, put.text
    html = page(ana, f"/tracking/traces/{info['request_id']}")
    assert list(spans_of(html)) == ["old root", "old inner"]
    assert "from a file" in html
