"""Facts about a server in its log: the port that it listens on."""

import re

_LISTENING = (
    r"uvicorn running on \w+://\S+?:(\d+)",
    r"running on (?:all addresses|https?://\S+?:(\d+))",
    r"listening at:? \w+://\S+?:(\d+)",
    r"(?:listening|listens|started|serving|server) (?:\w+ )*?(?:on|at) (?:port:? ?|\S*?:)(\d+)",
    r"started (?:http|grpc\w*) ?(?:inference)?service at \S+?:(\d+)",
    r"tomcat (?:initialized|started) (?:with|on) port(?:\(s\))?:? (\d+)",
    r"exporting http/rest api at:?\S*?:(\d+)",
)
"""Lines of uvicorn, Flask, gunicorn, waitress, programs of Node and Go, Triton, Spring, TensorFlow Serving."""
_PATTERNS = tuple(re.compile(pattern, re.IGNORECASE) for pattern in _LISTENING)
_MAX_PORT = 65_535


def ports_listened_on(log: str) -> list[int]:
    """Return the ports that the lines of a log name, each once, in their order."""
    found: dict[int, None] = {}
    for line in log.splitlines():
        for pattern in _PATTERNS:
            match = pattern.search(line)
            if match is not None and match[1] is not None and 0 < int(match[1]) <= _MAX_PORT:
                found[int(match[1])] = None
                break
    return list(found)
