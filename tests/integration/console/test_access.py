"""Who may do what: tokens, scopes, expiry, the page's cookie."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from services.console.auth import CSRF_HEADER
from shared.storage import tokens
from tests.integration.console.conftest import OWNER_TOKEN, Served
from tests.integration.console.seeding import Meetings

PUBLIC = {"/v1/health/live", "/v1/health/ready", "/v1/openapi.json"}


def code(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["code"])


def test_nothing_but_health_is_public(served: Served) -> None:
    paths = served.http.get("/v1/openapi.json").json()["paths"]
    assert len(paths) > 30
    with served.as_(None) as stranger:
        for path, operations in paths.items():
            for method in operations:
                answer = stranger.request(method, path.replace("{", "").replace("}", ""), json={})
                assert path in PUBLIC or answer.status_code in {401, 422}, path
                if answer.status_code == 422:  # ids that are none are refused before anybody is asked who they are
                    assert "_id" in path
        missing = stranger.get("/v1/status")
    assert (missing.status_code, code(missing), missing.headers["www-authenticate"]) == (401, "token_missing", "Bearer")


def test_a_wrong_token_is_401(served: Served) -> None:
    for header in ("Bearer wrong", "Bearer", "Basic dTpw", "Bearer \u00fc", OWNER_TOKEN):
        answer = httpx.get(f"{served.url}/v1/status", headers={"Authorization": header.encode()})
        assert answer.status_code == 401, header
        assert code(answer) in {"token_unknown", "token_missing"}


def test_an_expired_token_is_told_so(served: Served) -> None:
    with served.console.database.begin() as tx:
        tokens.create(tx, "old", "old-secret", ["admin"], datetime.now(UTC) - timedelta(seconds=1))
    with served.as_("old-secret") as late:
        answer = late.get("/v1/status")
    assert (answer.status_code, code(answer)) == (401, "token_expired")


def test_a_secret_is_shown_once_and_stored_as_a_hash(served: Served) -> None:
    made = served.http.post("/v1/tokens", json={"name": "ci", "scopes": ["read"], "expires_at": "2999-01-01T00:00:00Z"})
    secret = made.json()["token"]
    assert secret not in served.http.get("/v1/tokens").text
    (shown,) = served.http.get("/v1/tokens").json()
    assert (shown["name"], shown["scopes"], shown["expired"]) == ("ci", ["read"], False)
    with served.as_(secret) as reader:
        assert reader.get("/v1/status").status_code == 200
        assert served.http.delete(f"/v1/tokens/{shown['token_id']}").status_code == 204
        assert code(reader.get("/v1/status")) == "token_unknown"
    assert served.http.delete(f"/v1/tokens/{shown['token_id']}").status_code == 404


def test_a_senseless_token_is_refused(served: Served) -> None:
    served.http.post("/v1/tokens", json={"name": "taken", "scopes": ["read"]})
    wrong: list[tuple[dict, int]] = [
        ({"name": "x", "scopes": ["root"]}, 422),
        ({"name": "x", "scopes": []}, 422),
        ({"name": "owner", "scopes": ["read"]}, 422),
        ({"name": "x", "scopes": ["read"], "expires_at": "2001-01-01T00:00:00Z"}, 422),
        ({"name": "x", "scopes": ["read"], "expires_at": "2999-01-01T00:00:00"}, 422),
        ({"name": "taken", "scopes": ["read"]}, 409),
    ]
    for body, status in wrong:
        assert served.http.post("/v1/tokens", json=body).status_code == status, body


@pytest.mark.parametrize(
    ("scope", "may", "may_not"),
    [
        ("read", ["GET /v1/status", "GET /v1/collections/meetings/segments"], ["POST /v1/labels", "GET /v1/tokens"]),
        ("label", ["POST /v1/labels"], ["GET /v1/collections", "POST /v1/collections", "GET /v1/tokens"]),
        ("ingest", ["POST /v1/collections"], ["GET /v1/status", "POST /v1/labels", "POST /v1/dead/drop"]),
        ("admin", ["GET /v1/tokens", "POST /v1/labels", "POST /v1/dead/drop", "GET /v1/status"], []),
    ],
)
def test_a_scope_opens_its_doors_only(
    served: Served, meetings: Meetings, scope: str, may: list[str], may_not: list[str]
) -> None:
    with served.as_(served.token(scope)) as caller:
        for allowed in may:
            assert caller.request(*allowed.split(), json={}).status_code in {200, 422}, allowed
        for refused in may_not:
            answer = caller.request(*refused.split(), json={})
            assert (answer.status_code, code(answer)) == (403, "scope_missing"), refused


@pytest.fixture
def browser(served: Served) -> Iterator[httpx.Client]:
    """Signed in by the address that `earmark up` prints."""
    with served.as_(None) as client:
        answer = client.get("/", params={"token": OWNER_TOKEN})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        yield client


def test_the_address_becomes_a_cookie_that_scripts_cannot_read(served: Served) -> None:
    with served.as_(None) as client:
        cookies = client.get("/", params={"token": OWNER_TOKEN}).headers.get_list("set-cookie")
    assert all("SameSite=strict" in cookie for cookie in cookies)
    hidden = [cookie for cookie in cookies if "HttpOnly" in cookie]
    assert [cookie for cookie in cookies if OWNER_TOKEN in cookie] == hidden


def test_the_cookie_reads(browser: httpx.Client) -> None:
    assert browser.get("/").status_code == 200
    assert browser.get("/v1/status").status_code == 200


def test_a_change_by_cookie_needs_the_second_proof(served: Served, browser: httpx.Client) -> None:
    cookie = f"earmark_csrf_{served.console.settings.console.port}"
    proof = browser.cookies[cookie]

    def drop(headers: dict) -> httpx.Response:
        return browser.post("/v1/dead/drop", json={"event_ids": []}, headers=headers)

    for headers in ({}, {CSRF_HEADER: "x"}, {CSRF_HEADER: "\u00fc".encode()}):
        assert (drop(headers).status_code, code(drop(headers))) == (403, "csrf_failed")
    assert drop({CSRF_HEADER: proof}).status_code == 200
    del browser.cookies[cookie]
    assert code(drop({CSRF_HEADER: proof})) == "csrf_failed"


def test_the_page_without_a_token_says_what_to_do(served: Served) -> None:
    with served.as_(None) as client:
        for address, reason in (("/", "You are not signed in."), ("/?token=wrong", "The token is not")):
            answer = client.get(address)
            assert (answer.status_code, answer.headers["content-type"]) == (401, "text/html; charset=utf-8")
            assert reason in answer.text
            assert "earmark up" in answer.text
            assert "set-cookie" not in answer.headers


def test_the_page_escapes_what_it_shows(served: Served, browser: httpx.Client) -> None:
    assert "<script>alert" not in browser.get("/?token=%3Cscript%3Ealert(1)%3C/script%3E").text
    policy = browser.get("/").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


def test_over_https_cookies_and_browser_stay_there(served: Served) -> None:
    for scheme, secure in (("https", True), ("http", False)):
        with served.as_(None) as client:
            answer = client.get("/", params={"token": OWNER_TOKEN}, headers={"X-Forwarded-Proto": scheme})
        assert all(("Secure" in cookie) == secure for cookie in answer.headers.get_list("set-cookie"))
        assert ("strict-transport-security" in answer.headers) == secure


def test_a_token_that_asks_too_much_is_told_when_to_come_again(served: Served) -> None:
    secret = served.token("read")
    limits = served.console.limits
    limits._requests_per_s = 0.5
    with served.as_(secret) as reader:
        answers = [reader.get("/v1/speakers") for _ in range(4)]
        refused = answers[-1]
        assert (refused.status_code, code(refused)) == (429, "too_many_requests")
        assert int(refused.headers["retry-after"]) >= 1
        assert answers[0].status_code == 200
        assert served.http.get("/v1/health/live").status_code == 200
