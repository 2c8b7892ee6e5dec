"""A ScaledObject of KEDA (``keda.sh/v1alpha1``), as far as it is used here: no package brings KEDA's schemas."""

from typing import Any

WHOLE = {"type": "integer", "minimum": 0}
TEXT = {"type": "string", "minLength": 1}


def _closed(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "required": required, "properties": properties}


METRICS_API = _closed(
    ["url", "valueLocation", "targetValue"],
    url={"type": "string", "pattern": "^https?://"},
    valueLocation=TEXT,
    targetValue={"type": "string", "pattern": r"^\d+(\.\d+)?$"},  # all metadata is text
    activationTargetValue={"type": "string", "pattern": r"^\d+(\.\d+)?$"},
)
SCALED_OBJECT = _closed(
    ["apiVersion", "kind", "metadata", "spec"],
    apiVersion={"const": "keda.sh/v1alpha1"},
    kind={"const": "ScaledObject"},
    metadata=_closed(["name"], name=TEXT),
    spec=_closed(
        ["scaleTargetRef", "triggers"],
        scaleTargetRef=_closed(["name"], name=TEXT, kind=TEXT, apiVersion=TEXT),
        pollingInterval=WHOLE,
        cooldownPeriod=WHOLE,
        minReplicaCount=WHOLE,
        maxReplicaCount=WHOLE,
        fallback=_closed(["failureThreshold", "replicas"], failureThreshold=WHOLE, replicas=WHOLE),
        triggers={
            "type": "array",
            "minItems": 1,
            "items": _closed(["type", "metadata"], type={"const": "metrics-api"}, metadata=METRICS_API),
        },
    ),
)
