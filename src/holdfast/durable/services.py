"""What the activations of a worker share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.clock import Clock
from holdfast.durable.committer import Committer
from holdfast.durable.effects import Effects
from holdfast.durable.workspace.workspace import Workspaces
from holdfast.records.run import Run
from holdfast.settings import Settings
from holdfast.store.base import Store

if TYPE_CHECKING:  # an activation is given its services
    from holdfast.durable.activation import Activation


@dataclass(frozen=True, kw_only=True, slots=True)
class Services:
    """What the activations of a worker share."""

    store: Store
    committer: Committer
    effects: Effects
    workspaces: Workspaces
    clock: Clock
    settings: Settings
    may_begin: Callable[[], bool]  # whether the lease allows effects to begin
    pressed: Callable[[], bool]  # whether other runs wait for a place in memory
    busy_with: Callable[[Run | None], None]  # told which body the loop is running
    gone: Callable[[Activation], None]  # told once, when one has left memory
    lost: Callable[[], None]  # told when the lease turns out to have ended
