"""The command line: `run` starts the operator; `render`, `crd` and `reference` print and need no cluster."""
