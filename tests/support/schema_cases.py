"""Objects on both sides of every rule and bound of the schema, generated from it, and a list of common mistakes."""

from collections.abc import Iterator
from typing import Any

from modelservice_operator.api.crdgen.crd import root_schema
from modelservice_operator.api.crdgen.structural import RULES
from tests.support.builders import ModelServiceBuilder, model_service
from tests.support.schema_fields import SchemaField, fields

SPEC = SchemaField((), root_schema()["properties"]["spec"])
RULED = [(field, rule) for field in (SPEC, *fields()) for rule in field.schema.get(RULES, ())]
"""Every rule of the spec, with its field."""

iris = model_service()
REFUSED_SERVICES: list[tuple[ModelServiceBuilder, str]] = [
    (iris.with_spec(imagee="x"), 'unknown field "spec.imagee"'),
    (iris.without_spec("image"), "spec.image: Required value"),
    (iris.with_spec(image="has space"), "must be an image reference without spaces"),
    (iris.with_spec(replicas=-1), "spec.replicas in body should be greater than or equal to 0"),
    (iris.with_spec(replicas=10_001), "spec.replicas in body should be less than or equal to 10000"),
    (iris.with_spec(replicas="two"), "spec.replicas in body must be of type integer"),
    (
        iris.autoscaled(min_replicas=4, max_replicas=3),
        "autoscaling.minReplicas (or replicas, if it is not set) must not be greater than",
    ),
    (iris.with_spec(replicas=4).autoscaled(max_replicas=3), "raise maxReplicas or lower the minimum"),
    (iris.with_spec(replicas=0).autoscaled(max_replicas=3), "replicas must be at least 1 with autoscaling"),
    (iris.autoscaled(min_replicas=0, max_replicas=3), "minReplicas 0 requires a metric of type External or Object"),
    (iris.with_spec(autoscaling={"minReplicas": 1}), "maxReplicas is required, unless managedBy is External"),
    (
        iris.with_spec(autoscaling={"managedBy": "External", "maxReplicas": 3}),
        "remove all other fields of autoscaling",
    ),
    (
        iris.with_spec(resources={"requests": {"memory": "1Gi"}}).autoscaled(max_replicas=3, cpu=50),
        "set resources.requests.cpu",
    ),
    (
        iris.with_spec(expose={"ingress": {"host": "a b"}}),
        "must be a host name such as iris.example.com",
    ),
    (
        iris.with_spec(
            expose={
                "ingress": {"host": "a.example.com", "className": "nginx"},
                "httpRoute": {"parentRefs": [{"name": "edge"}]},
            }
        ),
        "set ingress or httpRoute, not both",
    ),
    (iris.with_spec(disruptionBudget={}), "set exactly one of minAvailable and maxUnavailable"),
    (
        iris.with_spec(rollout={"maxSurge": "lots"}),
        "must be a number of replicas such as 1, or a percentage such as 25%",
    ),
    (
        iris.with_spec(rollout={"maxSurge": -1}),
        "must be a number of replicas such as 1, or a percentage such as 25%",
    ),
    (iris.with_spec(mounts=[{"name": "a", "mountPath": "/a"}]), "set exactly one of configMap, secret"),
    (
        iris.with_spec(mounts=[{"name": "a", "mountPath": "/a", "hostPath": {"path": "/"}}]),
        "of the node cannot be mounted (Pod Security baseline): use persistentVolumeClaim",
    ),
    (
        iris.with_spec(mounts=[{"name": "tmp", "mountPath": "/a", "emptyDir": {}}]),
        "the names tmp, home, model, model-credentials, model-ca-bundle and those beginning with model-extra- or",
    ),
    (
        iris.with_spec(mounts=[{"name": "a", "mountPath": "/a", "subPath": "../b", "emptyDir": {}}]),
        "must be relative, without '..'",
    ),
    (iris.with_spec(podLabels={"kubernetes.io/os": "x"}), "are reserved"),
    (iris.with_spec(podAnnotations={"argoproj.io/x": "x"}), "are reserved"),
    (iris.with_spec(runAsUser=0), "images that were built for root run as any user"),
    (
        iris.with_spec(networkPolicy={"enabled": True, "from": [{}]}),
        "set ipBlock, or podLabels and namespaceLabels",
    ),
    (
        iris.autoscaled(max_replicas=3, cpu=0),
        "targetCPUUtilizationPercentage in body should be greater than or equal to 1",
    ),
    (iris.with_spec(containerPort=0), "spec.containerPort in body should be greater than or equal to 1"),
    (iris.with_spec(containerPort=65_536), "spec.containerPort in body should be less than or equal to 65535"),
    (iris.named("9lives"), "metadata.name must start with a lower-case letter"),
    (iris.named("a.dot"), "metadata.name must start with a lower-case letter"),
    (iris.named("a" * 64), "at most 63 characters long"),
    (iris.named("Upper"), "a lowercase RFC 1123 subdomain"),
    (iris.with_spec(model={"uri": "s3:///iris"}), "must name a bucket, and may name a path in it: write s3://"),
    (iris.with_spec(model={"uri": "models:/iris"}), "must name a model of MLflow: write models:/NAME/VERSION"),
    (iris.with_spec(model={"uri": "gcs://models/iris"}), "by bucket: write gs://BUCKET/PATH"),
    (iris.with_spec(model={"uri": "file:///app/../etc/passwd"}), "must not contain '..'"),
    (iris.with_spec(model={"path": "relative"}), "must be an absolute path without control characters: begin with"),
    (iris.with_spec(env=[{"name": "PORT", "value": "1"}]), "PORT must be equal to containerPort"),
    (
        iris.with_spec(env=[{"name": "KUBERNETES_PORT", "value": "x"}]),
        "the prefix KUBERNETES_ is reserved for Kubernetes",
    ),
    (iris.with_spec(env=[{"name": "1A", "value": "x"}]), "must be the name of a variable: letters, digits"),
    (iris.with_spec(env=[{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]), "Duplicate value"),
    (
        iris.with_spec(env=[{"name": "A", "value": "1", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}]),
        "set value or valueFrom, not both",
    ),
    (iris.with_spec(env=[{"name": "A", "valueFrom": {}}]), "set exactly one of secretKeyRef"),
    (iris.with_spec(probes={"readiness": {"tcpSocket": {}, "grpc": {}}}), "set at most one of httpGet"),
    (iris.with_spec(probes={"readiness": {"httpGet": {"host": "evil"}}}), 'unknown field "spec.probes.readiness'),
    (iris.with_spec(resources={"limits": {"cpu": "lots"}}), "must be a quantity of at least 0, such as"),
    (iris.with_spec(resources={"limits": {"cpu": "-1"}}), "must be a quantity of at least 0"),
    (iris.with_spec(resources={"limits": {"cpu": -1}}), "must be a quantity of at least 0"),
    (iris.with_spec(service={"type": "ExternalName"}), "spec.service.type: Unsupported value"),
    (iris.with_spec(hostNetwork=True), "use service.type LoadBalancer or NodePort, or expose"),
]
"""Objects with a mistake, and a part of the message that refuses each."""

HOSTILE = {
    "63 characters": "a" * 63,
    "64 characters": "a" * 64,
    "253 characters": "a" * 253,
    "254 characters": "a" * 254,
    "1 MiB": "a" * 2**20,
    "empty": "",
    "blank": " ",
    "unicode": "æ中😀",
    "right to left": "\u202egpj.exe",
    "zero width": "a\u200bb",
    "newline": "a\nb: c",
    "carriage return": "a\r\nX-Injected: 1",
    "control character": "a\x1bb",
    "variable": "$(PORT)",
    "escaped variable": "$$(PORT) $PORT ${PORT}",
    "template": "{{ .Values.secret }}",
    "shell": "`id`; $(id) | cat && exit",
    "parent": "../../etc/passwd",
    "yaml": "!!python/object:os.system {a: *b}",
    "number": "007",
    "boolean": "no",
    "url": "http://169.254.169.254/latest",
}
TEXTS = [field for field in fields() if field.schema.get("type") == "string" and "enum" not in field.schema]
AMOUNTS = [field for field in fields() if "x-kubernetes-int-or-string" in field.schema]
MAPS = [field for field in fields() if "additionalProperties" in field.schema]
NUMBERS = [field for field in fields() if field.schema.get("type") == "integer"]


def hostile_values() -> Iterator[tuple[str, SchemaField, str, Any]]:
    """Yield each hostile text for each field that accepts text: as value, and as key of a map."""
    for kind, text in HOSTILE.items():
        yield from ((kind, field, text, text) for field in (*TEXTS, *AMOUNTS))
        yield from ((kind, field, text, {text: next(iter(field.example.values()))}) for field in MAPS)


EDGES = (("minimum", -1), ("minimum", 0), ("minimum", 1), ("maximum", -1), ("maximum", 0), ("maximum", 1))
"""Numbers next to a bound: the bound, and the distance from it."""


def pattern_of(field: SchemaField) -> str:
    """Return the key of the cases for the pattern of a field."""
    pattern = field.schema["pattern"]
    if "%" in pattern:
        return "percentage up to 100" if "(100|" in pattern else "percentage"
    return "quantity above 0" if field.schema["minimum"] else "quantity"


def at_the_bounds() -> Iterator[tuple[SchemaField, Any]]:
    """Yield the last valid value at each bound of each field."""
    for field in fields():
        schema = field.schema
        yield from ((field, value) for value in schema.get("enum", ()))
        yield from ((field, schema[key]) for key in ("minimum", "maximum") if key in schema)
        if "maxItems" in schema and "minItems" not in schema:
            yield field, []


def beyond_the_bounds() -> Iterator[tuple[SchemaField, Any, str]]:
    """Yield the first invalid value beyond each bound of each field, and its error message."""
    for field in fields():
        schema, example = field.schema, field.schema.get("examples", [None])[0]
        if "enum" in schema:
            yield field, "Anything", "Unsupported value"
        if "minimum" in schema:
            yield field, schema["minimum"] - 1, "should be greater than or equal to"
        if "maximum" in schema:
            yield field, schema["maximum"] + 1, "should be less than or equal to"
        if schema.get("type") == "string" and "maxLength" in schema:
            yield field, "a" * (schema["maxLength"] + 1), f"may not be more than {schema['maxLength']} "
        if schema.get("minLength") and "x-kubernetes-int-or-string" not in schema:
            yield field, "", "should be at least 1 chars long"
        if "maxItems" in schema:
            yield field, [example[0]] * (schema["maxItems"] + 1), f"must have at most {schema['maxItems']} item"
        if schema.get("minItems"):
            yield field, [], "should have at least 1 items"
        if "maxProperties" in schema:
            many = {f"a{number}": next(iter(example.values())) for number in range(schema["maxProperties"] + 1)}
            yield field, many, f"must have at most {schema['maxProperties']} items"
