"""``holdfast replay``: recorded runs are held against the code, and the exit code says how it went."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.cli.conftest import Past
from tests.cli.shell import Said, Shell

USAGE, NOT_FOUND, DIVERGED = 2, 3, 7


@pytest.fixture
def journal(past: Past, tmp_path: Path) -> Path:
    path = tmp_path / "journal.jsonl"
    assert past.shell.inside("runs", "export", past.succeeded, "--app", "shop:app", "--out", str(path)).code == 0
    return path


@pytest.fixture
def changed(tmp_path_factory: pytest.TempPathFactory, past: Past) -> Shell:
    """A folder with other code for the same agents."""
    shell = Shell(tmp_path_factory.mktemp("changed"))
    code = (past.shell.folder / "shop.py").read_text()
    (shell.folder / "shop.py").write_text(code.replace("asyncio.sleep(0.001)", "ctx.step(note, 'more')"))
    return shell


# -- what fits


def test_a_file_a_folder_and_a_run_replay(past: Past, journal: Path) -> None:
    before = past.shell.ledger
    for target in (str(journal), str(journal.parent), past.succeeded):
        said = past.shell("replay", target, "shop:app")
        assert (said.code, said.out, said.err) == (0, "1 run replayed\n", "")
    assert past.shell.ledger == before, "no effect was executed"


def test_several_targets_replay(past: Past, journal: Path) -> None:
    assert past.shell.inside("replay", str(journal), past.failed, past.waiting, "shop:app").out == "3 runs replayed\n"


def test_a_query_replays_what_matches_children_too(past: Past) -> None:
    assert past.shell("replay", "shop:app").out == "5 runs replayed\n"
    assert past.shell.inside("replay", "shop:app", "--agent", "price").out == "1 run replayed\n"
    assert past.shell.inside("replay", "shop:app", "--status", "failed,waiting").out == "2 runs replayed\n"
    assert past.shell.inside("replay", "shop:app", "--key", "monday", "--since", "1d").out == "1 run replayed\n"
    assert past.shell.inside("replay", "shop:app", "--error", "NO STOCK").out == "1 run replayed\n"
    said = past.shell.inside("replay", "shop:app", "--limit", "2").out
    assert said == "2 runs replayed, the newest of 5 that match (see --limit)\n"


def test_a_query_that_matches_nothing_is_not_found(past: Past, tmp_path: Path) -> None:
    for query in (("--agent", "prize"), ("--tag", "none"), ("--until", "2020-01-01"), ("--error", "elsewhere")):
        said = past.shell.inside("replay", "shop:app", *query)
        assert (said.code, said.out, "matches" in said.err) == (NOT_FOUND, "", True)
    assert past.shell.inside("replay", str(tmp_path), "shop:app").code == NOT_FOUND


def test_a_file_needs_no_store(journal: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = Shell(tmp_path_factory.mktemp("elsewhere"))
    assert elsewhere("replay", str(journal), "shop:app").code == 0
    assert not (elsewhere.folder / ".holdfast").exists()


# -- what does not


def test_code_that_does_something_else_is_named(changed: Shell, journal: Path, past: Past) -> None:
    said = changed("replay", str(journal), "shop:app")
    assert said.code == DIVERGED
    assert past.succeeded in said.out and "asks for note#1" in said.out
    assert said.out.endswith("1 run replayed, up to the first that diverges; --keep-going replays all\n")


def test_the_entry_and_both_sides_are_told(past: Past, tmp_path: Path, journal: Path) -> None:
    shell = Shell(tmp_path)
    code = (tmp_path / "shop.py").read_text()
    (tmp_path / "shop.py").write_text(code.replace("Order(noted[0])", "Order('other')"))
    (told,) = shell.inside("replay", str(journal), "shop:app", "--json").json["diverged"]
    assert (told["run"], told["agent"], told["version"], told["source"]) == (
        past.succeeded, "price_all", "1", str(journal),
    )  # fmt: skip
    assert (told["key"], told["recorded"].split(" (")[0]) == ("price#1", f"intent {told['entry']} of child price#1")
    assert "other" in told["asked"]
    text = shell.inside("replay", str(journal), "shop:app").out
    assert f"diverges at entry {told['entry']}: at price#1: the journal has intent" in text


def test_the_first_that_diverges_ends_it_unless_told_to_keep_going(changed: Shell, journal: Path) -> None:
    folder = journal.parent
    for name in ("b", "c"):
        (folder / f"{name}.jsonl").write_bytes(journal.read_bytes())
    first = changed.inside("replay", str(folder), "shop:app", "--json")
    assert (first.code, first.json["replayed"], len(first.json["diverged"])) == (DIVERGED, 1, 1)
    every = changed.inside("replay", str(folder), "shop:app", "--keep-going")
    assert (every.code, every.out.splitlines()[-1]) == (DIVERGED, "3 runs replayed, 3 diverge")


def test_a_run_that_has_not_ended_must_fit_as_far_as_it_is_recorded(past: Past) -> None:
    """It was blocked by broken code: the code that is right fits, and asks for more; the broken one does not."""
    assert past.shell("replay", past.blocked, "shop:app").code == 0
    said = past.shell("replay", past.blocked, "shop:app", SHOP_BROKEN="1")
    assert (said.code, "pay#1" in said.out) == (DIVERGED, True)


def test_a_failed_run_must_fail_alike(past: Past, tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    url = f"sqlite:///{past.shell.folder}/.holdfast/shop.db"
    code = (tmp_path / "shop.py").read_text()
    (tmp_path / "shop.py").write_text(code.replace('f"{why} \\x1b[31mred"', '"another reason"'))
    said = shell("replay", past.failed, "shop:app", "--store", url)
    assert said.code == DIVERGED
    assert r"it failed of ValueError: no stock \x1b[31mred, replayed it fails of ValueError: another reason" in said.out


# -- mistakes


def test_files_that_are_none_are_mistakes(past: Past, journal: Path) -> None:
    def said(path: Path) -> tuple[int, str]:
        done = past.shell.inside("replay", str(path), "shop:app")
        assert done.out == ""
        return done.code, done.err

    text = journal.read_text()
    for name, content, words in (
        ("empty.jsonl", "", "is empty"),
        ("cut.jsonl", text[:-70], "was cut"),
        ("newer.jsonl", text.replace('"version": 2', '"version": 9', 1), "has format version 9"),
        ("foreign.jsonl", '{"kind": "log"}\n', "is no journal file of Holdfast"),
        ("broken.jsonl", text.replace("}\n{", "}\n,{", 2), "line 2 is no JSON"),
    ):
        path = journal.with_name(name)
        path.write_text(content)
        code, err = said(path)
        assert (code, words in err or "may have been cut" in err) == (USAGE, True), err
        path.unlink()
    assert said(journal.with_name("missing.jsonl"))[0] == USAGE


def test_a_damaged_file_among_others_does_not_end_it_when_told_to_keep_going(past: Past, journal: Path) -> None:
    journal.with_name("a.jsonl").write_text("")
    said = past.shell.inside("replay", str(journal.parent), "shop:app", "--keep-going")
    assert (said.code, said.out) == (USAGE, "1 run replayed\n")
    assert "is empty" in said.err


def test_an_agent_that_the_app_lacks_names_the_app_that_wrote_it(past: Past, journal: Path) -> None:
    for before, after, words in (
        ('"agent": "price_all"', '"agent": "gone"', "agent 'gone' version '1' is not defined here"),
        (
            '"agent": "price_all", "version": "1"',
            '"agent": "price_all", "version": "8"',
            "agent 'price_all' version '8'",
        ),
    ):
        other = journal.with_name("other.jsonl")
        other.write_text(journal.read_text().replace(before, after, 1))
        said = past.shell.inside("replay", str(other), "shop:app")
        assert (said.code, words in said.err, "of app 'shop'" in said.err) == (NOT_FOUND, True, True), said


def test_other_mistakes_are_named(past: Past, journal: Path) -> None:
    def said(*arguments: str) -> Said:
        done = past.shell.inside("replay", *arguments)
        assert done.out == ""
        return done

    assert said("nobody", "shop:app").code == NOT_FOUND
    both = said(str(journal), "shop:app", "--agent", "price")
    assert (both.code, "not both" in both.err) == (USAGE, True)
    when = said("shop:app", "--since", "yesterday")
    assert (when.code, "--since 'yesterday': write a time" in when.err) == (USAGE, True)
    assert said("shop:app", "--status", "done").code == USAGE
    assert said(str(journal), "shop").code == USAGE
    assert said().code == USAGE
    problem = past.shell.inside("replay", "nobody", "shop:app", "--json").problem
    assert (problem["error"], problem["code"]) == ("UnknownRun", NOT_FOUND)


# -- bodies that misbehave

BODIES = textwrap.dedent("""
    import asyncio, os, socket, time
    from contextlib import asynccontextmanager
    from holdfast import App, Context

    class Client:
        rate = 2
        async def ask(self, text): return text

    class Deps:
        def __init__(self): self.client = Client()

    @asynccontextmanager
    async def lifespan():
        print("lifespan entered")
        yield Deps()

    app = App("bodies", lifespan=lifespan)
    MODE = os.environ.get("MODE", "")

    async def ask(client, text): return await client.ask(text)

    @app.agent
    async def body(ctx: Context[Deps]) -> str:
        print("a body may print")
        if MODE == "spin":
            while True:
                await asyncio.sleep(0)
        if MODE == "loop":
            while True:
                pass
        if MODE == "swallow":
            while True:
                try:
                    time.sleep(100)  # a body must not block: it is found out, and not waited for
                except Exception:
                    pass
        if MODE == "connect":
            await asyncio.open_connection("127.0.0.1", 9)
        if MODE == "deps":
            try:
                return str(ctx.deps.client.rate)
            except Exception:
                pass
        return await ctx.step(ask, ctx.deps.client, "hello")

    if __name__ == "__main__":
        print(app.run(body()))
""")


@pytest.fixture(scope="module")
def bodies(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    shell = Shell(tmp_path_factory.mktemp("bodies"))
    (shell.folder / "bodies.py").write_text(BODIES)
    subprocess.run([sys.executable, "bodies.py"], cwd=shell.folder, env=shell.environment, check=True, timeout=60)
    return shell


def test_deps_may_be_handed_to_steps_without_the_lifespan(bodies: Shell) -> None:
    said = bodies("replay", "bodies:app", "--json")
    assert (said.code, said.json) == (0, {"replayed": 1, "diverged": []})
    assert said.err == "a body may print\n"
    assert "lifespan entered" in bodies("replay", "bodies:app", "--lifespan").out


def test_deps_that_a_body_uses_itself_ask_for_the_lifespan(bodies: Shell) -> None:
    said = bodies("replay", "bodies:app", MODE="deps")
    assert said.code == DIVERGED
    assert "the body uses ctx.deps.client.rate, which is not at hand" in said.out
    assert "--lifespan" in said.out
    entered = bodies("replay", "bodies:app", "--lifespan", MODE="deps")
    assert (entered.code, "not at hand" in entered.out) == (DIVERGED, False)


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("spin", "the body spins"),
        ("loop", "did not come to rest in 0.5 s"),
        ("swallow", "did not come to rest in 0.5 s (it was at "),
        ("connect", "EffectInBody"),
    ],
)
def test_a_body_that_does_io_or_spins_does_not_hang(bodies: Shell, mode: str, words: str) -> None:
    patience = "0.5" if "0.5 s" in words else "50"  # what is found without waiting is found before it is over
    said = bodies.afresh("replay", "bodies:app", "--timeout", patience, MODE=mode)
    assert (said.code, words in said.out) == (DIVERGED, True), said


def test_a_long_run_replays_in_seconds(bodies: Shell, journal: Path) -> None:
    """50,000 steps; made as a file, since executing so many would take a minute."""
    header, *_ = map(json.loads, journal.read_text().splitlines())
    header["run"] |= {"agent": "long", "input": {"n": 50_000}, "result": 50_000}
    rows = [json.dumps(header)]
    for seq in range(1, 50_001):
        entry = {"type": "entry", "seq": seq, "kind": "outcome", "op": "step", "key": f"one#{seq}"}
        rows.append(json.dumps(entry | {"at": "2026-11-24T06:00:00.000000Z", "ok": True, "value": 1}))
    rows.append(json.dumps({"type": "end", "entries": 50_000, "items": 0}))
    path = journal.with_name("long.jsonl")
    path.write_text("\n".join(rows) + "\n")
    (bodies.folder / "long.py").write_text(
        textwrap.dedent("""
        from holdfast import App, Context

        app = App("long")

        def one(number: int) -> int:
            raise AssertionError("executed")

        @app.agent
        async def long(ctx: Context, n: int) -> int:
            return sum([await ctx.step(one, number) for number in range(n)])
        """)
    )
    before = computed_by_children()
    said = bodies("replay", str(path), "long:app")
    assert (said.code, said.out) == (0, "1 run replayed\n"), said
    assert computed_by_children() - before < 20


def computed_by_children() -> float:
    """Seconds of processors; what else a machine does takes none of them."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
