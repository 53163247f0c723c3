"""Messages recorded by the failure gallery, without the parts that differ between runs."""

import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = Path(__file__).parent / "said.json"
REGISTRY = "registry.example.com"
NAMESPACE = "ml"
_MODE = "GALLERY"


@dataclass(frozen=True)
class Said:
    """One case of the gallery: the condition and its reason and message."""

    case: str
    title: str
    condition: str
    reason: str
    message: str

    @classmethod
    def of(cls, case: str, title: str, condition: str, reason: str, message: str) -> "Said":
        """Mask the names of registry and namespace."""
        message = re.sub(r"\b\d+\.\d+\.\d+\.\d+:5000\b", REGISTRY, message)
        message = re.sub(r"(kubectl [a-z ]+ -n) [\w-]+", rf"\1 {NAMESPACE}", message)
        return cls(case, title, condition, reason, message)


def recorded() -> dict[str, Said]:
    """Return the committed messages by case."""
    return {entry["case"]: Said(**entry) for entry in json.loads(FILE.read_text())}


def compare(said: Said) -> Said:
    """Return the recorded message of the same case; record `said` first in write mode (GALLERY=write)."""
    if os.environ.get(_MODE) == "write":
        everything = {**(recorded() if FILE.exists() else {}), said.case: said}
        FILE.write_text(json.dumps([asdict(everything[case]) for case in sorted(everything)], indent=2) + "\n")
    return recorded()[said.case]
