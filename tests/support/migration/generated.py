"""Generates valid inputs: a Deployment with a Service, and often an autoscaler, a budget and an Ingress.

Every field of pods, containers, Services and autoscalers that API servers store is chosen sometimes, those of few users
too, and those that a ModelService cannot have. A seed always yields the same input.
"""

from collections.abc import Callable
from random import Random
from typing import Any

Object = dict[str, Any]

_WORDS = ("amber", "birch", "cedar", "dune", "ember", "fjord", "grove", "heath", "islet", "jetty", "knoll", "larch")
_IMAGES = ("registry.example.com/petals/server:1.4", "registry.example.com/tides", "orchard/serving:2.0-gpu",
           "registry.example.com/a/b@sha256:" + "0" * 64)  # fmt: skip


class Generator:
    """Makes the choices of one input."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.name = f"{self.word()}-{seed}"

    def word(self) -> str:
        return self.random.choice(_WORDS)

    def is_chosen(self, share: float = 0.3) -> bool:
        return self.random.random() < share

    def some(self, *choices: tuple[str, Callable[[], Any]], share: float = 0.25) -> Object:
        """Return a map with some of the fields."""
        return {name: make() for name, make in choices if self.is_chosen(share)}

    def one(self, *values: Any) -> Any:
        return self.random.choice(values)

    def flag(self) -> bool:
        return self.is_chosen(0.5)

    def objects(self) -> list[Object]:
        """Return the objects of the input."""
        deployment = self.deployment()
        objects = [deployment]
        ports = deployment["spec"]["template"]["spec"]["containers"][0].get("ports") or [{"containerPort": 8080}]
        if self.is_chosen(0.9):
            objects.append(self.service(ports))
        if self.is_chosen(0.5):
            objects.append(self.autoscaler())
        if self.is_chosen(0.3):
            objects.append(self.budget())
        if self.is_chosen(0.3) and len(objects) > 1 and objects[1]["kind"] == "Service":
            objects.append(self.ingress(objects[1]))
        if self.is_chosen(0.2):
            objects.append(self.policy())
        return objects

    @property
    def labels(self) -> dict[str, str]:
        return {"app": self.name}

    def deployment(self) -> Object:
        spec: Object = {"selector": {"matchLabels": self.labels}}
        spec |= self.some(
            ("replicas", lambda: self.one(0, 1, 2, 5)),
            ("minReadySeconds", lambda: self.one(0, 5, 30)),
            ("progressDeadlineSeconds", lambda: self.one(120, 600, 1800)),
            ("revisionHistoryLimit", lambda: self.one(0, 3, 10)),
            ("strategy", self.strategy),
            ("paused", lambda: True),
        )
        labels = self.labels | self.some(
            ("team", self.word),
            ("app.kubernetes.io/component", lambda: "server"),
            ("app.kubernetes.io/name", self.word),
            ("sidecar.example.k8s.io/inject", lambda: "true"),
            share=0.2,
        )
        metadata: Object = {"labels": labels}
        if self.is_chosen(0.2):
            metadata["annotations"] = self.annotations()
        spec["template"] = {"metadata": metadata, "spec": self.pod()}
        own: Object = {"name": self.name}
        if self.is_chosen(0.3):
            own["labels"] = {"app": self.name, "tier": self.word()}
        if self.is_chosen(0.15):
            own["annotations"] = {"reloader.example.com/auto": "true"}
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": own, "spec": spec}

    def annotations(self) -> dict[str, str]:
        return {"prometheus.io/scrape": "true"} | self.some(
            ("example.com/note", self.word),
            ("cluster-autoscaler.kubernetes.io/safe-to-evict", lambda: "false"),
            ("container.example.k8s.io/profile", lambda: "x"),
        )

    def strategy(self) -> Object:
        return self.one(  # type: ignore[no-any-return]
            {"type": "Recreate"},
            {"type": "RollingUpdate"},
            {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "50%", "maxUnavailable": 0}},
            {"rollingUpdate": {"maxSurge": 0}},
            {"rollingUpdate": {"maxUnavailable": 1}},
            {"rollingUpdate": {"maxSurge": 3, "maxUnavailable": "10%"}},
        )

    def pod(self) -> Object:
        volumes = self.volumes()
        main = self.container("server", volumes, first=True)
        containers = [main]
        if self.is_chosen(0.2):
            containers.append(self.container("proxy", volumes))
        pod: Object = {"containers": containers}
        if volumes:
            pod["volumes"] = volumes
        if self.is_chosen(0.2):
            init = self.container("prepare", volumes, init=True)
            pod["initContainers"] = [init]
            if self.is_chosen(0.4):
                pod["initContainers"].append(self.container("agent", volumes, init=True) | {"restartPolicy": "Always"})
        pod |= self.some(
            ("nodeSelector", lambda: {"disk": "ssd", "kubernetes.io/arch": "amd64"}),
            ("tolerations", self.tolerations),
            ("affinity", self.affinity),
            ("topologySpreadConstraints", self.spreads),
            ("imagePullSecrets", lambda: [{"name": "registry-login"}]),
            ("serviceAccountName", lambda: "runner"),
            ("automountServiceAccountToken", self.flag),
            ("securityContext", self.pod_security),
            ("terminationGracePeriodSeconds", lambda: self.one(0, 1, 30, 90)),
            ("enableServiceLinks", self.flag),
            ("schedulerName", lambda: self.one("default-scheduler", "volcano")),
            ("priorityClassName", lambda: "serving"),
            ("runtimeClassName", lambda: "gvisor"),
            ("hostAliases", lambda: [{"ip": "192.0.2.10", "hostnames": ["models.example.com"]}]),
            ("dnsPolicy", lambda: self.one("ClusterFirst", "Default")),
            ("dnsConfig", lambda: {"options": [{"name": "ndots", "value": "2"}], "searches": ["example.com"]}),
            ("restartPolicy", lambda: "Always"),
            ("shareProcessNamespace", lambda: True),
            ("hostname", lambda: "one"),
            ("subdomain", lambda: "two"),
            ("nodeName", lambda: "node-7"),
            ("preemptionPolicy", lambda: "Never"),
            ("readinessGates", lambda: [{"conditionType": "example.com/ready"}]),
            ("setHostnameAsFQDN", lambda: True),
            ("hostIPC", lambda: True),
            ("hostPID", lambda: False),
            share=0.13,
        )
        # The API server rejects a sleep that is longer than the grace period.
        hooks = [hook for one in containers for hook in one.get("lifecycle", {}).values()]
        if any(
            hook.get("sleep", {}).get("seconds", 0) > pod.get("terminationGracePeriodSeconds", 30) for hook in hooks
        ):
            pod["terminationGracePeriodSeconds"] = 20
        return pod

    def pod_security(self) -> Object:
        return self.some(
            ("runAsUser", lambda: self.one(0, 1000, 65532)),
            ("runAsGroup", lambda: self.one(0, 1000)),
            ("fsGroup", lambda: self.one(0, 2000)),
            ("runAsNonRoot", lambda: False),
            ("fsGroupChangePolicy", lambda: self.one("Always", "OnRootMismatch")),
            ("supplementalGroups", lambda: [3000]),
            ("seccompProfile", lambda: {"type": self.one("RuntimeDefault", "Unconfined")}),
            ("sysctls", lambda: [{"name": "net.core.somaxconn", "value": "1024"}]),
            share=0.4,
        )

    def tolerations(self) -> list[Object]:
        return [
            self.one(
                {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
                {"key": "tier", "value": "serving"},
                {"operator": "Exists"},
                {
                    "key": "node.kubernetes.io/unreachable",
                    "effect": "NoExecute",
                    "operator": "Exists",
                    "tolerationSeconds": 60,
                },
            )
            for _ in range(self.one(1, 2))
        ]

    def affinity(self) -> Object:
        own, other = {"matchLabels": self.labels}, {"matchLabels": {"app": "cache"}}
        term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": self.one(own, other)}
        if self.is_chosen(0.2):
            term["namespaces"] = ["other"]
        zone = {"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["a", "b"]}
        return self.one(  # type: ignore[no-any-return]
            {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}},
            {
                "podAffinity": {
                    "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 5, "podAffinityTerm": term}]
                }
            },
            {
                "nodeAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": {
                        "nodeSelectorTerms": [{"matchExpressions": [zone]}]
                    }
                }
            },
        )

    def spreads(self) -> list[Object]:
        selector = self.one({"matchLabels": self.labels}, {"matchLabels": {"app": "cache"}})
        spread = {
            "maxSkew": self.one(1, 2),
            "topologyKey": "topology.kubernetes.io/zone",
            "whenUnsatisfiable": self.one("ScheduleAnyway", "DoNotSchedule"),
            "labelSelector": selector,
        }
        if spread["whenUnsatisfiable"] == "DoNotSchedule" and self.is_chosen():
            spread["minDomains"] = 2
        return [
            spread | self.some(("nodeTaintsPolicy", lambda: "Honor"), ("matchLabelKeys", lambda: ["pod-template-hash"]))
        ]

    def volumes(self) -> list[Object]:
        kinds: list[Object] = [
            {"name": "settings", "configMap": {"name": "settings"}},
            {
                "name": "labels",
                "configMap": {"name": "labels", "items": [{"key": "a", "path": "b.json"}], "optional": True},
            },
            {"name": "keys", "secret": {"secretName": "keys", "defaultMode": 0o400}},
            {"name": "weights", "persistentVolumeClaim": {"claimName": "weights"}},
            {"name": "archive", "persistentVolumeClaim": {"claimName": "archive", "readOnly": True}},
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "2Gi"}},
            {"name": "scratch", "emptyDir": {}},
            {"name": "tmp", "emptyDir": {"sizeLimit": "500Mi"}},
            {"name": "model", "persistentVolumeClaim": {"claimName": "models"}},
            {"name": "host", "hostPath": {"path": "/data", "type": "Directory"}},
            {"name": "share", "nfs": {"server": "192.0.2.20", "path": "/models"}},
            {
                "name": "bucket",
                "csi": {"driver": "gcsfuse.csi.storage.gke.io", "volumeAttributes": {"bucketName": "m"}},
            },
            {
                "name": "disk",
                "ephemeral": {
                    "volumeClaimTemplate": {
                        "metadata": {"labels": {"team": "petals"}},
                        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Gi"}}},
                    }
                },
            },
            {
                "name": "info",
                "downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]},
            },
            {
                "name": "mixed",
                "projected": {
                    "sources": [
                        {"configMap": {"name": "settings"}},
                        {"serviceAccountToken": {"path": "token", "audience": "vault"}},
                    ]
                },
            },
        ]
        return [volume for volume in kinds if self.is_chosen(0.14)]

    def container(self, name: str, volumes: list[Object], *, first: bool = False, init: bool = False) -> Object:
        number = 8000 if first else 9901 if name == "proxy" else 9902
        container: Object = {"name": name, "image": self.one(*_IMAGES)}
        if not init and self.is_chosen(0.85):
            container["ports"] = self.ports(number, first=first)
        named = [port["name"] for port in container.get("ports") or () if "name" in port]
        container |= self.some(
            ("imagePullPolicy", lambda: self.one("Always", "IfNotPresent", "Never")),
            ("command", lambda: ["/usr/bin/serve", "--quiet"]),
            ("args", lambda: ["--workers", "2", "$(LOG_LEVEL)"]),
            ("workingDir", lambda: "/srv"),
            ("env", self.env),
            ("envFrom", self.env_from),
            ("resources", self.resources),
            ("securityContext", self.security),
            ("terminationMessagePath", lambda: "/tmp/end"),  # noqa: S108
            ("terminationMessagePolicy", lambda: self.one("File", "FallbackToLogsOnError")),
            ("stdin", lambda: True),
            ("tty", lambda: True),
        )
        if not init:
            container |= self.some(
                ("readinessProbe", lambda: self.probe(number, named)),
                ("livenessProbe", lambda: self.probe(number, named)),
                ("startupProbe", lambda: self.probe(number, named) | {"failureThreshold": self.one(3, 30, 200)}),
                ("lifecycle", self.lifecycle),
                share=0.35,
            )
            for kind in ("livenessProbe", "startupProbe"):
                container.get(kind, {}).pop("successThreshold", None)
        mounts = [self.mount(volume) for volume in volumes if self.is_chosen(0.7 if first else 0.2)]
        if first and mounts and self.is_chosen(0.15):
            mounts.append({"name": mounts[0]["name"], "mountPath": "/second/place"})
        if mounts:
            container["volumeMounts"] = mounts
        return container

    def mount(self, volume: Object) -> Object:
        place = {"shm": "/dev/shm", "tmp": "/tmp"}.get(volume["name"], f"/mnt/{volume['name']}")  # noqa: S108
        mount: Object = {"name": volume["name"], "mountPath": place}
        if volume["name"] not in {"shm", "tmp"}:
            mount |= self.some(("readOnly", lambda: True), ("subPath", lambda: "part"), share=0.2)
            if "subPath" not in mount and self.is_chosen(0.07):
                mount["subPathExpr"] = "$(POD)"
        return mount

    def ports(self, number: int, *, first: bool) -> list[Object]:
        ports: list[Object] = [
            {"containerPort": number} | self.some(("name", lambda: self.one("http", "web", "rest-api")))
        ]
        if first and self.is_chosen(0.3):
            ports.append({"containerPort": 8001, "name": "grpc"})
        if first and self.is_chosen(0.15):
            ports.append({"containerPort": 8002} | self.some(("protocol", lambda: self.one("UDP", "SCTP")), share=0.5))
        if first and self.is_chosen(0.08):
            ports[0]["hostPort"] = 18000
        return ports

    def env(self) -> list[Object]:
        choices: list[Object] = [
            {"name": "LOG_LEVEL", "value": "info"},
            {"name": "EMPTY"},
            {"name": "PORT", "value": self.one("8000", "9000")},
            {"name": "MODEL_NAME", "value": self.word()},
            {"name": "HOME", "value": "/srv"},
            {"name": "LD_LIBRARY_PATH", "value": "/usr/local/lib"},
            {"name": "spring.config-name", "value": "x"},
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "token", "optional": True}}},
            {"name": "LIMIT", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "limit"}}},
            {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "NODE", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "spec.nodeName"}}},
            {"name": "CPUS", "valueFrom": {"resourceFieldRef": {"containerName": "server", "resource": "limits.cpu"}}},
            {"name": "PRICE", "value": "$(LOG_LEVEL) $$(X)"},
        ]
        return [variable for variable in choices if self.is_chosen(0.3)]

    def env_from(self) -> list[Object]:
        return [
            self.one(
                {"configMapRef": {"name": "settings"}},
                {"prefix": "A_", "secretRef": {"name": "keys", "optional": True}},
            )
        ]

    def resources(self) -> Object:
        return self.one(  # type: ignore[no-any-return]
            {},
            {"requests": {"cpu": "250m", "memory": "1Gi"}},
            {"requests": {"cpu": 1, "memory": "1.5Gi"}, "limits": {"cpu": "2000m", "memory": "2Gi"}},
            {"limits": {"nvidia.com/gpu": 1, "memory": "16Gi"}},
            {"limits": {"cpu": "0.5", "ephemeral-storage": "1Gi"}},
            {"requests": {"memory": "128974848"}},
        )

    def security(self) -> Object:
        return self.some(
            ("runAsUser", lambda: self.one(0, 1001)),
            ("runAsGroup", lambda: 1001),
            ("readOnlyRootFilesystem", self.flag),
            ("capabilities", lambda: self.one({"drop": ["ALL"]}, {"add": ["NET_BIND_SERVICE"]})),
            ("privileged", self.flag),
            ("procMount", lambda: "Default"),
            share=0.4,
        )

    def probe(self, number: int, named: list[str]) -> Object:
        port = self.one(number, number, 8081, *named)
        action = self.one(
            {"httpGet": {"path": "/health", "port": port}},
            {
                "httpGet": {
                    "path": "/health",
                    "port": port,
                    "scheme": "HTTPS",
                    "httpHeaders": [{"name": "X-A", "value": "b"}],
                }
            },
            {"httpGet": {"path": "/health", "port": port, "host": "127.0.0.1"}},
            {"tcpSocket": {"port": port}},
            {"grpc": {"port": number}},
            {"grpc": {"port": 8001, "service": "ready"}},
            {"exec": {"command": ["/bin/healthy"]}},
        )
        timings = self.some(
            ("initialDelaySeconds", lambda: self.one(0, 15)),
            ("periodSeconds", lambda: self.one(5, 10)),
            ("timeoutSeconds", lambda: self.one(1, 4)),
            ("failureThreshold", lambda: self.one(2, 3)),
            ("successThreshold", lambda: self.one(1, 2)),
        )
        return dict(action) | timings

    def lifecycle(self) -> Object:
        handlers: list[Object] = [
            {"exec": {"command": ["/bin/drain"]}},
            {"httpGet": {"path": "/drain", "port": 8000}},
            {"sleep": {"seconds": self.one(3, 20)}},
            {"tcpSocket": {"port": 8000}},
        ]
        return self.some(
            ("preStop", lambda: self.one(*handlers)), ("postStart", lambda: self.one(*handlers[:3])), share=0.7
        )

    def service(self, ports: list[Object]) -> Object:
        kind = self.one("ClusterIP", "ClusterIP", "NodePort", "LoadBalancer")
        spec: Object = {"selector": self.labels, "ports": self.service_ports(ports, kind)}
        if self.is_chosen(0.7) or kind != "ClusterIP":
            spec["type"] = kind
        if kind == "ClusterIP" and self.is_chosen(0.15):
            spec["clusterIP"] = "None"
        spec |= self.some(
            ("sessionAffinity", lambda: self.one("None", "ClientIP")),
            ("internalTrafficPolicy", lambda: self.one("Cluster", "Local")),
            ("publishNotReadyAddresses", lambda: True),
            ("trafficDistribution", lambda: "PreferClose"),
            share=0.15,
        )
        if spec.get("sessionAffinity") == "ClientIP" and self.is_chosen(0.5):
            spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": 600}}
        if kind in {"NodePort", "LoadBalancer"}:
            spec |= self.some(("externalTrafficPolicy", lambda: self.one("Cluster", "Local")), share=0.3)
        if kind == "LoadBalancer":
            spec |= self.some(
                ("loadBalancerClass", lambda: "example.com/internal"),
                ("loadBalancerSourceRanges", lambda: ["192.0.2.0/24"]),
                ("loadBalancerIP", lambda: "192.0.2.9"),
                ("allocateLoadBalancerNodePorts", lambda: False),
            )
        metadata: Object = {"name": self.one(self.name, self.name, f"{self.name}-api")}
        metadata |= self.some(
            ("labels", lambda: {"team": self.word()}), ("annotations", lambda: {"cloud.example.com/scheme": "internal"})
        )
        return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}

    def service_ports(self, ports: list[Object], kind: str) -> list[Object]:
        first = ports[0]
        target = self.one(first["containerPort"], first.get("name", first["containerPort"]))
        found: list[Object] = [{"port": self.one(80, 8000, 5000), "targetPort": target}]
        if self.is_chosen(0.1):
            found[0] = {"port": first["containerPort"]}
        if kind != "ClusterIP" and self.is_chosen(0.2):
            found[0]["nodePort"] = 31000 + self.random.randrange(900)
        if self.is_chosen(0.1):
            found[0]["appProtocol"] = "http"
        others = [port for port in ports[1:] if port.get("protocol", "TCP") != "SCTP"]
        for port in others:
            if self.is_chosen(0.6):
                extra = {
                    "name": port.get("name", "more"),
                    "port": port["containerPort"],
                    "targetPort": port["containerPort"],
                }
                found.append(extra | ({"protocol": port["protocol"]} if "protocol" in port else {}))
        if self.is_chosen(0.07):
            found.append({"name": "again", "port": 8888, "targetPort": first["containerPort"]})
        if len(found) > 1 or self.is_chosen(0.4):
            found[0]["name"] = self.one("http", "web", "predictions-of-the-model")
        return found

    def autoscaler(self) -> Object:
        low = self.one(1, 2)
        spec: Object = {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": self.name},
            "maxReplicas": self.one(3, 9),
        }
        if self.is_chosen(0.7):
            spec["minReplicas"] = low
        metrics: list[Object] = [
            {
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}},
            },
            {
                "type": "Resource",
                "resource": {"name": "memory", "target": {"type": "Utilization", "averageUtilization": 75}},
            },
            {
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "AverageValue", "averageValue": "750m"}},
            },
            {
                "type": "ContainerResource",
                "containerResource": {
                    "name": "cpu",
                    "container": "server",
                    "target": {"type": "Utilization", "averageUtilization": 55},
                },
            },
            {
                "type": "Pods",
                "pods": {"metric": {"name": "rps"}, "target": {"type": "AverageValue", "averageValue": "10"}},
            },
            {
                "type": "External",
                "external": {
                    "metric": {"name": "queue", "selector": {"matchLabels": {"q": "a"}}},
                    "target": {"type": "Value", "value": "30"},
                },
            },
        ]
        chosen = [metric for metric in metrics if self.is_chosen(0.3)]
        if chosen:
            spec["metrics"] = chosen
        if self.is_chosen(0.3):
            spec["behavior"] = self.one(
                {"scaleDown": {"stabilizationWindowSeconds": 60}},
                {"scaleUp": {"policies": [{"type": "Pods", "value": 2, "periodSeconds": 30}], "selectPolicy": "Min"}},
                {"scaleDown": {"selectPolicy": "Disabled"}},
            )
        metadata = {"name": self.one(self.name, f"{self.name}-hpa")}
        return {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": metadata, "spec": spec}

    def budget(self) -> Object:
        spec: Object = {"selector": {"matchLabels": self.labels}}
        spec |= self.one({"minAvailable": 1}, {"maxUnavailable": "25%"}, {"minAvailable": "50%"})
        if self.is_chosen(0.2):
            spec["unhealthyPodEvictionPolicy"] = "AlwaysAllow"
        return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": self.name}, "spec": spec}

    def ingress(self, service: Object) -> Object:
        port = service["spec"]["ports"][0]
        is_short = len(port.get("name", "")) in range(1, 16)
        reference = {"name": port["name"]} if is_short and self.is_chosen(0.5) else {"number": port["port"]}
        backend = {"service": {"name": service["metadata"]["name"], "port": reference}}
        path: Object = {
            "path": self.one("/", "/predict"),
            "pathType": self.one("Prefix", "Exact", "ImplementationSpecific"),
            "backend": backend,
        }
        paths = [path]
        if self.is_chosen(0.2):
            paths.append({"path": "/v2", "pathType": "Prefix", "backend": backend})
        if self.is_chosen(0.1):
            paths.append(
                {"path": "/web", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"number": 80}}}}
            )
        rule: Object = {"http": {"paths": paths}}
        if self.is_chosen(0.7):
            rule["host"] = "model.example.com"
        spec: Object = {"rules": [rule]}
        if self.is_chosen(0.5):
            spec["ingressClassName"] = "nginx"
        if self.is_chosen(0.4) and "host" in rule:
            spec["tls"] = [{"hosts": ["model.example.com"], "secretName": "model-tls"}]
        metadata: Object = {"name": self.one(self.name, "edge")}
        if self.is_chosen(0.4):
            metadata["annotations"] = {"nginx.ingress.kubernetes.io/proxy-read-timeout": "60"}
        return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec}

    def policy(self) -> Object:
        peers = [
            self.one(
                {"podSelector": {"matchLabels": {"app": "gateway"}}},
                {"namespaceSelector": {"matchLabels": {"team": "edge"}}},
                {"ipBlock": {"cidr": "192.0.2.0/24"}},
                {"podSelector": {}},
                {"ipBlock": {"cidr": "198.51.100.0/24", "except": ["198.51.100.0/28"]}},
            )
        ]
        rule: Object = {"from": peers} | self.some(("ports", lambda: [{"port": 8000, "protocol": "TCP"}]), share=0.6)
        spec: Object = {"podSelector": {"matchLabels": self.labels}, "policyTypes": ["Ingress"], "ingress": [rule]}
        if self.is_chosen(0.1):
            spec["egress"] = [{}]
            spec["policyTypes"] = ["Ingress", "Egress"]
        return {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": self.name},
            "spec": spec,
        }


def generated_input(seed: int) -> list[Object]:
    """Return the objects of one input."""
    return Generator(seed).objects()
