"""A store, and receivers of webhooks."""

from tests.contract.conftest import place, runner, store

__all__ = ["place", "runner", "store"]
