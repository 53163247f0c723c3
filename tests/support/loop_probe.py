"""Runs an operator and measures how long its event loop is busy without a pause.

`python -m tests.support.loop_probe FILE run`: a task wakes up every few milliseconds and reads the CPU time of the
thread of the loop. What it has used since the last time, it used in one turn of the loop, in which nothing else was
served. CPU time does not count other processes, which a delay on the wall clock would.
"""

import asyncio
import runpy
import sys
import time
from pathlib import Path

_INTERVAL = 0.005
"""Seconds between two readings."""


async def _watch_loop(file: Path) -> None:
    """Write the largest CPU time of one turn, in seconds, to `file` each time that it grows."""
    longest, before = 0.0, time.thread_time()
    while True:
        await asyncio.sleep(_INTERVAL)
        used, before = time.thread_time() - before, time.thread_time()
        if used > longest:
            longest = used
            file.write_text(f"{longest:.4f}", encoding="ascii")  # noqa: ASYNC240 - not counted
            before = time.thread_time()


def main(file: Path, arguments: list[str]) -> None:
    """Run the operator with a probe in its loop, from the time when its caches are synced."""
    from modelservice_operator.controller.controller import Controller  # noqa: PLC0415 - after the client is hidden

    run = Controller.run

    async def run_with_probe(self: Controller) -> None:
        probe = asyncio.create_task(_watch_loop(file))
        try:
            await run(self)
        finally:
            probe.cancel()

    Controller.run = run_with_probe  # type: ignore[method-assign]
    sys.argv = ["modelservice_operator", *arguments]
    runpy.run_module("modelservice_operator", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    sys.modules["kubernetes"] = None  # type: ignore[assignment] # as in the operator's image
    main(Path(sys.argv[1]), sys.argv[2:])
