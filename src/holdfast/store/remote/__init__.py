"""A store behind a server: what a client needs of one, over the HTTP API."""

from holdfast.store.remote.api import Api
from holdfast.store.remote.store import HttpStore

__all__ = ["Api", "HttpStore"]
