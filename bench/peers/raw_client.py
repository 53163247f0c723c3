"""The lower bound: three concurrent creations and, when the Deployment is complete, one status write.

It is not an operator: it has no cache, comparison, retry or queue, and ignores objects from before its start.
"""

import argparse
import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import uvloop

from bench.api_client import MERGE_PATCH, ApiClient


class RawClient:
    """Sends the requests that each watch event requires."""

    def __init__(self, client: ApiClient, namespace: str, template: str) -> None:
        self._client = client
        self._namespace = namespace
        self._template = template
        self._services = f"/apis/modelservice.dev/v1alpha1/namespaces/{namespace}/modelservices"
        self._deployments = f"/apis/apps/v1/namespaces/{namespace}/deployments"
        self._paths = {
            "deployment": self._deployments,
            "service": f"/api/v1/namespaces/{namespace}/services",
            "autoscaler": f"/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers",
        }
        self._ready: set[str] = set()
        self._generations: dict[str, int] = {}

    async def run(self) -> None:
        """Watch both kinds until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._create_children(tasks))
            tasks.create_task(self._write_statuses(tasks))

    async def _create_children(self, tasks: asyncio.TaskGroup) -> None:
        async for kind, body in self._client.watch(self._services, await self._current_version(self._services)):
            if kind == "ADDED":
                tasks.create_task(self._children_of(body))

    async def _children_of(self, body: dict[str, Any]) -> None:
        metadata, spec = body["metadata"], body["spec"]
        self._generations[metadata["name"]] = metadata["generation"]
        text = self._template.replace("__NAMESPACE__", self._namespace)
        children = orjson.loads(text.replace("__NAME__", metadata["name"]).replace("__UID__", metadata["uid"]))
        children["deployment"]["spec"]["replicas"] = spec["replicas"]
        children["deployment"]["spec"]["template"]["spec"]["containers"][0]["image"] = spec["image"]
        children["autoscaler"]["spec"]["minReplicas"] = spec["autoscaling"]["minReplicas"]
        await asyncio.gather(*(self._client.request("POST", self._paths[name], children[name]) for name in children))

    async def _write_statuses(self, tasks: asyncio.TaskGroup) -> None:
        async for _, body in self._client.watch(self._deployments, await self._current_version(self._deployments)):
            name = body["metadata"]["name"]
            if name not in self._ready and name in self._generations and _is_complete(body):
                self._ready.add(name)
                tasks.create_task(self._write_ready_status(name))

    async def _write_ready_status(self, name: str) -> None:
        condition = {
            "type": "Ready",
            "status": "True",
            "reason": "RolloutComplete",
            "message": "All replicas are available.",
            "observedGeneration": self._generations[name],
            "lastTransitionTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        body = {"status": {"observedGeneration": self._generations[name], "conditions": [condition]}}
        await self._client.request("PATCH", f"{self._services}/{name}/status", body, content_type=MERGE_PATCH)

    async def _current_version(self, path: str) -> str:
        listed = await self._client.request("GET", f"{path}?limit=1")
        return str(listed["metadata"]["resourceVersion"])


def _is_complete(deployment: dict[str, Any]) -> bool:
    status, wanted = deployment.get("status") or {}, deployment["spec"]["replicas"]
    counts = {status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")}
    return status.get("observedGeneration", 0) >= deployment["metadata"]["generation"] and counts == {wanted}


async def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.peers.raw_client", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--template", type=Path, required=True)
    options = parser.parse_args()
    async with ApiClient(options.kubeconfig) as client:
        await RawClient(client, options.namespace, options.template.read_text(encoding="utf-8")).run()


if __name__ == "__main__":
    uvloop.run(_main())
