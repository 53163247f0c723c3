"""Environment of a container: variables, their sources, and whole Secrets and ConfigMaps (core/v1 EnvVar)."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from modelservice_operator.api.markers import (
    ATOMIC,
    ApiModel,
    Rule,
    cel_rules,
    list_map,
    string_with_pattern,
)
from modelservice_operator.api.primitives import ObjectName

_KEY_SENTENCE = "must be a key of the object: letters, digits, '-', '_' and '.', not beginning with '..'"
DataKey = Annotated[
    str,
    string_with_pattern("^([-_a-zA-Z0-9]|[.][-_a-zA-Z0-9])[-._a-zA-Z0-9]*$", _KEY_SENTENCE, max_length=253),
]
_VARIABLE_NAME = "must be the name of a variable: letters, digits and '_', not beginning with a digit"


class LocalReference(ApiModel):
    """Reference to an object in the same namespace."""

    name: ObjectName = Field(
        description="Name of the object, in the namespace of the ModelService.", examples=["registry-login"]
    )


class OptionalReference(ApiModel):
    """Reference to an object in the same namespace, which may be missing."""

    name: ObjectName = Field(
        description="Name of the object, in the namespace of the ModelService.", examples=["iris-settings"]
    )
    optional: bool | None = Field(
        default=None, description="Start the container even if the object does not exist.", examples=[True]
    )


class KeySelector(ApiModel):
    """One key of a Secret or ConfigMap."""

    name: ObjectName = Field(
        description="Name of the object, in the namespace of the ModelService.", examples=["iris-settings"]
    )
    key: DataKey = Field(description="Key inside the object.", examples=["token"])
    optional: bool | None = Field(
        default=None, description="Start the container even if the object or key does not exist.", examples=[True]
    )


_POD_FIELDS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)


FieldVersion = Literal["v1"] | None


class FieldSelector(ApiModel):
    """A field of the pod."""

    api_version: FieldVersion = Field(
        default=None, description="API version of the pod. Defaults to v1.", examples=["v1"]
    )
    field_path: Annotated[
        str,
        string_with_pattern(
            r"^(metadata[.](name|namespace|uid|(labels|annotations)\['[-A-Za-z0-9_./]+'\])"
            r"|spec[.](nodeName|serviceAccountName)|status[.](hostIPs?|podIPs?))$",
            f"must be one of {', '.join(_POD_FIELDS)}, metadata.labels['KEY'] or metadata.annotations['KEY']",
            max_length=256,
        ),
    ] = Field(description="Path of the field (downward API).", examples=["status.podIP"])


class ResourceFieldSelector(ApiModel):
    """A request or limit of a container."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            Rule(
                "!has(self.divisor) || self.divisor in ['0', '1'] ||"
                " (self.resource.endsWith('cpu') ? self.divisor == '1m' : self.divisor != '1m')",
                "divisor must be 1 or 1m for cpu, and 1 or a unit such as 1Mi for other resources",
            )
        )
    )
    container_name: str | None = Field(
        default=None,
        max_length=63,
        description="Container with the request or limit. Defaults to this container; in a volume, to the model"
        " container.",
        examples=["model"],
    )
    resource: Literal[
        "limits.cpu",
        "limits.memory",
        "limits.ephemeral-storage",
        "limits.hugepages-2Mi",
        "limits.hugepages-1Gi",
        "requests.cpu",
        "requests.memory",
        "requests.ephemeral-storage",
        "requests.hugepages-2Mi",
        "requests.hugepages-1Gi",
    ] = Field(description="Request or limit.", examples=["limits.memory"])
    divisor: (
        Literal["0", "1", "1m", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"] | None
    ) = Field(default=None, description="Unit of the value. Defaults to 1.", examples=["1Mi"])


class EnvSource(ApiModel):
    """Source of the value of an environment variable."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            Rule(
                "[has(self.secretKeyRef), has(self.configMapKeyRef), has(self.fieldRef), has(self.resourceFieldRef)]"
                ".filter(x, x).size() == 1",
                "set exactly one of secretKeyRef, configMapKeyRef, fieldRef and resourceFieldRef",
            )
        )
    )
    secret_key_ref: KeySelector | None = Field(
        default=None, description="A key of a Secret.", examples=[{"name": "iris-settings", "key": "token"}]
    )
    config_map_key_ref: KeySelector | None = Field(
        default=None, description="A key of a ConfigMap.", examples=[{"name": "iris-settings", "key": "threshold"}]
    )
    field_ref: FieldSelector | None = Field(
        default=None, description="A field of the pod.", examples=[{"fieldPath": "status.podIP"}]
    )
    resource_field_ref: ResourceFieldSelector | None = Field(
        default=None, description="A request or limit of a container.", examples=[{"resource": "limits.memory"}]
    )


class EnvVar(ApiModel):
    """One environment variable of a container."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            ("!(has(self.value) && has(self.valueFrom))", "set value or valueFrom, not both"),
        )
    )
    name: Annotated[
        str,
        string_with_pattern(
            "^[A-Za-z_][A-Za-z0-9_]*$",
            _VARIABLE_NAME,
            max_length=253,
            rules=cel_rules(
                Rule(
                    "!self.startsWith('KUBERNETES_')",
                    "the prefix KUBERNETES_ is reserved for Kubernetes: choose another name",
                )
            ),
        ),
    ] = Field(description="Name of the variable.", examples=["LOG_LEVEL"])
    value: str | None = Field(
        default=None,
        max_length=32_768,
        description="Value. As in a pod, $(VAR) is replaced by the value of a variable that is defined before; $$ is a"
        " literal $, so write $$(VAR) for a literal $(VAR).",
        examples=["info"],
    )
    value_from: EnvSource | None = Field(
        default=None,
        description="Source of the value, such as a key of a Secret.",
        examples=[{"secretKeyRef": {"name": "iris-settings", "key": "token"}}],
    )


Environment = Annotated[list[EnvVar], Field(max_length=256, json_schema_extra=list_map("name"))]
ENV_RULES = (
    Rule(
        "!has(self.env) || !self.?model.?uri.hasValue()"
        " || !self.env.exists(e, e.name == 'MODEL_URI' || e.name == 'MODEL_PATH')",
        "MODEL_URI and MODEL_PATH are set from model.uri: remove them from env, or remove model.uri",
        ".env",
    ),
    Rule(
        "!has(self.env) || !self.?model.?name.hasValue() || !self.env.exists(e, e.name == 'MODEL_NAME')",
        "MODEL_NAME is set from model.name: remove it from env, or remove model.name",
        ".env",
    ),
    Rule(
        "!has(self.env) || self.env.all(e, e.name != 'PORT' || has(e.valueFrom)"
        " || (has(e.value) && e.value in [string(self.containerPort)]))",
        "PORT must be equal to containerPort: set containerPort, and remove PORT from env",
        ".env",
    ),
)
"""Rules of the spec: an own variable of a name that the operator sets must not contradict the spec.

`in` has a constant cost for the API server; `==` is estimated by the maximum length of a value.
"""


class EnvFromSource(ApiModel):
    """All keys of a Secret or ConfigMap as environment variables."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            ("has(self.secretRef) != has(self.configMapRef)", "set exactly one of secretRef and configMapRef")
        )
    )
    prefix: Annotated[str, string_with_pattern("^[A-Za-z_][A-Za-z0-9_]*$", _VARIABLE_NAME, max_length=253)] | None = (
        Field(default=None, description="Text before the name of each variable.", examples=["IRIS_"])
    )
    secret_ref: OptionalReference | None = Field(
        default=None, description="Use all keys of a Secret.", examples=[{"name": "iris-settings"}]
    )
    config_map_ref: OptionalReference | None = Field(
        default=None, description="Use all keys of a ConfigMap.", examples=[{"name": "iris-settings"}]
    )


EnvFrom = Annotated[list[EnvFromSource], Field(max_length=16, json_schema_extra=ATOMIC)]
