"""The ```python blocks of a document, as one program."""

import re
from pathlib import Path

_BLOCK = re.compile(r"^(<!-- needs a server -->\n)?```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def program_of(document: Path, *, with_server: bool) -> str:
    """Return the blocks of a document; those that need a server behind the pods only with one."""
    blocks = [(bool(mark), code) for mark, code in _BLOCK.findall(document.read_text(encoding="utf-8"))]
    return "\n".join(code for needs_server, code in blocks if with_server or not needs_server)
