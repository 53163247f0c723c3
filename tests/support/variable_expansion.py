"""Expansion of environment variables as the kubelet does it (k8s.io/kubernetes/third_party/forked/golang/expansion)."""

import re
from collections.abc import Mapping

_REFERENCE = re.compile(r"\$(\$|\(([^)]*)\))")


def expand_variables(text: str, variables: Mapping[str, str]) -> str:
    """Replace `$(NAME)` by the value of a known variable and `$$` by `$`; everything else is kept."""

    def value(match: re.Match[str]) -> str:
        return "$" if match[1] == "$" else variables.get(match[2], match[0])

    return _REFERENCE.sub(value, text)
