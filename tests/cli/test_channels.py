"""``holdfast channels``: where people are told, from a terminal; workers do the telling."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import standardwebhooks

from tests.cli.counters import ANN, CID, Counter, counter_in
from tests.cli.shell import until


class Hook(ThreadingHTTPServer):
    """A receiver that answers with ``status``."""

    def __init__(self) -> None:
        self.status = 204
        self.got: list[tuple[dict[str, str], bytes]] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hook.got.append((dict(self.headers), self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(hook.status)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/s3cret-path"


@pytest.fixture
def hook() -> Iterator[Hook]:
    with Hook() as hook:
        thread = threading.Thread(target=hook.serve_forever, args=(0.01,))
        thread.start()
        yield hook
        hook.shutdown()
        thread.join()


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def counter(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counter]:
    with counter_in(tmp_path_factory.mktemp("counter"), request.param) as counter:
        yield counter


def test_a_channel_is_told_by_the_worker_of_what_is_asked(counter: Counter, hook: Hook) -> None:
    options = ("--to", "role:adjuster", "--server", "https://desk", "--quiet", "00:00-23:59 UTC", "--urgent", "50")
    added = counter.shell("channels", "add", "adjusters", hook.url, *options, "--json").json
    assert (added["address"], added["to"]) == (f"{hook.url.removesuffix('s3cret-path')}…", ["role:adjuster"])
    case = counter.asks("settle", '"c-1"', "90", "60")
    until(lambda: hook.got)
    headers, body = hook.got[0]
    told = standardwebhooks.Webhook(added["secret"]).verify(body, headers)
    assert told["data"]["id"] == case["id"]
    assert told["data"]["url"] == f"https://desk/inbox/{case['id']}"
    actors = lambda: {  # noqa: E731
        (entry["actor"], entry["action"])
        for entry in counter.inside(CID, "inbox", "why", case["id"], "--json").json["entries"]
    }
    until(lambda: ("channel:adjusters", "approval.announced") in actors())
    listed = counter.shell("channels", "list")
    assert "adjusters" in listed.out
    assert "00:00-23:59 UTC" in listed.out
    for said in (listed.out, counter.direct("channels", "list", "--json").out):
        assert "s3cret" not in said
        assert added["secret"] not in said
    assert counter.shell("channels", "remove", "adjusters").code == 0
    assert counter.direct("channels", "list", "--json").json == {"channels": []}


def test_what_cannot_be_delivered_is_listed_and_revived(counter: Counter, hook: Hook) -> None:
    (counter.shell.folder / "address").write_text(f"{hook.url}\n")
    assert counter.direct("channels", "add", "gone", "@address").code == 0
    hook.status = 410
    refused = counter.shell("channels", "test", "gone")
    assert (refused.code, "it answered 410" in refused.err) == (5, True)
    case = counter.asks("settle", '"c-2"', "90")
    (dead,) = until(lambda: counter.direct("channels", "dead", "--json").json["messages"])
    assert (dead["channel"], dead["about"], dead["tries"]) == ("gone", case["id"], 1)
    assert "410" in counter.shell("channels", "dead").out
    assert "410 Gone" in counter.direct("channels", "list").out
    hook.status, many = 200, len(hook.got)
    assert counter.shell("channels", "revive", str(dead["number"])).out == "1 message is tried again\n"
    until(lambda: len(hook.got) > many)
    assert counter.direct("channels", "dead", "--json").json == {"messages": []}
    assert counter.direct("channels", "test", "gone").out == "channel gone was told\n"
    assert counter.direct("channels", "revive", "99999").code == 3
    counter.direct("channels", "remove", "gone")


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (("add", "x", "nonsense"), 2),
        (("add", "two words", "https://host/"), 2),
        (("add", "x", "https://host/", "--quiet", "always"), 2),
        (("add", "x", "https://host/", "--event", "everything"), 2),
        (("add", "x", "https://host/", "--secret", "whsec_short"), 2),
        (("add", "x", "https://host/", "--server", "desk"), 2),
        (("add", "x", "@nowhere"), 2),
        (("add", "x", "https://host/", "--digest", "100w"), 2),
        (("remove", "nothing"), 3),
        (("test", "nothing"), 3),
        (("revive",), 2),
        (("list", "--store", "http://127.0.0.1:1"), 6),
    ],
)
def test_wrong_usage_is_told(counter: Counter, wrong: tuple[str, ...], code: int) -> None:
    said = counter.shell.inside("channels", *wrong, "--json")
    assert said.code == code, said
    assert "whsec_short" not in said.err


def test_a_secret_is_not_told_again(counter: Counter, tmp_path: Path) -> None:
    secret = "whsec_" + "QUJD" * 8
    (counter.shell.folder / "secret").write_text(secret)
    said = counter.direct("channels", "add", "given", "https://host.example/x", "--secret", "@secret")
    assert said.out == "channel given is there: https://host.example/…\n"
    made = counter.direct("channels", "add", "made", "https://host.example/x")
    assert "signed with whsec_" in made.out
    assert counter.direct("channels", "add", "made", "https://host.example/x").code == 5
    for name in ("given", "made"):
        counter.direct("channels", "remove", name)


def test_an_admin_keeps_channels_over_http_too(tmp_path: Path, hook: Hook) -> None:
    with counter_in(tmp_path, "server") as counter:
        counter.shell.variables["HOLDFAST_TOKEN"] = counter.tokens[ANN]
        assert counter.shell.inside("channels", "list").code == 2, "an adjuster is no admin"
        counter.shell.variables["HOLDFAST_TOKEN"] = counter.tokens[CID]
        hours = ("--quiet", "01:00-01:01 UTC", "--urgent", "0")
        made = counter.shell.inside("channels", "add", "gone", hook.url, *hours, "--json").json
        assert made["secret"].startswith("whsec_")
        assert counter.shell("channels", "test", "gone").out == "channel gone was told\n"
        hook.status = 500
        assert counter.shell.inside("channels", "test", "gone").code == 5
        hook.got.clear()
        listed = counter.shell.inside("channels", "list")
        assert "01:00-01:01 UTC" in listed.out
        assert "s3cret" not in listed.out
        hook.status = 410
        counter.asks("settle", '"c-3"', "90")
        (dead,) = until(lambda: counter.shell.inside("channels", "dead", "--json").json["messages"])
        hook.status = 204
        assert counter.shell.inside("channels", "revive", "--all", "--json").json == {"revived": [dead["number"]]}
        until(lambda: len(hook.got) >= 2)
        assert counter.shell.inside("channels", "test", "gone").code == 0
        assert counter.shell.inside("channels", "remove", "gone").code == 0
        assert counter.shell.inside("channels", "list", "--json").json == {"channels": []}
