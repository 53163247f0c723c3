"""Fields of a pod that are known only to be refused: with a sentence, instead of as unknown fields."""

from typing import Annotated

from pydantic import Field
from pydantic.fields import FieldInfo

from modelservice_operator.api.markers import ApiModel, Rule, cel_rules


def refused_flag(sentence: str) -> FieldInfo:
    """Return a marker for a boolean that must not be true; `sentence` says why and names the alternative."""
    field: FieldInfo = Field(json_schema_extra=cel_rules(Rule("!self", sentence)))
    return field


def refused_field(field: str, sentence: str) -> Rule:
    """Return a rule of an object for a field that must not be set."""
    return Rule(f"!has(self.{field})", sentence, f".{field}")


HostNetwork = Annotated[
    bool,
    refused_flag(
        "the network of the node is not available to pods (Pod Security baseline): use service.type LoadBalancer or"
        " NodePort, or expose, to reach the model from outside"
    ),
]
Privileged = Annotated[
    bool,
    refused_flag(
        "privileged containers are not allowed (Pod Security baseline): request a device in resources.limits instead,"
        " such as nvidia.com/gpu"
    ),
]
HostPID = Annotated[
    bool,
    refused_flag(
        "the processes of the node are not visible to pods (Pod Security baseline): run what needs them as a DaemonSet"
    ),
]
HostIPC = Annotated[
    bool,
    refused_flag(
        "the shared memory of the node is not available to pods (Pod Security baseline): mount an emptyDir with medium"
        " Memory at /dev/shm"
    ),
]


class HostPath(ApiModel):
    """A path of the node. Always refused."""

    path: str | None = Field(default=None, max_length=4096, description="Path of the node.", examples=["/data"])
    type: str | None = Field(default=None, max_length=63, description="Kind of the path.", examples=["Directory"])


HOST_PATH_RULE = refused_field(
    "hostPath",
    "a path of the node cannot be mounted (Pod Security baseline): use persistentVolumeClaim, a csi driver, or"
    " model.uri for a model",
)
