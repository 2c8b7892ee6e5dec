"""Holdfast: the runtime that long-running AI agents live in. Write plain asyncio; it is durable."""

from holdfast.codec import AesGcm, use_cipher
from holdfast.durable.calls import Call
from holdfast.durable.catalog import Agent, Tool, ToolContext
from holdfast.durable.client import Client
from holdfast.durable.context import Context, Promise
from holdfast.durable.effects import idempotency_key
from holdfast.durable.events import Teller, teller
from holdfast.durable.forking import ForkPlan
from holdfast.durable.handles import Run
from holdfast.durable.map import Mapped
from holdfast.durable.operations import Forked
from holdfast.durable.results import Failure
from holdfast.durable.retention import Retention
from holdfast.durable.selection import Done, Selection
from holdfast.errors import (
    BadOption,
    CallFailed,
    CallRefused,
    CallReused,
    ChildCancelled,
    ChildFailed,
    DuplicateKey,
    DuplicateName,
    EffectInBody,
    HoldfastError,
    KeyConflict,
    NotInRun,
    NotStorable,
    OutcomeUnknown,
    PromiseFailed,
    RunBlocked,
    RunCancelled,
    RunFailed,
    StepFailed,
    StepTimedOut,
    StoreBusy,
    StoreError,
    StoreUnusable,
    TooLarge,
    UnknownAgent,
    UnknownRun,
    UsageError,
    WrongState,
)
from holdfast.records.event import RunEvent
from holdfast.records.run import Status
from holdfast.records.usage import Usage
from holdfast.runtime import App, Runtime
from holdfast.settings import Settings
from holdfast.store.base import RunFilter
from holdfast.store.transactions import PostgresTransaction, SqliteTransaction

__all__ = [
    "AesGcm",
    "Agent",
    "App",
    "BadOption",
    "Call",
    "CallFailed",
    "CallRefused",
    "CallReused",
    "ChildCancelled",
    "ChildFailed",
    "Client",
    "Context",
    "Done",
    "DuplicateKey",
    "DuplicateName",
    "EffectInBody",
    "Failure",
    "ForkPlan",
    "Forked",
    "HoldfastError",
    "KeyConflict",
    "Mapped",
    "NotInRun",
    "NotStorable",
    "OutcomeUnknown",
    "PostgresTransaction",
    "Promise",
    "PromiseFailed",
    "Retention",
    "Run",
    "RunBlocked",
    "RunCancelled",
    "RunEvent",
    "RunFailed",
    "RunFilter",
    "Runtime",
    "Selection",
    "Settings",
    "SqliteTransaction",
    "Status",
    "StepFailed",
    "StepTimedOut",
    "StoreBusy",
    "StoreError",
    "StoreUnusable",
    "Teller",
    "TooLarge",
    "Tool",
    "ToolContext",
    "UnknownAgent",
    "UnknownRun",
    "Usage",
    "UsageError",
    "WrongState",
    "idempotency_key",
    "teller",
    "use_cipher",
]
