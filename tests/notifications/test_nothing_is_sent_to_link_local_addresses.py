"""What a message is never sent to: looked at as the connection is made, whatever a name meant before."""

from __future__ import annotations

import socket
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

import pytest

from holdfast.approvals.notifications.postman import Postman
from holdfast.approvals.notifications.reach import ALLOW, REFUSE, Reach
from holdfast.errors import BadOption
from holdfast.store.base import Store
from tests.notifications.office import office
from tests.notifications.receiver import Receiver, answers

HERE = ip_network("127.0.0.0/8")
NOT_HERE = Reach(refused=(HERE, ip_network("::1/128")))


@pytest.mark.parametrize(
    ("address", "refused"),
    [
        ("169.254.169.254", True), ("169.254.0.1", True), ("fe80::1", True), ("fe80::1%eth0", True),
        ("::ffff:169.254.169.254", True), ("64:ff9b::a9fe:a9fe", True), ("2002:a9fe:a9fe::", True),
        ("fd00:ec2::254", True), ("100.100.100.200", True), ("192.0.0.192", True),
        ("10.0.0.1", False), ("127.0.0.1", False), ("::1", False), ("93.184.215.14", False), ("hooks.example", False),
    ],
)  # fmt: skip
def test_by_default_it_is_what_is_link_local_or_tells_credentials(address: str, refused: bool) -> None:
    assert Reach().refuses(address) is refused


def test_an_operator_allows_networks_and_refuses_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ALLOW, "169.254.10.0/24, fe80::/64")
    monkeypatch.setenv(REFUSE, "10.0.0.0/8")
    reach = Reach.from_environment()
    said = {one: reach.refuses(one) for one in ("169.254.10.7", "169.254.11.7", "fe80::2", "10.1.1.1", "127.0.0.1")}
    assert said == {
        "169.254.10.7": False, "169.254.11.7": True, "fe80::2": False, "10.1.1.1": True, "127.0.0.1": False,
    }  # fmt: skip
    monkeypatch.setenv(ALLOW, "169.254.10.7/24")
    with pytest.raises(BadOption, match=f"{ALLOW}.*host bits set"):
        Reach.from_environment()


async def test_a_channel_there_is_refused_as_it_is_added(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    async with office(store) as at:
        for url in ("http://169.254.169.254/latest", "http://[fe80::1]/", "https://[::ffff:169.254.169.254]/"):
            with pytest.raises(BadOption, match=ALLOW):
                await at.channel(url)
        monkeypatch.setenv(ALLOW, "169.254.0.0/16")
        await at.channel("http://169.254.169.254/latest")


@pytest.mark.parametrize("kind", ["webhook", "apprise"])
async def test_a_name_that_leads_there_is_not_connected_to(store: Store, kind: str) -> None:
    async with Receiver([answers(200)]) as receiver, office(store, reach=NOT_HERE) as at:
        there = f"localhost:{urlsplit(receiver.url).port}/hook"
        await at.channel(f"{'http' if kind == 'webhook' else 'json'}://{there}")
        await at.ask()
        await at.work()
        assert receiver.got == []
        (waiting,) = await store.take_messages(now=at.clock.now() + 10**9, hold=1, limit=10)
        said = "messages are not sent to" if kind == "webhook" else "could not deliver"
        assert said in waiting.error


@pytest.mark.parametrize("kind", ["webhook", "apprise"])
async def test_what_is_allowed_is_reached(store: Store, kind: str) -> None:
    reach = Reach(refused=NOT_HERE.refused, allowed=(HERE,))
    async with Receiver([answers(200)]) as receiver, office(store, reach=reach) as at:
        there = f"127.0.0.1:{urlsplit(receiver.url).port}/hook?cto=60&rto=60"  # apprise gives up after 4 s otherwise
        await at.channel(f"{'http' if kind == 'webhook' else 'json'}://{there}")
        await at.ask()
        await at.work()
        assert len(receiver.got) == 1


async def test_a_name_that_is_bound_anew_between_looking_and_connecting_gains_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first answer is harmless, each later one is not: it is asked once, and that answer is connected to."""
    asked: list[str] = []
    really = socket.getaddrinfo

    def rebound(host: Any, *given: Any, **more: Any) -> Any:
        if host != "rebound.example":
            return really(host, *given, **more)
        asked.append(host)
        return really("127.0.0.1" if len(asked) == 1 else "127.0.0.66", *given, **more)

    monkeypatch.setattr(socket, "getaddrinfo", rebound)
    bad = Reach(refused=(ip_network("127.0.0.66/32"),))
    async with Receiver([answers(200)]) as receiver, office(store, reach=bad) as at:
        await at.channel(f"http://rebound.example:{urlsplit(receiver.url).port}/hook")
        await at.ask()
        await at.work()
        assert (len(receiver.got), asked) == (1, ["rebound.example"])
        assert receiver.got[0].headers["host"].startswith("rebound.example:")
        async with Postman(store, at.clock, reach=bad) as another:  # with connections of its own
            await at.ask()
            while await another.round():
                pass
        assert (len(receiver.got), len(asked)) == (1, 2)


async def test_where_a_proxy_connects_it_is_the_proxys_to_refuse(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Receiver([answers(200)]) as proxy:
        monkeypatch.setenv("http_proxy", f"http://{urlsplit(proxy.url).netloc}")
        async with office(store) as at:
            await at.channel("http://hooks.example/x")
            await at.ask()
            await at.work()
        assert [got.path for got in proxy.got] == ["http://hooks.example/x"]
