"""pydantic-ai agents that outlive their process (extra ``pydantic-ai``): ``capabilities=[Durable()]``."""

from holdfast.integrations.pydantic_ai.approvals import PendingCall, PendingCalls, pending_calls
from holdfast.integrations.pydantic_ai.capability import Durable
from holdfast.integrations.pydantic_ai.decisions import ToolDecision
from holdfast.integrations.pydantic_ai.options import Transient
from holdfast.integrations.stepoptions import StepOptions

__all__ = ["Durable", "PendingCall", "PendingCalls", "StepOptions", "ToolDecision", "Transient", "pending_calls"]
