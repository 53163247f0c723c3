"""ModelService: one small object becomes a running, autoscaled model endpoint.

The package in one sentence: children = build(spec), status = judge(spec, observed), and everything with a side effect
lives in the small modules at the edge (connection, informer, cluster, handlers, cli).
"""

__version__ = "0.1.0"
