"""``python -m examples.claims FILE.csv``: assess a file in this process. Stop it, run it again, and it resumes."""

import sys

from rich.console import Console

from examples.claims.agent import app, process
from examples.claims.show import show
from holdfast import HoldfastError


def main() -> None:
    """Assess the file named on the command line."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m examples.claims FILE.csv")
    try:
        show(app.run(process(sys.argv[1])), Console())
    except KeyboardInterrupt:
        sys.exit("Stopped. Run it again, and it goes on from here.")
    except HoldfastError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
