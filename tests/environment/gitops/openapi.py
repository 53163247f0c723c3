"""The OpenAPI of ModelServices for kustomize: which lists are merged by which field. Made from the CRD.

`python -m tests.environment.gitops.openapi` prints manifests/gitops/kustomize/openapi.json.
"""

import json
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
CRD = ROOT / "crds" / "modelservices.modelservice.dev.yaml"
KEYS = "x-kubernetes-list-map-keys"


def document() -> dict[str, Any]:
    """Return the document, with no more of the schema than kustomize reads."""
    spec = yaml.safe_load(CRD.read_text())["spec"]
    [version] = spec["versions"]
    names = {"group": spec["group"], "kind": spec["names"]["kind"], "version": version["name"]}
    schema = reduced(version["schema"]["openAPIV3Schema"])
    group = ".".join(reversed(spec["group"].split(".")))
    return {
        "definitions": {
            f"{group}.{names['version']}.{names['kind']}": schema | {"x-kubernetes-group-version-kind": [names]}
        }
    }


def reduced(schema: dict[str, Any]) -> dict[str, Any]:
    """Keep types and the keys of lists, which kustomize knows by older names (kubectl's strategic merge)."""
    kept: dict[str, Any] = {name: schema[name] for name in ("type",) if name in schema}
    if properties := schema.get("properties"):
        kept["properties"] = {name: reduced(below) for name, below in properties.items() if name != "status"}
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            kept[name] = reduced(schema[name])
    if keys := schema.get(KEYS):
        # kustomize reads all keys of a list here (kyaml, PatchStrategyAndKeyList); its older name is for one key only.
        kept |= {KEYS: keys, "x-kubernetes-patch-merge-key": keys[0], "x-kubernetes-patch-strategy": "merge"}
    return kept


def text() -> str:
    """Return the file."""
    return json.dumps(document(), indent=1) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
