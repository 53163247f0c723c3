"""A Kubernetes operator for ModelServices: one small object becomes a running, autoscaled model endpoint.

The packages, from top to bottom; each imports only lower ones (docs/architecture.md):

cli           commands; the composition root
manager       process lifetime: wiring, leader election, kopf
check         judges whether an install is complete and consistent
controller    work queue and reconciler, one ModelService at a time
apply         writes children and status; never modifies objects it does not own
events        writes Events about transitions, reads those of unready pods, and the progress of loaders
status        snapshot -> status; pure
cache         lists, watches and stores objects
resources     spec -> children; pure
client        HTTP requests to the API server
api           types, defaults and rules of ModelService; pure
logs          log lines as JSON or text, and their level
apimachinery  Kubernetes as data; pure
tracing       traces of reconciles and their requests; an optional extra
metrics       counters, histograms and the response to /metrics
"""

__version__ = "0.1.0"
