"""The code in README.md and docs/ runs.

A page's blocks run from top to bottom in an empty directory, in a process of their own, with warnings as errors; the
variable ``DATABASE`` has the URL of an empty PostgreSQL database::

    ```python                         runs in the page's namespace; `await` is allowed at its top
    ```python file=claims.py          is written to that file and imported
    ```python no-run: <reason>        is only read
    ```bash                           is only read
    ```bash test                      runs, with the virtual environment first on PATH
"""

import ast
import asyncio
import importlib
import inspect
import os
import re
import signal
import subprocess
import sys
import types
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LIMIT_S = 240


def run_python(code: str, page: Path, line: int) -> None:
    # the page's own name and line numbers: tracebacks and inspect.getsource() find the page
    block = compile("\n" * line + code, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    result = eval(block, vars(sys.modules["__main__"]))
    if inspect.iscoroutine(result):
        asyncio.run(result)


def run_block(info: str, code: str, page: Path, line: int) -> None:
    if info == "python":
        run_python(code, page, line)
    elif file := re.fullmatch(r"python file=(\w+)\.py", info):
        Path(f"{file[1]}.py").write_text(code, "utf-8")
        importlib.import_module(file[1])
    elif info == "bash test":
        subprocess.run(["bash", "-euo", "pipefail", "-c", code], check=True)
    elif re.match(r"(py|bash|sh\b)", info) and info != "bash" and not re.match(r"python no-run: \S", info):
        raise SyntaxError(f"a block may not be marked {info!r}; tests/docs/test_docs.py lists the marks")


def run_page(page: Path) -> None:
    sys.path[0] = os.getcwd()
    sys.modules["__main__"] = types.ModuleType("__main__")
    for token in MarkdownIt().parse(page.read_text("utf-8")):
        if token.type == "fence" and token.map:
            print(f"{page}:{token.map[0] + 1}: {token.info}", flush=True)
            run_block(token.info.strip(), token.content, page, token.map[0] + 1)


@pytest.mark.parametrize("page", [page for page in PAGES if page.exists()], ids=lambda page: page.stem)
def test_code_on_the_page_runs(page: Path, tmp_path: Path, database: str) -> None:
    env = {name: value for name, value in os.environ.items() if name != "HOLDFAST_STORE"}
    env["DATABASE"] = database
    env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), env["PATH"]])
    command = [sys.executable, "-W", "error", __file__, str(page)]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, cwd=tmp_path, env=env, text=True, start_new_session=True, **pipes) as process:
        try:
            output, _ = process.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            pytest.fail(f"the page ran longer than {LIMIT_S} s:\n{process.communicate()[0]}")
    assert process.returncode == 0, output


if __name__ == "__main__":
    run_page(Path(sys.argv[1]))
