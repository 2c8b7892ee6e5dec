"""A store, and receivers of webhooks."""

from tests.contract.conftest import place, pytest_pyfunc_call, runner, store

__all__ = ["place", "pytest_pyfunc_call", "runner", "store"]
