"""Requests through a Service's cluster IP while its pods change, and the figures of it.

The load generator runs in the network namespace of the node, where kube-proxy's rules give each connection a pod.
"""

from tests.environment.traffic.load import SERVER, Load, Result
from tests.environment.traffic.report import Figures, write_report

__all__ = ["SERVER", "Figures", "Load", "Result", "write_report"]
