"""Other manifests to ModelServices, with a sentence for everything that is left out or changed (ADR 0048).

text_repair    text that is not YAML, where its meaning is plain
layout         fields at a wrong place, the measure of a repaired indentation
structure      refuses fields of another form than the API has: a text instead of a list
old_versions   objects of former API versions, and values of a wrong type
workloads      which Service, autoscaler and so on belong to which Deployment
spec           the fields of one workload as the spec of a ModelService; `containers`, `pods`, `services`, `exposure`
               and `autoscaling` have its parts
accepted       leaves out values that the schema refuses
smallest       leaves out fields whose absence yields the same children
defaults       the defaults of the API server, as far as the compared kinds have them
comparison     the fields of the input that the children do not have, and the reverse
reasons        the sentence for each difference
conversion     all of it in order
compose        Compose files, by way of a Deployment and a Service
docker_run     command lines of `docker run`, by way of a Compose service
writing        YAML with comments, or JSON

Pure: nothing here reads a file, a clock, the environment or a cluster. That nothing is lost silently does not depend on
the mapping: the children of the result are rendered by the operator's builders and compared with the input, so that a
field that the mapping forgets becomes a sentence.
"""
