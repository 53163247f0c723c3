# Generated from operator/modelservice_operator/api by make generate; do not edit.
"""The constructor of a ModelService, with each field of the spec."""

from collections.abc import Mapping
from typing import Literal

from modelservice import types
from modelservice.cluster import Cluster
from modelservice.resource import Resource


class Declaration(Resource):
    """A ModelService by its name and the fields of its spec."""

    def __init__(
        self,
        name: str,
        *,
        image: str,
        image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None,
        image_pull_secrets: list[types.LocalReference] | None = None,
        command: list[str] | None = None,
        args: list[str] | None = None,
        working_dir: str | None = None,
        env: list[types.EnvVar] | None = None,
        env_from: list[types.EnvFromSource] | None = None,
        container_port: int | None = None,
        port_name: str | None = None,
        ports: list[types.ContainerPort] | None = None,
        init_containers: list[types.InitContainer] | None = None,
        sidecars: list[types.Sidecar] | None = None,
        model: types.ModelSource | None = None,
        replicas: int | None = None,
        autoscaling: types.Autoscaling | None = None,
        suspend: bool | None = None,
        resources: types.ResourceRequirements | None = None,
        probes: types.Probes | None = None,
        service: types.ServiceOptions | None = None,
        expose: types.Expose | None = None,
        rollout: types.RolloutOptions | None = None,
        disruption_budget: types.DisruptionBudget | None = None,
        network_policy: types.NetworkPolicyOptions | None = None,
        mounts: list[types.Mount] | None = None,
        service_account_name: str | None = None,
        automount_service_account_token: bool | None = None,
        writable_root_filesystem: bool | None = None,
        run_as_user: int | None = None,
        run_as_group: int | None = None,
        fs_group: int | None = None,
        pod_labels: dict[str, str] | None = None,
        pod_annotations: dict[str, str] | None = None,
        node_selector: dict[str, str] | None = None,
        tolerations: list[types.Toleration] | None = None,
        affinity: types.Affinity | None = None,
        topology_spread_constraints: list[types.TopologySpread] | None = None,
        scheduler_name: str | None = None,
        resource_claims: list[types.PodResourceClaim] | None = None,
        priority_class_name: str | None = None,
        runtime_class_name: str | None = None,
        drain_seconds: int | None = None,
        lifecycle: types.Lifecycle | None = None,
        termination_grace_period_seconds: int | None = None,
        host_aliases: list[types.HostAlias] | None = None,
        dns_policy: Literal["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"] | None = None,
        dns_config: types.DnsConfig | None = None,
        enable_service_links: bool | None = None,
        host_network: bool | None = None,
        host_pid: bool | None = None,
        host_ipc: bool | None = None,
        privileged: bool | None = None,
        monitoring: types.Monitoring | None = None,
        namespace: str | None = None,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        cluster: Cluster | None = None,
    ) -> None:
        """Describe a ModelService. Nothing is sent before `apply`.

        Args:
            name: Name of the ModelService.
            image: Image of the model server. Its ENTRYPOINT is used unless command is set.
            image_pull_policy: Image pull policy. Defaults to Always for the tag latest, otherwise
                IfNotPresent.
            image_pull_secrets: Secrets with credentials for private registries.
            command: Replaces the image's ENTRYPOINT, run without a shell. $(VAR) is expanded by Kubernetes.
            args: Replaces the image's CMD. $(VAR) is expanded by Kubernetes.
            working_dir: Working directory. Defaults to that of the image.
            env: Environment variables of the model server. The operator adds PORT, MODEL_NAME, MODEL_URI
                and MODEL_PATH, and USER, HOME and XDG_CACHE_HOME for images that were built for another
                user; an own variable of the name takes precedence.
            env_from: Secrets and ConfigMaps whose keys are environment variables of the model server. env,
                and the variables that the operator adds, take precedence: to set HOME from a Secret, use
                env.
            container_port: Port the server listens on. Also set as the PORT environment variable. Ports
                below 1024 do not require root. Defaults to 8080.
            port_name: Name of containerPort and of the port of the Service. Defaults to http. Renaming it
                takes the replicas of the old name out of the Service before the new ones are ready.
            ports: Further ports of the model container, such as gRPC or metrics. The Service and the
                NetworkPolicy have them as well.
            init_containers: Containers that run one after another before the server starts, with the model
                in place. To download a model, use model.uri.
            sidecars: Containers that run next to the server, such as a proxy. They start before everything
                else, except that those which mount the model start after it is loaded, and stop after the
                server.
            model: Model that the server loads. If not set, only MODEL_NAME and PORT are passed to the
                server.
            replicas: Number of replicas. With autoscaling: the initial number, and the minimum unless
                minReplicas is set. Defaults to 1.
            autoscaling: Scale the number of replicas with the load. If not set, it stays at replicas.
            suspend: Scale to zero and keep all other objects. Resuming restores the configured number of
                replicas. Defaults to false.
            resources: CPU, memory and devices of the model container. Defaults to requests of 500m CPU and
                512Mi memory; {} requests nothing.
            probes: Health checks of the model container. Defaults to checking that its port accepts
                connections.
            service: Service of the replicas. Defaults to type ClusterIP on port 80.
            expose: Access to the model from outside the cluster.
            rollout: Update strategy. Defaults to starting one new replica before stopping an old one.
            disruption_budget: Limits for evictions, such as node drains. Created only if there are always
                at least two replicas.
            network_policy: Restriction of who can reach the model. If not set, no NetworkPolicy is created.
            mounts: Additional volumes of the pods, mounted into the model container. For a larger /dev/shm,
                mount an emptyDir with medium Memory there.
            service_account_name: ServiceAccount of the pods. Its token is mounted. If not set, no token is
                mounted.
            automount_service_account_token: Mount the token of the ServiceAccount. Defaults to true if
                serviceAccountName is set.
            writable_root_filesystem: Mount the root filesystem of the model container writable, for images
                that write next to their program. Defaults to false: only the directories /tmp and HOME and
                mounts are writable.
            run_as_user: UID of the containers, never root. Defaults to 10001.
            run_as_group: GID of the containers. Defaults to runAsUser. Set 0 for images whose files are
                writable for the root group, as on OpenShift.
            fs_group: GID that owns the volumes. Defaults to runAsGroup.
            pod_labels: Additional labels of the pods. Labels of the ModelService are not copied.
            pod_annotations: Annotations of the pods. Annotations of the ModelService are not copied.
            node_selector: Labels that a node must have.
            tolerations: Tolerations of node taints.
            affinity: Scheduling constraints relative to nodes and to other pods of the namespace (core/v1
                Affinity). A term without `labelSelector` matches no pods; those of this ModelService have
                the label `app.kubernetes.io/instance` with its name.
            topology_spread_constraints: Spread of the pods over nodes or zones.
            scheduler_name: Scheduler of the pods. Defaults to that of the cluster.
            resource_claims: Claims of devices for resources.claims (dynamic resource allocation, enabled by
                default since Kubernetes 1.34).
            priority_class_name: PriorityClass of the pods.
            runtime_class_name: RuntimeClass of the pods.
            drain_seconds: Seconds between the removal of a pod from the Service and SIGTERM, in which the
                server answers requests that are still sent to it. Defaults to 5, less if
                terminationGracePeriodSeconds is shorter. 0 sends SIGTERM immediately.
            lifecycle: Hooks of the model container. preStop replaces the drain.
            termination_grace_period_seconds: Seconds a pod may take to shut down, including the drain.
                Defaults to 30 more than drainSeconds.
            host_aliases: Entries of /etc/hosts.
            dns_policy: DNS policy of the pods. Defaults to ClusterFirst.
            dns_config: DNS settings of the pods.
            enable_service_links: Add environment variables for each Service of the namespace, as Kubernetes
                does by default. Defaults to false, because the variables of a Service named like the server
                change its settings.
            host_network: Must be false. To reach the model from outside, use service.type or expose.
            host_pid: Must be false.
            host_ipc: Must be false. For shared memory, mount an emptyDir with medium Memory at /dev/shm.
            privileged: Must be false. Request devices in resources.limits.
            monitoring: Monitoring of the model server.
            namespace: Namespace. Defaults to that of the cluster.
            labels: Labels of the ModelService.
            annotations: Annotations of the ModelService.
            cluster: Cluster and user. Defaults to the current context of the kubeconfig.

        """
        spec = types.ModelServiceSpec(
            image=image,
            image_pull_policy=image_pull_policy,
            image_pull_secrets=image_pull_secrets,
            command=command,
            args=args,
            working_dir=working_dir,
            env=env,
            env_from=env_from,
            container_port=container_port,
            port_name=port_name,
            ports=ports,
            init_containers=init_containers,
            sidecars=sidecars,
            model=model,
            replicas=replicas,
            autoscaling=autoscaling,
            suspend=suspend,
            resources=resources,
            probes=probes,
            service=service,
            expose=expose,
            rollout=rollout,
            disruption_budget=disruption_budget,
            network_policy=network_policy,
            mounts=mounts,
            service_account_name=service_account_name,
            automount_service_account_token=automount_service_account_token,
            writable_root_filesystem=writable_root_filesystem,
            run_as_user=run_as_user,
            run_as_group=run_as_group,
            fs_group=fs_group,
            pod_labels=pod_labels,
            pod_annotations=pod_annotations,
            node_selector=node_selector,
            tolerations=tolerations,
            affinity=affinity,
            topology_spread_constraints=topology_spread_constraints,
            scheduler_name=scheduler_name,
            resource_claims=resource_claims,
            priority_class_name=priority_class_name,
            runtime_class_name=runtime_class_name,
            drain_seconds=drain_seconds,
            lifecycle=lifecycle,
            termination_grace_period_seconds=termination_grace_period_seconds,
            host_aliases=host_aliases,
            dns_policy=dns_policy,
            dns_config=dns_config,
            enable_service_links=enable_service_links,
            host_network=host_network,
            host_pid=host_pid,
            host_ipc=host_ipc,
            privileged=privileged,
            monitoring=monitoring,
        )
        super().__init__(name, spec, namespace=namespace, labels=labels, annotations=annotations, cluster=cluster)
