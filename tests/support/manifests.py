"""ModelServices in manifests and in the YAML blocks of documents."""

import re
from pathlib import Path
from typing import Any

import yaml

from modelservice_operator.apimachinery.kinds import MODEL_SERVICE

_BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)


def manifests_in(file: Path) -> list[dict[str, Any]]:
    """Return the objects with a kind in a YAML file, or in the YAML blocks of a Markdown document."""
    text = file.read_text()
    blocks = _BLOCK.findall(text) if file.suffix == ".md" else [text]
    bodies = [body for block in blocks for body in yaml.safe_load_all(block)]
    return [body for body in bodies if isinstance(body, dict) and "kind" in body]


def model_services_in(file: Path) -> list[dict[str, Any]]:
    """Return the ModelServices among them."""
    return [body for body in manifests_in(file) if body["kind"] == MODEL_SERVICE.kind]
