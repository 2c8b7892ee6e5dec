"""``holdfast server``, ``dev``, ``people``, ``tokens``, ``keys``; and the other verbs over a server."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.cli.shell import WITHIN, Shell, end, until


def line(process: subprocess.Popen[str]) -> str:
    """The next line of a process' output."""
    assert process.stdout is not None
    said = process.stdout.readline()
    assert said, process.communicate(timeout=WITHIN)
    return said


def answer(url: str, token: str | None = None, method: str = "GET") -> tuple[int, str]:
    request = urllib.request.Request(url, method=method, headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.urlopen(request, timeout=WITHIN) as found:
            return found.status, found.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def served(shell: Shell, *options: str) -> tuple[subprocess.Popen[str], str]:
    process = shell.begin("server", "--store", shell.store("shop"), "--port", "0", "--json", *options)
    return process, json.loads(line(process))["url"]


def test_people_and_tokens_are_made_listed_and_revoked(shell: Shell) -> None:
    store = ("--store", shell.store("shop"), "--json")
    assert shell("people", "add", "ann", "--role", "operator", *store).json["roles"] == ["operator"]
    assert shell.inside("people", "add", "ann", *store).code == 5
    assert shell.inside("people", "add", "role:x", *store).code == 2
    assert shell("people", "roles", "ann", "--role", "viewer", *store).json["roles"] == ["viewer"]
    assert [one["name"] for one in shell("people", "list", *store).json["people"]] == ["ann"]
    assert "/login/" in shell("people", "link", "ann", *store).json["url"]
    assert shell.inside("people", "link", "bo", *store).code == 3
    made = shell("tokens", "new", "ann", "--scope", "read", "--label", "ci", "--lasts", "1d", *store).json
    assert made["secret"].startswith("hf_")
    (listed,) = shell("tokens", "list", *store).json["tokens"]
    assert listed == {name: value for name, value in made.items() if name != "secret"}
    assert shell("tokens", "revoke", made["id"], *store).code == 0
    assert shell.inside("tokens", "revoke", made["id"], *store).code == 3
    assert shell("people", "remove", "ann", *store).code == 0
    assert shell.inside("people", "list", *store).json["people"] == []


@pytest.mark.parametrize("over", ["store", "server"])
def test_signing_keys_are_made_listed_rotated_and_revoked(shell: Shell, over: str) -> None:
    store = ("--store", shell.store("shop"))
    shell.inside("people", "add", "erp", "--role", "adjuster", *store)
    shell.inside("people", "add", "cid", "--role", "admin", *store)
    if over == "server":
        shell.variables["HOLDFAST_TOKEN"] = shell.inside("tokens", "new", "cid", "--scope", "admin", *store).out.strip()
        store = ("--store", served(shell)[1])
    made = shell("keys", "new", "erp", "--label", "approvals", *store, "--json").json
    assert made["secret"].startswith("whsec_")
    rotated = shell("keys", "rotate", made["id"], "--overlap", "2h", *store, "--json").json
    assert (rotated["id"], rotated["secret"] == made["secret"]) == (made["id"], False)
    (listed,) = shell("keys", "list", "--person", "erp", *store, "--json").json["keys"]
    assert listed == {name: value for name, value in rotated.items() if name != "secret"}
    assert made["id"] in shell.inside("keys", "list", *store).out
    assert shell.inside("keys", "rotate", made["id"], "--overlap", "31d", *store).code == 2
    assert shell.inside("keys", "new", "nobody", *store).code == 3
    assert shell("keys", "revoke", made["id"], *store).out == f"signing key {made['id']} of erp is revoked\n"
    assert shell.inside("keys", "revoke", made["id"], *store).code == 3


def test_a_server_has_its_store_looked_at(shell: Shell) -> None:
    own = ("--store", shell.store("shop"))
    shell.inside("people", "add", "olga", "--role", "operator", *own)
    shell.inside("start", "shop:app", "price", '{"id": "o-1"}', *own)
    url = served(shell)[1]
    shell.variables["HOLDFAST_TOKEN"] = shell.inside("tokens", "new", "olga", "--scope", "operate", *own).out.strip()
    there, here = (shell("doctor", "--app", "shop:app", "--store", one, "--json").json for one in (url, own[1]))
    assert [one["about"] for one in there["findings"]] == [one["about"] for one in here["findings"]]
    assert (there["store"], there["worst"]) == (url, here["worst"])
    (worker,) = [one["do"] for one in there["findings"] if one["about"] == "workers"]
    assert worker.startswith("holdfast worker shop:app --store ")
    assert "workers" in shell.inside("doctor", "--store", url).out
    assert shell.inside("doctor", "--deep", "--store", url).code == 2
    shell.variables["HOLDFAST_TOKEN"] = shell.inside("tokens", "new", "olga", "--scope", "read", *own).out.strip()
    refused = shell.inside("doctor", "--store", url)
    assert (refused.code, "operate" in refused.err) == (2, True)


def test_every_verb_works_over_a_server_as_over_a_store(shell: Shell) -> None:
    own = ("--store", shell.store("shop"))
    shell.worker("--store", shell.store("shop"))
    shell("people", "add", "ann", "--role", "operator", "--role", "admin", *own)
    token = shell(
        "tokens",
        "new",
        "ann",
        *(word for one in ("read", "start", "operate", "admin") for word in ("--scope", one)),
        *own,
    )
    server, url = served(shell)
    there = {"HOLDFAST_TOKEN": token.out.strip(), "HOLDFAST_STORE": url}
    started = shell("start", "shop:app", "price_all", '["a", "b"]', "--wait", **there)
    assert (started.code, started.out.splitlines()[-1]) == (0, "succeeded: 2")
    run = started.out.splitlines()[0]
    assert shell("runs", "show", run, "--json", **there).json == shell("runs", "show", run, "--json", *own).json
    exported = shell("runs", "export", run, **there)
    assert exported.out == shell("runs", "export", run, *own).out
    assert shell("replay", run, "shop:app", **there).code == shell("replay", run, "shop:app", *own).code == 0
    waiting = shell("start", "shop:app", "ask", **there).out.strip()
    assert shell("promise", "resolve", f"{waiting}/answer", "true", **there).code == 0
    assert shell("runs", "watch", waiting, **there).code == 0
    assert shell("runs", "fork", run, "--at", "0", **there).code == 0
    assert shell("workers", "list", "--json", **there).json["workers"][0]["runs"] >= 0
    assert shell("workers", "demand", "--json", **there).code == 0
    assert shell("runs", "delete", run, "--yes", **there).code == 0
    assert shell("runs", "show", run, **there).code == 3
    assert shell("people", "list", "--json", **there).json["people"][0]["name"] == "ann"
    assert shell("tokens", "list", "--json", **there).json["tokens"][0]["person"] == "ann"
    assert shell("worker", "shop:app", **there).code == 4
    stranger = shell("runs", "list", **(there | {"HOLDFAST_TOKEN": ""}))
    assert stranger.code == 2 and "sends what is in $HOLDFAST_TOKEN" in stranger.err
    assert shell("runs", "list", **(there | {"HOLDFAST_STORE": "http://127.0.0.1:9"})).code == 6
    server.send_signal(signal.SIGTERM)
    assert end(server).code == 0


def test_it_listens_beyond_this_machine_only_once_somebody_is_known(shell: Shell) -> None:
    store = ("--store", shell.store("shop"))
    refused = shell("server", "--host", "0.0.0.0", "--port", "0", *store)
    assert (refused.code, "holdfast people add" in refused.err) == (2, True)
    assert shell("people", "add", "ann", "--role", "admin", *store).code == 0
    server, url = served(shell, "--host", "0.0.0.0")
    assert answer(f"{url}/healthz")[0] == 200
    server.send_signal(signal.SIGINT)
    assert end(server).code == 0


def test_a_port_that_is_taken_is_said_to_be(shell: Shell) -> None:
    _, url = served(shell)
    taken = shell("server", "--store", shell.store("shop"), "--port", url.rpartition(":")[2])
    assert (taken.code, "choose another port" in taken.err) == (2, True)
    assert shell("server", "--store", url).code == 2


def test_dev_runs_agents_serves_the_api_and_logs_in_by_a_link(shell: Shell) -> None:
    dev = shell.begin("dev", "shop:app", "--port", "0", "--no-reload", "--json")
    ready = json.loads(line(dev))
    status, page = answer(ready["login"])
    assert (status, "Log in as admin" in page) == (200, True)
    assert answer(f"{ready['url']}/api/me")[0] == 401
    run = shell("start", "shop:app", "price", '{"id": "o-1"}', "--wait")
    assert (run.code, run.out.splitlines()[-1]) == (0, 'succeeded: {"o-1": 2.0}')
    dev.send_signal(signal.SIGTERM)
    assert end(dev).code == 0


def test_dev_begins_again_when_code_changes_and_runs_go_on(shell: Shell) -> None:
    dev = shell.begin("dev", "shop:app", "--port", "0", "--json")
    first = json.loads(line(dev))
    run = shell("start", "shop:app", "ask").out.strip()
    until(lambda: shell("runs", "show", run, "--json").json["status"] == "waiting")
    code = shell.folder / "shop.py"
    code.write_text(code.read_text().replace("answered ", "changed: "))
    second = json.loads(line(dev))
    assert (first["login"] is not None, second["login"]) == (True, None)
    assert shell("promise", "resolve", f"{run}/answer", "true").code == 0
    assert shell("runs", "watch", run).out.strip() == 'succeeded: "changed: True"'
    code.write_text("this is no Python")
    until(lambda: shell("workers", "list", "--json").json["workers"] == [])
    code.write_text((Path(__file__).parent / "shop.py").read_text())
    assert json.loads(line(dev))["url"]
    dev.send_signal(signal.SIGINT)
    assert end(dev).code == 0
    assert shell("workers", "list", "--json").json["workers"] == []


@pytest.mark.parametrize(
    "address", ["nonsense", "ftp://h", "https://", "https://h/under", "https://h:x", "https://a@h"]
)
def test_an_address_that_is_none_is_refused_before_anything_listens_or_is_made(shell: Shell, address: str) -> None:
    own = ("--store", shell.store("shop"))
    shell("people", "add", "ann", *own)
    served, linked = (
        shell.inside("server", "--port", "0", "--public-url", address, *own),
        shell.inside("people", "link", "ann", "--server", address, *own),
    )
    assert (served.code, linked.code) == (2, 2)
    assert "--public-url is no address of a server" in served.err and "--server is no address" in linked.err


def test_dev_ends_at_once_where_it_cannot_listen_and_says_so_when_it_waits_for_better_code(shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = shell.inside("dev", "shop:app", "--port", str(other.getsockname()[1]))
    assert taken.code == 2 and "choose another port" in taken.err
    (shell.folder / "broken.py").write_text("import nothing_of_that_name\n", "utf-8")
    dev = shell.begin("dev", "broken:app", "--port", "0")
    assert dev.stderr is not None
    assert "broken cannot be imported" in dev.stderr.readline()
    assert "it begins again when a Python file here changes" in dev.stderr.readline()
    dev.send_signal(signal.SIGINT)
    assert end(dev).code == 0
