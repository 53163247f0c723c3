"""The operator reads the progress of the real loader: two programs that share only a line of JSON."""

import asyncio
import socket
import time
from collections.abc import Callable

from modelservice_operator.api.v1alpha1.status import LoadProgress as ApiLoadProgress
from modelservice_operator.client.line_reader import read_line
from modelservice_operator.status.load_progress import LoadProgress
from tests.environment.stores.serving import LOOPBACK
from tests.environment.stores.web import Handler, Web
from tests.loader.conftest import Loader

CHUNK, CHUNKS = 1 << 18, 30


def paced(handler: Handler) -> None:
    """A file of 30 chunks, ten each second."""
    handler.begin(200, length=CHUNKS * CHUNK)
    for _ in range(CHUNKS):
        time.sleep(0.1)
        handler.wfile.write(bytes(range(256)) * (CHUNK // 256))


def read_progress(port: int) -> LoadProgress | None:
    line = asyncio.run(read_line(LOOPBACK, port))
    return None if line is None else LoadProgress.parse(line)


def test_progress_of_a_real_load_becomes_its_status(load: Loader, web: Web, figure: Callable[[str], None]) -> None:
    with socket.create_server((LOOPBACK, 0)) as reserved:
        port = reserved.getsockname()[1]
    process = load.start(web.page("/progress/model.bin", paced), web.environment, progress_port=str(port))
    found: list[dict[str, int]] = []
    while process.poll() is None:
        progress = read_progress(port)
        if progress is not None and progress.loaded_bytes:
            found.append(progress.to_status())
        time.sleep(0.3)
    process.communicate()
    assert len(found) >= 3
    for status in found:
        ApiLoadProgress.model_validate(status)
        assert status["totalBytes"] == CHUNKS * CHUNK
    shares = [status["percent"] for status in found]
    assert shares == sorted(shares)
    assert all(0 <= status["secondsLeft"] <= 60 for status in found[1:])
    assert read_progress(port) is None, "the port is closed after the load"
    figure(f"progress of a load of 3 s: {', '.join(str(share) for share in shares)} %")
