"""The three forms of the installation from one source: kustomize, one file, the Helm chart.

manifests/ and crds/ are the source. `chart` copies what the chart includes, and writes its values and documentation
from values.schema.json; `rendering` renders each form; `tools` brings helm and kubectl onto this machine.
"""
