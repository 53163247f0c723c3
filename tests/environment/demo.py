"""`make demo`: a predicting model on a real cluster, from nothing. `python -m tests.environment.demo up|down`."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from tests.environment import cluster, images
from tests.environment.cluster import Cluster, ClusterError, Tier
from tests.environment.cluster.wait import wait_until
from tests.support.autoscaler import cpu_utilization
from tests.support.forwarding import port_forward
from tests.support.installation import ACCOUNT, NAMESPACE, ROOT, install_operator, install_without_operator

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLE = ROOT / "examples" / "diabetes" / "modelservice.yaml"
NAME = "diabetes"
PLURAL = "modelservices.modelservice.dev"
QUESTION = "/prediction/?f=0.05"
SIMULATED = """\
Neither root on Linux nor Docker: this is the control-plane tier. API server, controllers and the operator are real;
nodes are simulated, so pods only seem to run: no image is pulled, nothing serves and there is no prediction to show."""


def say(text: str) -> None:
    """Print a line immediately, because a demo is watched."""
    print(text, flush=True)


@contextmanager
def step(title: str) -> Iterator[None]:
    """Announce a step and say how long it took."""
    say(f"\n==> {title}")
    started = time.monotonic()
    yield
    say(f"    done in {time.monotonic() - started:.1f} s")


@dataclass(frozen=True)
class Demo:
    """The demo's cluster and what it does there."""

    tier: Tier

    def up(self) -> None:
        """Go through all of it; what is there already is kept."""
        running = self._cluster()
        simulated = running.tier is Tier.CONTROL_PLANE
        if simulated:
            say(f"\n{SIMULATED}")
            with step("Installing the CRD and the roles; starting the operator as a local process"):
                install_without_operator(running)
                self._start_operator(running)
        else:
            built = self._images(running)
            with step("Installing the CRD, the roles and the operator from manifests/"):
                install_operator(running, images=built)
        started = time.monotonic()
        with step(f"kubectl apply -f {EXAMPLE.relative_to(ROOT)}"):
            running.run_kubectl("apply", "-f", str(EXAMPLE))
            follow(running)
        if not simulated:
            predict(running, started)
            show_autoscaler(running)
        say_goodbye(running)

    def down(self) -> None:
        """Remove what `up` started; on an existing cluster only the objects that it applied."""
        if self.tier is Tier.EXISTING:
            running = self._cluster()
            running.run_kubectl("delete", "-f", str(EXAMPLE), "--ignore-not-found")
            running.run_kubectl("delete", "-k", str(ROOT / "manifests"), "--ignore-not-found")
        else:
            self._stop_operator()
            cluster.down(cluster.default_state(self.tier))
        say("The demo is removed.")

    def _cluster(self) -> Cluster:
        state = cluster.default_state(self.tier)
        running = cluster.attach(state)
        if running is not None:
            say(f"A {self.tier} cluster of an earlier demo runs: it is used again.")
            return running
        with step(
            f"Starting Kubernetes ({self.tier} tier); the first time it is built from source, which takes minutes"
        ):
            return cluster.up(self.tier, state=state)

    def _images(self, running: Cluster) -> dict[images.ImageName, images.Image]:
        with step("Building the images from their Dockerfiles, without Docker or a registry"):
            built = images.build(progress=images.Terminal())
        with step("Loading the images into the node"):
            for image in built.values():
                running.load_image(image.archive)
        return built

    @property
    def _pid_file(self) -> Path:
        return cluster.default_state(self.tier) / "operator.pid"

    def _start_operator(self, running: Cluster) -> None:
        self._stop_operator()
        kubeconfig = running.service_account_kubeconfig(NAMESPACE, ACCOUNT)
        log = self._pid_file.with_suffix(".log").open("wb")
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "modelservice_operator",
                "run",
                "--kubeconfig",
                str(kubeconfig),
                "--probe-port",
                "0",
            ],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._pid_file.write_text(str(process.pid))

    def _stop_operator(self) -> None:
        """End the operator of an earlier run, if that process still is one."""
        if not self._pid_file.exists():
            return
        pid = int(self._pid_file.read_text())
        command = Path(f"/proc/{pid}/cmdline")
        if command.exists() and b"modelservice_operator" in command.read_bytes():
            os.kill(pid, signal.SIGTERM)
        self._pid_file.unlink()


def follow(running: Cluster) -> None:
    """Print the object's line each time that it changes, until it is ready."""
    seen: list[list[str]] = []

    def ready() -> bool:
        header, row = map(str.split, running.run_kubectl("get", PLURAL, NAME).splitlines())
        if len(row) == len(header):  # the first request may come before any status
            if not seen:
                say(f"    {aligned(header)}")
            # The age changes every second and is ignored.
            if not seen or seen[-1][:-1] != row[:-1]:
                say(f"    {aligned(row)}")
                seen.append(row)
        return condition(running.get(PLURAL, NAME), "Ready").get("status") == "True"

    try:
        wait_until(ready, seconds=180, what=f"ModelService {NAME} to be ready", pause=0.3)
    except ClusterError as error:
        raise ClusterError(f"{error}\n{running.run_kubectl('get', PLURAL, NAME, '-o', 'yaml')}") from error


def aligned(columns: list[str]) -> str:
    """Return a line of the table: kubectl aligns only what it prints together."""
    widths = (11, 8, 20, 11, 10, 28)
    return "".join(text.ljust(width) for text, width in zip(columns, (*widths, 0), strict=True))


def condition(service: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return one condition of the newest generation, {} while there is none."""
    found = service.get("status", {}).get("conditions", ())
    generation = service["metadata"]["generation"]
    return next((it for it in found if it["type"] == kind and it.get("observedGeneration") == generation), {})


def predict(running: Cluster, started: float) -> None:
    """Ask the model and print what it answers."""
    with port_forward(running, f"service/{NAME}", 80) as address:
        answer = httpx.get(f"{address}{QUESTION}", trust_env=False, timeout=10).raise_for_status()
        say(f"\n==> GET {QUESTION}\n    {answer.text.strip()}")
        say(f"    {time.monotonic() - started:.1f} s after kubectl apply")


def show_autoscaler(running: Cluster) -> None:
    """Print the HPA once it knows the pods' CPU use."""
    with step("The autoscaler, as soon as metrics are there"):
        wait_until(
            lambda: cpu_utilization(running.get("hpa", NAME)) is not None,
            seconds=120,
            what="the autoscaler to see the pods' CPU use",
            pause=0.5,
        )
        for line in running.run_kubectl("get", "hpa", NAME).splitlines():
            say(f"    {line}")


def say_goodbye(running: Cluster) -> None:
    """Print how to continue manually."""
    command = f"kubectl port-forward service/{NAME} 8000:80 &  curl 'http://127.0.0.1:8000{QUESTION}'"
    question = "" if running.tier is Tier.CONTROL_PLANE else f"    {command}\n"
    say(
        f"""
==> Continue manually
    export KUBECONFIG={running.kubeconfig}
    alias kubectl={running.kubectl}
    kubectl get modelservices -o wide
    kubectl scale modelservice/{NAME} --replicas=3
    kubectl explain modelservice.spec
{question}    make demo-down     removes all of it"""
    )


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.environment.demo", description=__doc__)
    parser.add_argument("command", choices=("up", "down"))
    demo = Demo(cluster.default_tier())
    try:
        getattr(demo, parser.parse_args().command)()
    except (ClusterError, images.ImagesError) as error:
        say(f"\n{error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
