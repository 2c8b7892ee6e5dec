"""One measurement in a process of its own: ``python -m bench.one NAME PLAN``; the last line it prints is JSON.

A process of its own, so that no measurement finds what another has left behind: memory, threads, garbage to collect.
"""

from __future__ import annotations

import importlib
import json
import logging
import subprocess
import sys
from dataclasses import asdict

from bench.figure import Line
from bench.plan import Plan
from bench.report import lines_as_json, lines_of


class Broken(Exception):
    """A measurement did not come to its end: the bench, or what it measures, has a defect."""


def measure_apart(name: str, plan: Plan) -> list[Line]:
    """Measure in another process.

    Raises:
        Broken: it failed.
    """
    command = [sys.executable, "-m", "bench.one", name, json.dumps(asdict(plan))]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise Broken(f"{name} ended with exit code {done.returncode}")
    return lines_of(done.stdout.splitlines()[-1])


def main(name: str, plan: Plan) -> None:
    logging.basicConfig(level=logging.ERROR)  # long journals are what is measured here: no warning about them
    module = importlib.import_module(f"bench.{name}")
    print(lines_as_json(list(module.measure(plan))))


if __name__ == "__main__":
    main(sys.argv[1], Plan(**json.loads(sys.argv[2])))
