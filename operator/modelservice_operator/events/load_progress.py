"""Reads the progress of a loader from its pod while a model is loaded: one pod of each ModelService (ADR 0036)."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from modelservice_operator.apimachinery.clock import SYSTEM_CLOCK, Clock
from modelservice_operator.client.line_reader import read_line
from modelservice_operator.resources.model_volume import PROGRESS_PORT
from modelservice_operator.status.load_progress import LoadProgress
from modelservice_operator.status.pods import Pod

READ_INTERVAL = 15.0
"""Seconds until the first read and between two: a load that takes less costs neither a connection nor a write."""
MAX_READ_INTERVAL = 240.0
"""Seconds between two reads of pods that cannot be reached, as behind a NetworkPolicy, or that report nothing."""
MAX_CONCURRENT_READS = 4
"""Of all ModelServices: each may hold a worker for `line_reader.READ_TIMEOUT`."""
_BUSY_DELAY = 1.0
_MAX_FAILURES = 2
"""Consecutive failures after which the last progress is dropped. One is expected: the loader has just ended."""


@dataclass(slots=True)
class TrackedLoad:
    """The pod whose loader is read, and what it reported last. Times are of the monotonic clock."""

    uid: str
    next_read_at: float
    progress: LoadProgress | None = None
    failures: int = 0


class LoadProgressReader:
    """Reads the progress of loaders."""

    def __init__(
        self,
        *,
        clock: Clock = SYSTEM_CLOCK,
        port: int = PROGRESS_PORT,
        read: Callable[[str, int], Awaitable[bytes | None]] = read_line,
    ) -> None:
        self._clock = clock
        self._port = port
        self._read = read
        self._reading = 0

    async def read(
        self, pods: Sequence[Pod], tracked: TrackedLoad | None, *, is_reported: bool = False
    ) -> TrackedLoad | None:
        """Return the load as tracked, with its progress, which is read again when that is due; None without pods.

        `pods` are those whose loaders run, `tracked` is the result of the last call. With `is_reported`, the status
        has a progress that an earlier process wrote: it is read immediately, and not removed in the meantime.
        """
        now = self._clock.monotonic()
        if not pods:
            return None
        if tracked is None:
            tracked = TrackedLoad(pods[0].uid, now if is_reported else now + READ_INTERVAL)
        elif all(pod.uid != tracked.uid for pod in pods):
            tracked = TrackedLoad(pods[0].uid, tracked.next_read_at)
        if now >= tracked.next_read_at:
            if self._reading >= MAX_CONCURRENT_READS:
                tracked.next_read_at = now + _BUSY_DELAY
            else:
                await self._refresh(tracked, pods)
                tracked.next_read_at = now + read_interval(tracked.failures)
        return tracked

    def seconds_to_next_read(self, tracked: TrackedLoad) -> float:
        """Return the seconds after which `read` is worth another call."""
        return max(tracked.next_read_at - self._clock.monotonic(), 0.0)

    async def _refresh(self, tracked: TrackedLoad, pods: Sequence[Pod]) -> None:
        """Read the progress of the tracked pod. If it reports none, the next pod is tracked instead.

        On a shared claim only one pod loads, and the others wait for it.
        """
        number, pod = next((number, pod) for number, pod in enumerate(pods) if pod.uid == tracked.uid)
        self._reading += 1
        try:
            line = await self._read(pod.ip, self._port)
        finally:
            self._reading -= 1
        progress = None if line is None else LoadProgress.parse(line)
        if progress is not None:
            tracked.progress, tracked.failures = progress, 0
            return
        tracked.failures += 1
        tracked.uid = pods[(number + 1) % len(pods)].uid
        if tracked.failures >= _MAX_FAILURES:
            tracked.progress = None


def read_interval(failures: int) -> float:
    """Return the seconds until the next read after this number of consecutive failures."""
    return min(READ_INTERVAL * 2.0 ** min(failures, 10), MAX_READ_INTERVAL)
