"""The composition root: what an app defines, and how it is wired to a store, a worker and a client."""

from __future__ import annotations

import asyncio
import os
from asyncio import events
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, cast, overload

from typing_extensions import TypeVar as DefaultedTypeVar

from holdfast import script
from holdfast.approvals.deadlines import Deadlines
from holdfast.approvals.notifications.service import Notifications
from holdfast.client import Client
from holdfast.clock import Clock, Duration, SharedClock
from holdfast.context import Context
from holdfast.durable.calls import Call, Effect, Options
from holdfast.durable.catalog import Agent, Catalog, Tool, ToolContext
from holdfast.durable.chores import Chore
from holdfast.durable.retention import Retention
from holdfast.durable.storedrun import StoredRun
from holdfast.durable.timekeeper import Timekeeper, clock_of
from holdfast.durable.worker import Worker
from holdfast.errors import BadOption, StoreUnusable, UsageError
from holdfast.people import People
from holdfast.records.journal import Op
from holdfast.settings import Settings
from holdfast.store.base import Health, Store

if TYPE_CHECKING:  # test equipment sits above the runtime and is not loaded in production
    from holdfast.testing import Rig

P = ParamSpec("P")
R = TypeVar("R")
D = DefaultedTypeVar("D", default=None)

STORE_VARIABLE = "HOLDFAST_STORE"
TOKEN_VARIABLE = "HOLDFAST_TOKEN"


class Runtime(Client):
    """A client, and a worker in the same process. Made by ``app.open``.

    Attributes:
        worker: the worker.
    """

    def __init__(self, store: Store, catalog: Catalog, clock: Clock, worker: Worker) -> None:
        super().__init__(store, catalog, clock)
        self.worker = worker


class App(Generic[D]):
    """What a team deploys together: agents and tools, and what their steps need.

    Args:
        name: of the app; the default store is ``./.holdfast/<name>.db``.
        lifespan: an async context manager that yields ``ctx.deps``: clients and pools, opened where a worker runs.
        retention: which runs its workers delete after their end; none by default.

    Raises:
        BadOption: the name is no file name.

    Example:
        >>> app = App("greeter")
        >>> @app.agent
        ... async def greet(ctx: Context, name: str) -> str:
        ...     return f"hello {name}"
    """

    @overload
    def __init__(self: App[None], name: str, *, retention: Sequence[Retention] = ()) -> None: ...
    @overload
    def __init__(
        self, name: str, *, lifespan: Callable[[], AbstractAsyncContextManager[D]], retention: Sequence[Retention] = ()
    ) -> None: ...
    def __init__(
        self,
        name: str,
        *,
        lifespan: Callable[[], AbstractAsyncContextManager[Any]] | None = None,
        retention: Sequence[Retention] = (),
    ) -> None:
        if not name or any(character in name for character in "/\\\0"):
            raise BadOption(f"{name!r} cannot name an app: it names a file too")
        self.name = name
        self.catalog = Catalog(Context)
        self.retention = tuple(retention)
        self._lifespan = lifespan

    # -- what it defines

    @overload
    def agent(self, fn: Callable[Concatenate[Context[D], P], Coroutine[Any, Any, R]], /) -> Agent[P, R]: ...
    @overload
    def agent(
        self, /, *, version: str = "1", name: str | None = None, limit: int | None = None, rate: str | None = None
    ) -> Callable[[Callable[Concatenate[Context[D], P], Coroutine[Any, Any, R]]], Agent[P, R]]: ...
    def agent(
        self,
        fn: Callable[..., Any] | None = None,
        /,
        *,
        version: str = "1",
        name: str | None = None,
        limit: int | None = None,
        rate: str | None = None,
    ) -> Any:
        """Register an ``async def`` as an agent; its first parameter is the context.

        Args:
            fn: the function.
            version: a line of compatibility. Runs stay with the version that they began with; several versions of an
                agent can live in one app (give the functions the same ``name``).
            name: the function's by default.
            limit: how many runs of the agent may be in memory at once, on all workers of the store together. Runs that
                wait and have left memory do not count.
            rate: how many of its runs may begin in which time, on all workers together: ``"10/1m"``, ``"5/s"``. Runs
                that go on do not count. Both are of the agent, whatever its versions: say it at one of them.

        Raises:
            DuplicateName: name and version are taken.
            BadOption: it is not an ``async def`` with a context first, or its limits make no sense.

        Example:
            >>> app = App("greeter")
            >>> @app.agent(version="2")
            ... async def greet(ctx: Context, name: str) -> str:
            ...     return f"hello {name}"
        """

        def register(function: Callable[..., Any]) -> Agent[Any, Any]:
            return self.catalog.add_agent(function, name=name, version=version, limit=limit, rate=rate)

        return register if fn is None else register(fn)

    @overload
    def tool(self, fn: Callable[Concatenate[ToolContext[D], P], Coroutine[Any, Any, R]], /) -> Tool[P, R]: ...
    @overload
    def tool(self, fn: Callable[P, Coroutine[Any, Any, R]], /) -> Tool[P, R]: ...
    @overload
    def tool(
        self,
        /,
        *,
        name: str | None = None,
        timeout: Duration | None = None,
        retries: int = 0,
        retry_on: Iterable[type[Exception]] | None = None,
        effect: Effect = "at_least_once",
    ) -> Callable[[Callable[P, Coroutine[Any, Any, R]]], Tool[P, R]]: ...
    def tool(
        self,
        fn: Callable[..., Any] | None = None,
        /,
        *,
        name: str | None = None,
        timeout: Duration | None = None,
        retries: int = 0,
        retry_on: Iterable[type[Exception]] | None = None,
        effect: Effect = "at_least_once",
    ) -> Any:
        """Register an effect on the outside world. Awaiting its call in a body runs it as a step.

        A first parameter annotated ``ToolContext`` receives the app's deps and an idempotency key. The other arguments
        are stored whole, so they must be storable.

        Args:
            fn: the function.
            name: the function's by default.
            timeout: a default of its calls, as the following; see ``Call.using``.
            retries: further attempts after a failure.
            retry_on: which exceptions are retried.
            effect: ``"at_least_once"`` or ``"at_most_once"``.

        Raises:
            DuplicateName: the name is taken.
            BadOption: an option makes no sense.

        Example:
            >>> app = App("desk")
            >>> @app.tool
            ... async def pay(claim_id: str, amount: float) -> str:
            ...     return f"paid {amount} on {claim_id}"
        """
        defaults = Options().changed(timeout=timeout, retries=retries, retry_on=retry_on, effect=effect)

        def register(function: Callable[..., Any]) -> Tool[Any, Any]:
            return self.catalog.add_tool(function, name=name, defaults=defaults)

        return register if fn is None else register(fn)

    # -- where it runs

    def run(self, call: Call[R], /, *, key: str | None = None, store: str | None = None, fresh: bool = False) -> R:
        """Run a call to its end in this process and return its result; for scripts.

        Running the script again resumes the unfinished run of the same call, and says so.

        Args:
            call: of an agent.
            key: an idempotency key: a run that has ended under it is not repeated, its result is returned.
            store: a URL; else ``$HOLDFAST_STORE``, else ``./.holdfast/<app>.db``.
            fresh: start anew, whatever is unfinished.

        Raises:
            RunFailed, RunCancelled, RunBlocked: the run ended without a result.
            UsageError: an event loop is running: ``async with app.open()`` there.
        """
        if events._get_running_loop() is not None:
            raise UsageError("app.run() inside a running event loop: write `async with app.open() as runtime: …` there")
        return asyncio.run(self._run(call, key, store, fresh))

    @asynccontextmanager
    async def open(
        self, store: str | None = None, *, settings: Settings | None = None, agents: Iterable[str] | None = None
    ) -> AsyncIterator[Runtime]:
        """A worker and a client in this process.

        Args:
            store: a URL; else ``$HOLDFAST_STORE``, else ``./.holdfast/<app>.db``.
            settings: how the worker behaves.
            agents: names of the agents to host; all by default.

        Raises:
            StoreUnusable: the store cannot be opened; the message says why.

        Example:
            >>> async def main(app, call):
            ...     async with app.open("sqlite:///claims.db") as runtime:
            ...         return await (await runtime.start(call)).result()
        """
        async with self.assemble(await open_store(self._url(store)), settings=settings, agents=agents) as runtime:
            yield runtime

    @asynccontextmanager
    async def connect(self, url: str | None = None) -> AsyncIterator[Client]:
        """A client only: it starts and finds runs, and needs a worker elsewhere to execute them.

        Args:
            url: of a store, or of a server (``http://host:port``), which wants a token in ``$HOLDFAST_TOKEN``; else
                ``$HOLDFAST_STORE``, else ``./.holdfast/<app>.db``.

        Raises:
            StoreUnusable: the store cannot be opened.
        """
        opened = await open_store(self._url(url))
        try:
            yield Client(opened, self.catalog, await clock_of(opened))
        finally:
            await opened.close()

    def test(self, **options: Any) -> AbstractAsyncContextManager[Rig]:
        """A temporary store, a virtual clock and a worker for tests; see :class:`holdfast.testing.Rig`.

        Example:
            >>> async def test_greeting(app, greet):
            ...     async with app.test() as t:
            ...         assert await (await t.start(greet("Ann"))).result() == "hello Ann"
        """
        from holdfast.testing import open_rig  # above the runtime: only tests load it

        return open_rig(self, **options)

    @asynccontextmanager
    async def assemble(
        self,
        store: Store,
        *,
        clock: Clock | None = None,
        settings: Settings | None = None,
        agents: Iterable[str] | None = None,
        replaced: dict[str, Callable[..., Any]] | None = None,
    ) -> AsyncIterator[Runtime]:
        """Wire a worker and a client to an open store, which is closed at the end."""
        only = None if agents is None else frozenset(agents)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(store.close)
            clock = clock or await clock_of(store)
            for name in only or ():
                self.catalog.agent(name)  # raises UnknownAgent
            deps = await stack.enter_async_context(self.lifespan())
            worker = Worker(
                store,
                self.catalog,
                deps,
                clock=clock,
                settings=settings or Settings.from_environment(),
                only=only,
                replaced=replaced,
                retention=self.retention,
                chores=chores_of(store, clock),
            )
            await stack.enter_async_context(Notifications(store, clock))
            await worker.start()
            stack.push_async_callback(worker.stop)
            yield Runtime(store, self.catalog, clock, worker)

    def lifespan(self) -> AbstractAsyncContextManager[Any]:
        """What yields the deps."""
        return self._lifespan() if self._lifespan is not None else nullcontext()

    # -- inside

    def _url(self, store: str | None) -> str:
        return store or os.environ.get(STORE_VARIABLE) or f"sqlite:///.holdfast/{self.name}.db"

    async def _run(self, call: Call[R], key: str | None, store: str | None, fresh: bool) -> R:
        from holdfast.console import Console  # only here is anything shown

        console = Console()
        if not isinstance(call, Call) or call.target.op is not Op.CHILD:
            raise BadOption(f"app.run({call!r}): write a call of an agent, such as app.run(adjust(claim))")
        if fresh and key is not None:
            raise BadOption(f"app.run(key={key!r}, fresh=True): a key never starts a second run; leave out one of them")
        async with self.connect(store) as client:
            # before there is a worker, which might have ended it by then
            found = None if fresh else await script.earlier(client, call, key)
            said = "" if found is None else await script.told(client, found)
            async with self.assemble(client.store) as runtime:
                handle: StoredRun[R]
                handle = await runtime.start(call, key=key) if found is None else StoredRun(runtime, found.id)
                console.say(said or f"started run {handle.id}")
                await runtime.resume(handle.id)
                async with console.following(runtime, handle):
                    return await handle.result()


def chores_of(store: Store, clock: Clock) -> list[Chore]:
    """What every worker of a store does beside executing runs."""
    keeping = [Timekeeper(store, clock)] if isinstance(clock, SharedClock) else []
    return [Deadlines(store, clock.now, People(store, clock)), *keeping]


def health_of(url: str) -> Health:
    """What looks at the store that a URL names, whether it can be opened or not.

    Raises:
        StoreUnusable: no store of this kind.
    """
    if is_server(url):
        raise StoreUnusable(f"{url} is a server, and looks at the store behind it itself: GET {url}/api/doctor")
    if _is_postgres(url):
        from holdfast.store.postgres import PostgresHealth  # a process loads the store that it has, and no other

        return PostgresHealth(url)
    from holdfast.store.sqlite import SqliteHealth

    return SqliteHealth(url)


async def open_store(url: str, *, create: bool = True) -> Store:
    """Open the store that a URL names; made if need be, unless ``create`` is false.

    Raises:
        StoreUnusable: no store of this kind, or it cannot be opened.
    """
    if is_server(url):
        from holdfast.store.remote import Api, HttpStore  # only those who need it load an HTTP client

        return cast(Store, HttpStore(Api(url, os.environ.get(TOKEN_VARIABLE))))  # the half that clients use
    if _is_postgres(url):
        from holdfast.store.postgres import PostgresStore

        return await PostgresStore.open(url, create=create)
    from holdfast.store.sqlite import SqliteStore

    return await SqliteStore.open(url, create=create)


def is_server(url: str) -> bool:
    """Whether a URL names a server, and not a database."""
    return url.startswith(("http://", "https://"))


def _is_postgres(url: str) -> bool:
    scheme, found, _ = url.partition("://")
    if found and scheme in ("postgresql", "postgres"):
        return True
    if found and scheme != "sqlite":
        raise StoreUnusable(
            f"{scheme}:// is no store that this version knows: write sqlite:///path/to/file.db or "
            "postgresql://user@host/database; or http://host:port, a server"
        )
    return False
