"""Holdfast: the runtime that long-running AI agents live in. Write plain asyncio; it is durable."""

from holdfast.approvals.answers import Approve, Reject, Respond
from holdfast.approvals.case import Audited, Case, CaseContext, InboxFilter, Outcome, Person
from holdfast.approvals.decision import Approved, Decision, Escalate, Expired, Rejected, Responded
from holdfast.approvals.desk import Desk
from holdfast.approvals.standing import Standing
from holdfast.client import Client
from holdfast.codec import AesGcm, use_cipher
from holdfast.context import Context
from holdfast.durable.calls import Call
from holdfast.durable.catalog import Agent, Tool, ToolContext
from holdfast.durable.context import Promise
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
    AlreadyDecided,
    ApprovalOver,
    BadOption,
    CallFailed,
    CallRefused,
    CallReused,
    ChildCancelled,
    ChildFailed,
    DeskRefused,
    DuplicateKey,
    DuplicateName,
    EditRefused,
    EffectInBody,
    FourEyes,
    HoldfastError,
    KeyConflict,
    NotAllowed,
    NotAnswered,
    NotApproved,
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
    UnknownApproval,
    UnknownRun,
    UsageError,
    WrongDigest,
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
    "AlreadyDecided",
    "App",
    "ApprovalOver",
    "Approve",
    "Approved",
    "Audited",
    "BadOption",
    "Call",
    "CallFailed",
    "CallRefused",
    "CallReused",
    "Case",
    "CaseContext",
    "ChildCancelled",
    "ChildFailed",
    "Client",
    "Context",
    "Decision",
    "Desk",
    "DeskRefused",
    "Done",
    "DuplicateKey",
    "DuplicateName",
    "EditRefused",
    "EffectInBody",
    "Escalate",
    "Expired",
    "Failure",
    "ForkPlan",
    "Forked",
    "FourEyes",
    "HoldfastError",
    "InboxFilter",
    "KeyConflict",
    "Mapped",
    "NotAllowed",
    "NotAnswered",
    "NotApproved",
    "NotInRun",
    "NotStorable",
    "Outcome",
    "OutcomeUnknown",
    "Person",
    "PostgresTransaction",
    "Promise",
    "PromiseFailed",
    "Reject",
    "Rejected",
    "Respond",
    "Responded",
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
    "Standing",
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
    "UnknownApproval",
    "UnknownRun",
    "Usage",
    "UsageError",
    "WrongDigest",
    "WrongState",
    "idempotency_key",
    "teller",
    "use_cipher",
]
