"""A look at a server and a schema that may be in any state. It changes and creates nothing."""

from __future__ import annotations

import asyncpg

from holdfast.errors import StoreError, StoreUnusable
from holdfast.records.health import Contents, Finding, Look, Owned, Ready, Severity, Standing
from holdfast.records.run import Population, Status
from holdfast.records.worker import Hosted
from holdfast.store.postgres import opening
from holdfast.store.postgres.address import Address
from holdfast.store.postgres.edge import ERRORS, unreachable
from holdfast.store.postgres.links import connect
from holdfast.store.postgres.sideloop import SideLoop
from holdfast.store.postgres.statements import CONNECTION, HEALTH, RUNS, Names
from holdfast.store.rows import worker_of

_LOOK_S = 20.0
_READ = "SET LOCAL statement_timeout = '10s'"
_CROWDED = 0.9  # of the connections that the server takes


class PostgresHealth:
    """A look at one schema; see :class:`holdfast.store.base.Health`.

    Example:
        >>> PostgresHealth("postgresql://app@db.example/app").look().findings
    """

    def __init__(self, url: str | Address) -> None:
        self._address = url if isinstance(url, Address) else Address.of(url)
        self.url = self._address.shown

    def look(self, *, deep: bool = False) -> Look:
        """See :class:`holdfast.store.base.Health`. PostgreSQL checks its pages itself: ``deep`` finds nothing more."""
        findings: list[Finding] = []
        side = SideLoop("holdfast-health")
        try:
            contents = side.run(self._look(findings), _LOOK_S)
        except StoreError as error:
            findings.append(_finding(Severity.PROBLEM, "store", f"{error}", "mend what it says, then run this again"))
            contents = None
        except TimeoutError:
            what = f"{self.url} has not answered for {_LOOK_S:g} s"
            findings.append(_finding(Severity.PROBLEM, "store", what, "see what keeps the server busy"))
            contents = None
        finally:
            side.close()
        return Look(findings=tuple(findings), contents=contents)

    async def _look(self, findings: list[Finding]) -> Contents | None:
        address = self._address
        names = Names(address.schema)
        con = None
        try:
            con = await connect(address.dsn, cache=False)
            server = await opening.look(con, address)
            await con.execute(f"{CONNECTION.begin_reading} {_READ}")
            findings += await _server(con, pooled=server.pooled, direct=address.direct != address.dsn)
            await con.execute(CONNECTION.commit)
            standing = await opening.stand(con, names, address)
            if standing.migration == 0:
                raise StoreUnusable(
                    f"{address.shown}: nothing was ever stored there (no schema {names.schema!r}). A worker makes it "
                    "when it starts"
                )
            findings.append(_schema(standing))
            await con.execute(f"{CONNECTION.begin_reading} {_READ}")
            return await _contents(con, names)
        except ERRORS as error:
            raise unreachable(error, address.shown) from error
        finally:
            if con is not None:
                con.terminate()


async def _server(con: asyncpg.Connection, *, pooled: bool, direct: bool) -> list[Finding]:
    settings = {row["name"]: row["setting"] for row in await con.fetch(HEALTH.settings)}
    sessions = await con.fetchval(HEALTH.sessions)
    found = [_finding(Severity.OK, "server", f"PostgreSQL {settings['server_version']}"), _durability(settings)]
    if sessions > _CROWDED * int(settings["max_connections"]):
        what = f"{sessions} of {settings['max_connections']} connections are taken"
        found.append(_finding(Severity.WARNING, "connections", what, "raise max_connections, or put a pooler in front"))
    if pooled and not direct:
        what = "a transaction pooler is in between: nobody hears notifications, changes are found by polling"
        found.append(_finding(Severity.NOTE, "notifications", what, "add ?direct=host:port of the server to the URL"))
    return found


def _durability(settings: dict[str, str]) -> Finding:
    for name in ("fsync", "full_page_writes"):
        if settings[name] != "on":
            what = f"{name} is {settings[name]}: a power failure may lose or damage what was acknowledged"
            return _finding(Severity.WARNING, "durability", what, f"set {name} = on in postgresql.conf")
    standbys = settings["synchronous_standby_names"]
    where = f"on this server and on {standbys}" if standbys else "on this server; a lost disk is a lost store"
    return _finding(Severity.OK, "durability", f"every commit is on the disk {where}")


def _schema(standing: opening.Standing) -> Finding:
    newest = opening.migrations()[-1][0]
    if standing.migration < newest or not standing.equipped:
        what = f"schema {standing.migration}; this Holdfast's is {newest}, and whoever opens the store brings it up"
        return _finding(Severity.NOTE, "schema", what, "older workers may go on meanwhile")
    return _finding(Severity.OK, "schema", f"schema {newest}, the newest")


def _finding(severity: Severity, about: str, what: str, do: str = "") -> Finding:
    return Finding(severity=severity, about=about, what=what, do=do)


async def _contents(con: asyncpg.Connection, names: Names) -> Contents:
    now = int(await con.fetchval(HEALTH.now))
    runs = tuple(
        Population(agent=agent, version=version, status=Status(status), count=count)
        for agent, version, status, count in await con.fetch(names(RUNS.population))
    )
    some: dict[Status, tuple[str, ...]] = {}
    for status in {one.status for one in runs} & {Status.BLOCKED, Status.PAUSED}:
        some[status] = tuple(row[0] for row in await con.fetch(names(HEALTH.some), str(status)))
    return Contents(
        now=now,
        newest=int(await con.fetchval(names(HEALTH.newest))),
        workers=tuple(worker_of(row) for row in await con.fetch(names(HEALTH.workers))),
        owned=tuple(Owned(worker=worker, runs=count) for worker, count in await con.fetch(names(HEALTH.owned))),
        ready=tuple(
            Ready(hosted=Hosted(agent=agent, version=version), runs=count, since=since)
            for agent, version, count, since in await con.fetch(names(HEALTH.ready), now)
        ),
        runs=runs,
        blocked=some.get(Status.BLOCKED, ()),
        paused=some.get(Status.PAUSED, ()),
        waiting=tuple(
            Standing(id=id, agent=agent, since=since) for id, agent, since in await con.fetch(names(HEALTH.waiting))
        ),
    )
