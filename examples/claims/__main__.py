"""``python -m examples.claims FILE.csv``: assess a file in this process. Stop it, run it again, and it resumes."""

import sys

from rich.console import Console

from examples.claims.agent import app, process
from examples.claims.show import show


def main() -> None:
    """Assess the file named on the command line."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m examples.claims FILE.csv")
    show(app.run(process(sys.argv[1])), Console())


if __name__ == "__main__":
    main()
