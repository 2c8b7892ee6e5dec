"""The command ``holdfast``: hosts agents, starts runs, and looks at what is in a store."""

from holdfast.cli.command import main

__all__ = ["main"]
