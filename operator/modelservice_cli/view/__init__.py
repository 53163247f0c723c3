"""Contents of the reading commands: pure functions of objects, and of the time.

humanize     ages, sizes and quantities as users write them
conditions   conditions of a status, and the problems among them by rank
listing      the rows of `list`
pods         the state of a pod, as kubectl shows it
tree         the tree of `status`
managers     GitOps tools that apply a ModelService
logfacts     what a log tells about a server: the port that it listens on
fixes        the next command or patch for a problem
why          cause, evidence and fixes
usage        requests against use, and advice in the syntax of the spec
latency      percentiles of repeated predictions
"""
