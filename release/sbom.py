"""The bill of materials of an image, as CycloneDX JSON."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.dependency import Dependency
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cyclonedx.model.license import License

    from release.image import OciImage
    from release.licences import LicencePolicy
    from release.packages import Package

SCHEMA: Final = SchemaVersion.V1_6
_NAMESPACE: Final = uuid.UUID("6f1d2c3e-5a0b-5c74-9d0f-7f3b2a9e4c11")


def build_sbom(
    reference: str, image: OciImage, packages: Iterable[Package], policy: LicencePolicy, *, epoch: int
) -> str:
    """Return the bill of materials. Its serial number follows from the image, so that equal images have equal ones."""
    name, _, tag = reference.rpartition(":")
    subject = Component(
        name=name,
        version=tag,
        type=ComponentType.CONTAINER,
        purl=PackageURL(
            "oci",
            None,
            name.rpartition("/")[2],
            image.digest,
            {"arch": image.architecture, "repository_url": name, "tag": tag},
        ),
        bom_ref="image",
    )
    components = [_build_component(package, policy) for package in packages]
    metadata = BomMetaData(component=subject, timestamp=datetime.fromtimestamp(epoch, UTC))
    serial = uuid.uuid5(_NAMESPACE, f"{reference}@{image.digest}")
    dependencies = [
        Dependency(subject.bom_ref, (Dependency(component.bom_ref) for component in components)),
        *(Dependency(component.bom_ref) for component in components),
    ]
    bom = Bom(components=components, metadata=metadata, serial_number=serial, dependencies=dependencies)
    return make_outputter(bom, OutputFormat.JSON, SCHEMA).output_as_string(indent=2) + "\n"


def _build_component(package: Package, policy: LicencePolicy) -> Component:
    purl = package.purl.to_string()
    parts = [
        Component(
            name=part.name,
            version=part.version,
            type=ComponentType.LIBRARY,
            licenses=_licences(policy.expression_of_part(part)),
            purl=PackageURL.from_string(part.purl),
            bom_ref=f"{purl}#{part.purl}",
        )
        for part in package.parts
    ]
    return Component(
        name=package.name,
        version=package.version,
        type=ComponentType.LIBRARY,
        licenses=_licences(policy.expression_of(package)),
        purl=package.purl,
        bom_ref=purl,
        components=parts,
    )


def _licences(expression: str | None) -> list[License]:
    return [LicenseFactory().make_from_string(expression)] if expression else []
