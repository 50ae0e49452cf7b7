"""What the door lets through, over a real socket."""

from __future__ import annotations

import base64
import socket

import httpx
import pytest

from mlpi.auth.headers import ARTIFACT_CSP
from tests.service import PASSWORD, Service

SEARCH = "/api/2.0/mlflow/experiments/search"
CREATE = "/api/2.0/mlflow/experiments/create"


@pytest.fixture(scope="module")
def editor(service: Service) -> str:
    return service.token("eve", "lab")


@pytest.mark.parametrize(
    "path", ["/", "/tracking", "/settings/users", "/docs", "/metrics", "/mlflow/", "/nowhere"]
)
def test_a_stranger_in_a_browser_is_sent_to_log_in(service: Service, path: str) -> None:
    with service.client() as client:
        answer = client.get(path, headers={"Accept": "text/html"})
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/api/mlpi/me"), ("POST", SEARCH), ("GET", "/api/2.0/nothing"), ("PUT", "/x/y")],
)
def test_a_stranger_with_a_client_is_401_everywhere(
    service: Service, method: str, path: str
) -> None:
    with service.client() as client:
        answer = client.request(method, path)
    assert answer.status_code == 401
    assert answer.json()["error_code"] == "UNAUTHENTICATED"
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_part_of_a_page_sends_the_whole_page_to_log_in(service: Service) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": f"{service.url}/tracking?q=a"}
    with service.client() as client:
        answer = client.get("/_cards", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["hx-redirect"].startswith("/login?next=")


@pytest.mark.parametrize(
    "headers",
    [
        lambda token: {"Authorization": f"Bearer {token}"},
        lambda token: {"Authorization": f"Token {token}"},
        lambda token: {
            "Authorization": "Basic " + base64.b64encode(f"x:{token}".encode()).decode()
        },
        lambda token: {"X-Chroma-Token": token},
    ],
    ids=["bearer", "token", "basic", "chroma"],
)
def test_a_token_works_wherever_its_client_puts_it(
    service: Service, editor: str, headers: object
) -> None:
    with service.client() as client:
        answer = client.get("/api/mlpi/me", headers=headers(editor))  # type: ignore[operator]
    assert answer.json() == {
        "user": "eve",
        "is_admin": False,
        "workspace": "lab",
        "role": "editor",
        "workspaces": {"lab": "editor"},
    }


@pytest.mark.parametrize(
    "value", ["Bearer", "Bearer nonsense", "Basic !!!", "Basic eA==", "Digest x", "Bearer \xff"]
)
def test_a_broken_credential_is_401_even_with_a_session(service: Service, value: str) -> None:
    with service.browser("ana") as browser:
        raw = [(b"Authorization", value.encode("latin-1"))]
        answer = browser.get("/api/mlpi/me", headers=raw)  # type: ignore[arg-type]
    assert answer.status_code == 401


def test_the_session_cookie_is_locked_down(service: Service) -> None:
    with service.client() as client:
        answer = client.post("/login", data={"name": "ana", "password": PASSWORD})
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Secure" not in cookie
    https = {"X-Forwarded-Proto": "https"}
    with service.client() as client:
        answer = client.post("/login", data={"name": "ana", "password": PASSWORD}, headers=https)
    assert "Secure" in answer.headers["set-cookie"]


def test_log_in_goes_on_to_where_it_was_asked_for_but_never_elsewhere(service: Service) -> None:
    form = {"name": "ana", "password": PASSWORD}
    for asked, gets in (
        ("/tracking?q=1", "/tracking?q=1"),
        ("https://example.org/", "/"),
        ("//example.org", "/"),
        ("/\\example.org", "/"),
        ("javascript:alert(1)", "/"),
    ):
        with service.client() as client:
            answer = client.post("/login", data={**form, "next": asked})
        assert answer.headers["location"] == gets


def test_a_wrong_password_keeps_the_name_and_says_nothing(service: Service) -> None:
    form = {"name": "nobody<b>", "password": "wrong wrong"}
    with service.client() as client:
        answer = client.post("/login", data=form, headers={"Accept": "text/html"})
    assert answer.status_code == 422
    assert "nobody&lt;b&gt;" in answer.text
    assert "wrong wrong" not in answer.text


def test_log_out_ends_the_session(service: Service) -> None:
    with service.browser("ana") as browser:
        cookies = dict(browser.cookies)
        assert browser.post("/logout").status_code == 303
    with httpx.Client(base_url=service.url, cookies=cookies) as again:
        assert again.get("/api/mlpi/me").status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 303),
        ({"Sec-Fetch-Site": "none"}, 303),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "{url}"}, 303),
        ({}, 303),
    ],
)
def test_other_sites_cannot_act_for_a_browser(
    service: Service, headers: dict[str, str], status: int
) -> None:
    headers = {name: value.format(url=service.url) for name, value in headers.items()}
    with service.browser("ana") as browser:
        answer = browser.post("/theme", data={"choice": "dark"}, headers=headers)
        assert answer.status_code == status
    with service.client() as client:
        form = {"name": "ana", "password": PASSWORD}
        assert client.post("/login", data=form, headers=headers).status_code == status


def test_other_sites_cannot_write_to_mlflow_but_tokens_may(service: Service, editor: str) -> None:
    evil = {"Origin": "http://evil.example"}
    with service.browser("eve") as browser:
        answer = browser.post(CREATE, json={"name": "from-evil"}, headers=evil)
        assert answer.status_code == 403
    with service.client(editor) as client:
        answer = client.post(CREATE, json={"name": "from-script"}, headers=evil)
        assert answer.status_code == 200


def test_a_browser_at_the_pis_own_name_may_post_to_mlflow(service: Service) -> None:
    host = {"Host": "raspberrypi.local:9000", "Origin": "http://raspberrypi.local:9000"}
    with service.browser("eve") as browser:
        answer = browser.post(
            "/mlflow/ajax-api/2.0/mlflow/experiments/search",
            json={"max_results": 1},
            headers={**host, "X-MLFLOW-WORKSPACE": "lab", "Cookie": _cookies(browser)},
        )
    assert answer.status_code == 200


def _cookies(client: httpx.Client) -> str:
    return "; ".join(f"{name}={value}" for name, value in client.cookies.items())


def test_a_viewer_reads_and_does_not_write(service: Service) -> None:
    with service.client(service.token("vic", "lab")) as client:
        assert client.post(SEARCH, json={"max_results": 5}).status_code == 200
        answer = client.post(CREATE, json={"name": "no"})
    assert answer.status_code == 403
    assert answer.json()["error_code"] == "PERMISSION_DENIED"
    assert "editor" in answer.json()["message"]


def deletions(service: Service) -> list[tuple[str, str]]:
    """Who deleted an experiment, and where, newest first."""
    with service.browser("admin") as admin:
        trail = admin.get("/api/mlpi/audit", params={"q": "experiments/delete"}).json()
    return [(entry["actor"], entry["workspace"]) for entry in trail]


def test_an_editor_does_not_delete(service: Service, editor: str) -> None:
    before = deletions(service)
    with service.client(editor) as client:
        made = client.post(CREATE, json={"name": "kept"}).json()
        path = "/api/2.0/mlflow/experiments/delete"
        assert client.post(path, json=made).status_code == 403
    with service.client(service.token("ana", "lab")) as owner:
        assert owner.post(path, json=made).status_code == 200
    assert deletions(service) == [("ana", "lab"), *before]


def test_a_strange_workspace_looks_as_if_it_did_not_exist(service: Service, editor: str) -> None:
    answers = []
    with service.client(editor) as client:
        for name in ("other", "no-such"):
            answer = client.post(
                SEARCH, json={"max_results": 5}, headers={"X-MLFLOW-WORKSPACE": name}
            )
            answers.append((answer.status_code, answer.json()["message"].replace(name, "*")))
    assert answers[0] == answers[1]
    assert answers[0][0] == 404


def test_a_user_without_any_workspace_is_told_so(service: Service) -> None:
    service.add_user("newcomer")
    with service.browser("newcomer") as browser:
        assert "not a member of any workspace" in browser.get("/").text
        answer = browser.get("/tracking")
    assert answer.status_code == 404


def test_admin_pages_are_for_admins_in_a_browser(service: Service) -> None:
    with service.browser("ana") as browser:
        assert browser.get("/settings/users").status_code == 403
    with service.browser("admin") as browser:
        assert browser.get("/settings/users").status_code == 200
    with service.client(service.token("admin", "lab")) as client:
        assert client.get("/api/mlpi/users").status_code == 403
        assert client.get("/settings/tokens").status_code == 403


def test_the_assistant_is_off_for_everybody(service: Service) -> None:
    with service.browser("admin") as browser:
        answer = browser.post("/ajax-api/3.0/mlflow/assistant/message", json={})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("DELETE", "/api/2.0/mlflow/runs/get", 405),
        ("POST", "/tracking", 405),
        ("GET", "/api/2.0/mlflow/nothing", 404),
        ("GET", "/mlflow/settings/users", 404),
        ("OPTIONS", SEARCH, 405),
    ],
)
def test_what_has_no_row_is_closed(
    service: Service, editor: str, method: str, path: str, status: int
) -> None:
    with service.client(editor) as client:
        answer = client.request(method, path)
    assert answer.status_code == status
    if status == 405:
        assert answer.headers["allow"]


@pytest.mark.parametrize("target", ["/mlflow/../settings/users", "//settings/users", "/%2e%2e/"])
def test_crooked_paths_reach_nothing(service: Service, target: str) -> None:
    with socket.create_connection(("127.0.0.1", service.port)) as raw:
        raw.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        status = raw.makefile("rb").readline()
    assert b" 401 " in status


def test_own_pages_carry_a_strict_policy(service: Service) -> None:
    with service.client() as client:
        policy = client.get("/login").headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe-inline" not in policy
    assert "frame-ancestors 'none'" in policy


def test_an_artifact_that_a_browser_would_run_is_sandboxed(service: Service, editor: str) -> None:
    page = b"<script>document.title = 'owned'</script>"
    path = "/api/2.0/mlflow-artifacts/artifacts/page.html"
    with service.client(editor) as client:
        assert client.put(path, content=page).status_code == 200
    with service.browser("vic") as browser:
        answer = browser.get(path)
    assert answer.content == page
    assert answer.headers["content-security-policy"] == ARTIFACT_CSP
    assert ARTIFACT_CSP.startswith("sandbox")
    assert "allow-same-origin" not in ARTIFACT_CSP
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_mlflows_assets_are_compressed_and_kept(service: Service) -> None:
    with service.browser("vic") as browser:
        page = browser.get("/mlflow/")
        script = page.text.split('src="')[1].split('"')[0]
        answer = browser.get(f"/mlflow/{script}")
    assert answer.headers["content-encoding"] == "gzip"
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-type"].startswith(("text/javascript", "application/javascript"))
    assert page.headers["cache-control"] == "no-cache"


def test_the_switcher_changes_only_this_browser(service: Service) -> None:
    service.mlpi("member", "add", "other", "eve", "viewer")
    with service.browser("eve") as one, service.browser("eve") as two:
        assert one.post("/workspace", data={"name": "other"}).status_code == 303
        assert one.get("/api/mlpi/me").json()["workspace"] == "other"
        assert two.get("/api/mlpi/me").json()["workspace"] == "lab"
        assert one.get("/api/mlpi/me?workspace=lab").json()["workspace"] == "lab"
        assert one.get("/api/mlpi/me?workspace=default").status_code == 404
    service.mlpi("member", "remove", "other", "eve")


def test_a_page_s_address_chooses_the_workspace_of_the_pages_after_it(service: Service) -> None:
    service.mlpi("member", "add", "other", "vic", "viewer")
    try:
        with service.browser("vic") as one, service.browser("vic") as two:
            assert one.post("/workspace", data={"name": "lab"}).status_code == 303
            assert one.get("/tracking?workspace=other").status_code == 200
            assert one.get("/api/mlpi/me").json()["workspace"] == "other"
            # A script's call names its own and chooses nothing.
            assert one.get("/api/mlpi/me?workspace=lab").json()["workspace"] == "lab"
            assert one.get("/api/mlpi/me").json()["workspace"] == "other"
            assert one.get("/tracking?workspace=default").status_code == 404
            assert one.get("/api/mlpi/me").json()["workspace"] == "other"
            assert two.post("/workspace", data={"name": "lab"}).status_code == 303
            assert two.get("/api/mlpi/me").json()["workspace"] == "lab"
    finally:
        service.mlpi("member", "remove", "other", "vic")


def test_probes_and_figures(service: Service, editor: str) -> None:
    with service.client() as client:
        assert client.get("/healthz").text == "ok\n"
        ready = client.get("/readyz").json()
        names = ("tracking", "boards", "vectors", "labels", "checks", "jobs")
        components = {name: {"state": "ready"} for name in names}
        assert ready == {"ready": True, "components": components}
    with service.client(editor) as client:
        figures = client.get("/metrics")
    assert figures.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'mlpi_component_ready{component="tracking"} 1.0' in figures.text


def test_bad_input_to_the_api_names_the_field(service: Service) -> None:
    with service.browser("admin") as admin:
        answer = admin.post(
            "/api/mlpi/workspaces", json={"name": "Not Good"}, headers={"Accept": "*/*"}
        )
        assert answer.status_code == 422
        assert answer.json()["field"] == "name"
        answer = admin.post("/api/mlpi/workspaces", json={}, headers={"Accept": "*/*"})
        assert (answer.status_code, answer.json()["field"]) == (422, "name")
