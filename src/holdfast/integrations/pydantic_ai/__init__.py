"""pydantic-ai agents that outlive their process (extra ``pydantic-ai``): ``capabilities=[Durable()]``."""

from holdfast.integrations.pydantic_ai.approvals import PendingCalls, ToolDecision, pending_calls
from holdfast.integrations.pydantic_ai.capability import Durable
from holdfast.integrations.pydantic_ai.options import StepOptions, Transient

__all__ = ["Durable", "PendingCalls", "StepOptions", "ToolDecision", "Transient", "pending_calls"]
