"""Settings of the loader that a Deployment retains, so that its pod template depends only on the spec.

The image, the network and the time limit of the loader are settings of the operator and part of the template. A
Deployment records those that its template was built with, and the hash of that template. They are used again as long as
they yield the recorded template: an operator with other settings restarts no pod. Once the spec changes the template,
and with it the hash, the current settings are used. So they are if the newest revision cannot load its model and has
never served: then they may be what mends it (`controller.loader_failure`).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.resources.deployment import build_deployment
from modelservice_operator.resources.desired import DesiredChild
from modelservice_operator.resources.metadata import LOADER_SETTINGS_ANNOTATION, TEMPLATE_HASH_ANNOTATION
from modelservice_operator.resources.model_volume import build_model_volume, has_loader
from modelservice_operator.settings import LoaderSettings


class Retained(NamedTuple):
    """Record of a Deployment, as the texts of its annotations: comparing it costs no parsing."""

    loader_settings: str
    template_hash: str

    @classmethod
    def of(cls, deployment: Mapping[str, Any] | None) -> Self | None:
        """Return the record of a Deployment; None if it has none, or only a part."""
        annotations = (deployment or {}).get("metadata", {}).get("annotations") or {}
        settings, digest = (annotations.get(name) for name in (LOADER_SETTINGS_ANNOTATION, TEMPLATE_HASH_ANNOTATION))
        return None if settings is None or digest is None else cls(settings, digest)


def build_deployment_with_retained(
    service: ModelService, loader: LoaderSettings, resolution: str | None, retained: Retained | None
) -> DesiredChild:
    """Return the Deployment, with the retained settings if they yield the recorded template, else with `loader`."""
    if not has_loader(service):
        return build_deployment(service, build_model_volume(service, loader, resolution))
    if retained is not None and (settings := parse_settings(retained.loader_settings, loader)) is not None:
        # The recorded text is kept as it is: an operator with more settings would write it differently.
        deployment = _build(service, settings, resolution, retained.loader_settings)
        if Retained.of(deployment.body) == retained:
            return deployment
    return _build(service, loader, resolution, format_settings(loader))


def _build(service: ModelService, settings: LoaderSettings, resolution: str | None, recorded: str) -> DesiredChild:
    return build_deployment(service, build_model_volume(service, settings, resolution), loader_settings=recorded)


class _RecordedSettings(BaseModel):
    """Form of the annotation. Unknown fields are ignored: another version of the operator may have written it."""

    model_config = ConfigDict(strict=True)
    image: str = Field(min_length=1)
    allowed_cidrs: list[str] = Field(alias="allowedCIDRs")
    timeout_seconds: int = Field(alias="timeoutSeconds", gt=0)
    # Absent from records of operators without these settings, and written only if they are set.
    proxy: str | None = None
    no_proxy: list[str] = Field(default=[], alias="noProxy")
    ca_bundle: str | None = Field(default=None, alias="caBundle", pattern="^[^/]+/[^/]+$")


def parse_settings(text: str, loader: LoaderSettings) -> LoaderSettings | None:
    """Return `loader` with the recorded settings; None if another client damaged them."""
    try:
        recorded = _RecordedSettings.model_validate_json(text)
    except ValidationError:
        return None
    return replace(
        loader,
        image=recorded.image,
        allowed_cidrs=tuple(recorded.allowed_cidrs),
        timeout_seconds=recorded.timeout_seconds,
        proxy=recorded.proxy,
        no_proxy=tuple(recorded.no_proxy),
        ca_bundle=recorded.ca_bundle,
    )


def format_settings(loader: LoaderSettings) -> str:
    """Return the text of the annotation for the current settings."""
    recorded = _RecordedSettings(
        image=loader.image,
        allowedCIDRs=list(loader.allowed_cidrs),
        timeoutSeconds=loader.timeout_seconds,
        proxy=loader.proxy,
        noProxy=list(loader.no_proxy),
        caBundle=loader.ca_bundle,
    )
    return recorded.model_dump_json(by_alias=True, exclude_defaults=True)
