"""The generated files of the chart, and its archive.

values.schema.json is written manually; values.yaml and the table of README.md have its defaults and descriptions.
files/ has copies of the manifests that templates include.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import tarfile
from typing import TYPE_CHECKING, Any

from modelservice_operator import __version__
from tests.environment.packaging.rendering import CHART, COMPONENTS, MANIFESTS, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

BASE = MANIFESTS / "base"
COPIES = {
    "crd.yaml": ROOT / "crds" / "modelservices.modelservice.dev.yaml",
    "operator-role.yaml": BASE / "operator-role.yaml",
    "user-roles.yaml": BASE / "user-roles.yaml",
    "priority-class.yaml": BASE / "priority-class.yaml",
    "policies/references.yaml": COMPONENTS / "policies" / "references.yaml",
    "policies/resources.yaml": COMPONENTS / "policies" / "resources.yaml",
    "policies/warnings.yaml": COMPONENTS / "policies" / "warnings.yaml",
    "policies/sources.yaml": COMPONENTS / "sources" / "policy.yaml",
    "monitoring/pod-monitor.yaml": COMPONENTS / "monitoring" / "pod-monitor.yaml",
    "monitoring/service-monitor.yaml": COMPONENTS / "secure-monitoring" / "service-monitor.yaml",
    "secure-metrics/roles.yaml": COMPONENTS / "secure-metrics" / "roles.yaml",
    "secure-metrics/service.yaml": COMPONENTS / "secure-metrics" / "service.yaml",
    "monitoring/rules.yaml": COMPONENTS / "monitoring" / "rules.yaml",
    "monitoring/dashboard.json": COMPONENTS / "monitoring" / "dashboard.json",
}
"""Files of the chart below files/, and the manifests that they are copies of."""
_VALUES_HEADER = """\
# Generated from values.schema.json by make generate; do not edit.
"""
_MARK = "<!-- Generated from values.schema.json by make generate. -->"
_WIDTH = 118


def generated() -> dict[Path, str]:
    """Return every generated file with its text."""
    found = {CHART / "files" / name: source.read_text(encoding="utf-8") for name, source in COPIES.items()}
    found[CHART / "values.yaml"] = values_yaml(schema())
    readme = CHART / "README.md"
    found[readme] = f"{readme.read_text(encoding='utf-8').partition(_MARK)[0]}{_MARK}\n\n{values_table(schema())}"
    for path in (CHART / "Chart.yaml", BASE / "kustomization.yaml"):
        found[path] = with_version(path.read_text(encoding="utf-8"), __version__)
    return found


def generate() -> None:
    """Write every generated file, and delete others below files/."""
    files = generated()
    for path in (CHART / "files").rglob("*"):
        if path.is_file() and path not in files:
            path.unlink()
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def stale() -> list[Path]:
    """Return the generated files that differ or should not exist."""
    files = generated()
    extra = [path for path in (CHART / "files").rglob("*") if path.is_file() and path not in files]
    return extra + [path for path, text in files.items() if not path.exists() or path.read_text() != text]


def with_version(text: str, version: str) -> str:
    """Return Chart.yaml or the kustomization of the base with a version."""
    return re.sub(r"^((?:version|appVersion|  newTag): ).*$", rf"\g<1>{version}", text, flags=re.MULTILINE)


def schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    return found


def values_yaml(root: Mapping[str, Any]) -> str:
    """Return values.yaml: the defaults of the schema, each with its description."""
    return f"{_VALUES_HEADER}{''.join(_values(root, indent=0))}"


def _values(node: Mapping[str, Any], *, indent: int) -> Iterator[str]:
    for name, value in node["properties"].items():
        if name == "global":
            continue
        margin = " " * indent
        if not indent:
            yield "\n"
        for line in _wrapped(value["description"], _WIDTH - indent):
            yield f"{margin}# {line}\n"
        if "properties" in value:
            yield f"{margin}{name}:\n"
            yield from _values(value, indent=indent + 2)
        else:
            yield f"{margin}{name}: {json.dumps(value['default'])}\n"


def values_table(root: Mapping[str, Any]) -> str:
    """Return the Markdown table of all values."""
    lines = ["| value | default | description |", "| --- | --- | --- |"]
    for name, value in leaves(root):
        lines.append(f"| `{name}` | `{json.dumps(value['default'])}` | {value['description']} |")
    return "\n".join(lines) + "\n"


def leaves(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each value that can be set, with its path."""
    for name, value in node["properties"].items():
        if name == "global":
            continue
        if "properties" in value:
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _wrapped(text: str, width: int) -> Iterator[str]:
    line = ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            yield line
            line = ""
        line = f"{line} {word}" if line else word
    yield line


def package(target: Path, *, image_prefix: str = "", tag: str = "", epoch: int = 0) -> Path:
    """Write the chart's archive into a directory; return its path. The same sources give the same bytes.

    `image_prefix` is a registry with the path in it and `tag` a tag, which become the defaults of the values.
    """
    path = target / f"{CHART.name}-{__version__}.tgz"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for file in sorted(path for path in CHART.rglob("*") if path.is_file() and not path.name.startswith(".")):
            content = file.read_bytes()
            if file.name in {"values.yaml", "values.schema.json", "README.md"} and file.parent == CHART:
                content = _with_images(file.name, content.decode(), image_prefix, tag).encode()
            entry = tarfile.TarInfo(f"{CHART.name}/{file.relative_to(CHART)}")
            entry.size, entry.mtime, entry.mode = len(content), epoch, 0o644
            archive.addfile(entry, io.BytesIO(content))
    path.write_bytes(gzip.compress(buffer.getvalue(), mtime=epoch))
    return path


def _with_images(name: str, text: str, image_prefix: str, tag: str) -> str:
    """Return a file of the chart with other defaults of image.registry, image.prefix and image.tag."""
    changed = schema()
    image = changed["properties"]["image"]["properties"]
    if image_prefix:
        image["registry"]["default"], _, image["prefix"]["default"] = image_prefix.partition("/")
    if tag:
        image["tag"]["default"] = tag
    match name:
        case "values.yaml":
            return values_yaml(changed)
        case "values.schema.json":
            return json.dumps(changed, indent=2) + "\n"
        case _:
            return f"{text.partition(_MARK)[0]}{_MARK}\n\n{values_table(changed)}"
