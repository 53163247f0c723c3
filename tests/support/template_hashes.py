"""Hashes of the pod templates of the golden cases, per release: an upgrade of the operator must not change them."""

from dataclasses import dataclass
from pathlib import Path

import yaml

from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.resources import build_children
from modelservice_operator.resources.desired import content_hash
from modelservice_operator.settings import LoaderSettings
from tests.support.builders import golden_files

UNRELEASED = "unreleased"
LOADER = LoaderSettings(image="modelservice.dev/loader:golden", allowed_cidrs=("10.20.0.0/16",), timeout_seconds=3600)
"""Settings of the loader in every release: a Deployment retains those that it was created with."""
_HEADER = """\
# Hash of the pod template of each golden case, per release. Equal hashes mean that an upgrade restarts no pod.
# `make golden` rewrites the section `unreleased` from tests/golden/*.yaml. A release copies that section under its
# version, and the ModelServices to tests/golden/releases/<version>/. Neither changes afterwards.
"""


@dataclass(frozen=True)
class TemplateHashes:
    """The file of hashes, and the golden ModelServices next to it."""

    golden: Path

    @property
    def file(self) -> Path:
        return self.golden / "template_hashes.yaml"

    def recorded(self) -> dict[str, dict[str, str]]:
        """Return the hashes of the file by release and case."""
        found: dict[str, dict[str, str]] = yaml.safe_load(self.file.read_text())
        return found

    def built(self, release: str) -> dict[str, str]:
        """Return the hashes that this operator builds from the ModelServices of a release."""
        folder = self.golden if release == UNRELEASED else self.golden / "releases" / release
        return {path.stem: _template_hash(path) for path in golden_files(folder)}

    def rewrite_unreleased(self) -> None:
        """Replace the section `unreleased`; the sections of releases stay as they are."""
        released = {release: hashes for release, hashes in self.recorded().items() if release != UNRELEASED}
        sections = {UNRELEASED: self.built(UNRELEASED)} | released
        self.file.write_text(_HEADER + yaml.safe_dump(sections, sort_keys=False))


def _template_hash(path: Path) -> str:
    body = next(yaml.safe_load_all(path.read_text()))
    body["metadata"] |= {"uid": "00000000-0000-0000-0000-000000000000"}
    deployment = build_children(ModelService.parse(body), loader=LOADER)[0]
    return content_hash(deployment.body["spec"]["template"])
