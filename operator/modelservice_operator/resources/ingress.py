"""Builds the Ingress."""

from collections.abc import Iterable
from typing import Any

from modelservice_operator.api.v1alpha1.exposure import IngressOptions, IngressPath, IngressRule
from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.kinds import INGRESS
from modelservice_operator.resources.desired import DesiredChild
from modelservice_operator.resources.metadata import child_metadata, omit_none, service_name, type_meta
from modelservice_operator.resources.ports import main_port_name


def build_ingress(service: ModelService) -> DesiredChild | None:
    """Return the Ingress; None if it is not configured."""
    options = ingress_options(service)
    if options is None:
        return None
    spec = {
        "rules": [_build_rule(service, rule) for rule in ingress_rules(options)],
        **omit_none(ingressClassName=options.class_name, tls=_build_tls(options) or None),
    }
    metadata = child_metadata(service, extra_labels=options.labels, annotations=options.annotations)
    return DesiredChild.of(INGRESS, {**type_meta(INGRESS), "metadata": metadata, "spec": spec})


def ingress_options(service: ModelService) -> IngressOptions | None:
    """Return `spec.expose.ingress`."""
    return service.spec.expose.ingress if service.spec.expose else None


def ingress_rules(options: IngressOptions) -> list[IngressRule]:
    """Return the rules; the one of host and path if none are listed."""
    only = IngressPath(path=options.path, path_type=options.path_type, port=options.port)
    return options.rules or [IngressRule(host=options.host, paths=[only])]


def has_certificate(options: IngressOptions, host: str | None) -> bool:
    """Return True if requests for `host` are encrypted."""
    listed = (entry.hosts for entry in options.tls or ())
    return options.tls_secret_name is not None or any(not hosts or host in hosts for hosts in listed)


def _build_rule(service: ModelService, rule: IngressRule) -> dict[str, Any]:
    paths = [_build_path(service, path) for path in rule.paths]
    return {**omit_none(host=rule.host), "http": {"paths": paths}}


def _build_path(service: ModelService, path: IngressPath) -> dict[str, Any]:
    port = {"name": path.port or main_port_name(service.spec)}
    backend = {"service": {"name": service_name(service), "port": port}}
    return {"path": path.path or "/", "pathType": path.path_type or "Prefix", "backend": backend}


def _build_tls(options: IngressOptions) -> list[dict[str, Any]]:
    if options.tls_secret_name is None:
        return [_build_certificate(entry.hosts, entry.secret_name) for entry in options.tls or ()]
    hosts = dict.fromkeys(rule.host for rule in ingress_rules(options) if rule.host is not None)
    return [_build_certificate(hosts, options.tls_secret_name)]


def _build_certificate(hosts: Iterable[str] | None, secret_name: str | None) -> dict[str, Any]:
    return omit_none(hosts=list(hosts or ()) or None, secretName=secret_name)
