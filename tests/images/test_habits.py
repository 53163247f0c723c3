"""Images with the habits of common servers on real pods. `make test-images` runs it and writes docs/images.md.

All images run concurrently. Each is applied with only its image (and its port, if the server does not read PORT). It
becomes Ready and answers, or the status names what to add; that is added, and it becomes Ready and answers.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import httpx
import pytest

from tests.environment.cluster import ClusterError
from tests.environment.cluster.wait import wait_until
from tests.images.habits import HABITS, Advice, Habit
from tests.images.report import write_report
from tests.support.builders import ModelServiceBuilder, model_service
from tests.support.namespace import NamespaceFixture

pytestmark = [pytest.mark.node, pytest.mark.timeout(600)]

NAMES = [habit.name for habit in HABITS]
SMALL_RESOURCES = {"requests": {"cpu": "10m", "memory": "32Mi"}}
"""Fourteen servers share the node; the default requests would need seven cores."""
READY_TIMEOUT = 120.0
MIN_DEFAULTS = 12


@dataclass
class Outcome:
    """Result of one image."""

    advised: list[Advice] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    error: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class HabitRun:
    """Applies the object of one habit, and what the status advises."""

    habit: Habit
    ns: NamespaceFixture

    def run(self) -> Outcome:
        started, found = time.monotonic(), Outcome()
        try:
            self._run(found)
        except (ClusterError, httpx.HTTPError) as error:
            found.error = f"{error!r}: {self._message()}"
        found.seconds = time.monotonic() - started
        return found

    def _run(self, found: Outcome) -> None:
        spec = {"image": self.habit.variant.reference, "resources": SMALL_RESOURCES, **self.habit.spec}
        service = model_service().named(self.habit.name).with_spec(**spec)
        self.ns.apply(service)
        for advice in self.habit.advice:
            self._wait(partial(self._is_ready_or_advises, advice), advice.line)
            if self._is_ready():
                break
            found.messages.append(self._message())
            found.advised.append(advice)
            service = follow(advice, service)
            self.ns.apply(service)
        self._wait(self._is_ready, "ready replica")
        address = self.ns.get("services", self.habit.name)["spec"]["clusterIP"]
        httpx.get(f"http://{address}{self.habit.path}", trust_env=False, timeout=30).raise_for_status()

    def _wait(self, condition: Callable[[], bool], description: str) -> None:
        wait_until(condition, seconds=READY_TIMEOUT, what=description, pause=0.5)

    def _is_ready(self) -> bool:
        return self.ns.is_ready(self.habit.name)

    def _is_ready_or_advises(self, advice: Advice) -> bool:
        message = self._message()
        return self._is_ready() or all(part in message for part in advice.parts)

    def _message(self) -> str:
        return str(self.ns.condition(self.habit.name).get("message", ""))


def follow(advice: Advice, service: ModelServiceBuilder) -> ModelServiceBuilder:
    """Return the ModelService with the change; entries of mounts are added to those that it has."""
    mounts = [*service.spec.get("mounts", ()), *advice.spec.get("mounts", ())]
    changed = service.with_spec(**advice.spec)
    return changed.with_spec(mounts=mounts) if mounts else changed


@pytest.fixture(scope="module")
def outcomes(ns: NamespaceFixture) -> Iterator[Mapping[str, Outcome]]:
    """Run all images concurrently."""
    with ThreadPoolExecutor(len(HABITS)) as pool:
        found = list(pool.map(lambda habit: HabitRun(habit, ns).run(), HABITS))
    yield dict(zip(NAMES, found, strict=True))
    if not any(outcome.error for outcome in found):
        write_report((habit, outcome.advised) for habit, outcome in zip(HABITS, found, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_image_runs_or_status_names_the_field(
    name: str, outcomes: Mapping[str, Outcome], figure: Callable[[str], None]
) -> None:
    found = outcomes[name]
    figure(f"image {name}: {found.error or 'runs'} after {found.seconds:.0f} s, {len(found.advised)} changes")
    for message in found.messages:
        figure(f"    {message}")
    assert found.error == ""


def test_most_images_run_by_default(outcomes: Mapping[str, Outcome]) -> None:
    assert sum(not found.advised and not found.error for found in outcomes.values()) >= MIN_DEFAULTS
