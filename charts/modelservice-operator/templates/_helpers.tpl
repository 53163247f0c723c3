{{/*
Print an object with the labels and annotations that the values add.
Arguments: root (the context of the chart), object.
*/}}
{{- define "modelservice-operator.object" -}}
{{- $metadata := .object.metadata -}}
{{- with .root.Values.labels -}}
{{- $_ := set $metadata "labels" (merge (dict) ($metadata.labels | default dict) .) -}}
{{- end -}}
{{- with .root.Values.annotations -}}
{{- $_ := set $metadata "annotations" (merge (dict) ($metadata.annotations | default dict) .) -}}
{{- end }}
---
{{ toYaml .object }}
{{- end -}}

{{/*
Print an object that a template of this chart defines. Arguments: root, template.
*/}}
{{- define "modelservice-operator.print" -}}
{{- $text := include .template .root -}}
{{- $object := fromYaml $text -}}
{{- with $object.Error }}{{ fail (printf "%s: %s" $.template .) }}{{ end -}}
{{- include "modelservice-operator.object" (dict "root" .root "object" $object) -}}
{{- end -}}

{{/*
Reference of an image. Arguments: root, name (operator or loader).
*/}}
{{- define "modelservice-operator.image" -}}
{{- $image := .root.Values.image -}}
{{- $parts := list $image.registry -}}
{{- with $image.prefix }}{{ $parts = append $parts (trimAll "/" .) }}{{ end -}}
{{- $name := join "/" (append $parts .name) -}}
{{- with (index $image .name).digest -}}
{{ $name }}@{{ . }}
{{- else -}}
{{ $name }}:{{ $image.tag | default $.root.Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/*
Labels of the operator's own objects. The selector of the Deployment and of other objects is the first of them.
*/}}
{{- define "modelservice-operator.labels" -}}
app.kubernetes.io/name: modelservice-operator
app.kubernetes.io/part-of: modelservice
{{- end -}}

{{/*
Arguments of the operator. Settings that are not set have the default of the command line.
*/}}
{{- define "modelservice-operator.arguments" -}}
{{- $arguments := list "run" -}}
{{- range .Values.namespaces -}}
{{- $arguments = concat $arguments (list "--namespace" (eq . $.Release.Namespace | ternary "$(POD_NAMESPACE)" .)) -}}
{{- end -}}
{{- if .Values.leaderElection.enabled -}}
{{- $arguments = concat $arguments (list "--lease-namespace" "$(POD_NAMESPACE)") -}}
{{- with .Values.leaderElection.leaseName -}}
{{- $arguments = concat $arguments (list "--lease-name" .) -}}
{{- end -}}
{{- end -}}
{{- with .Values.monitoring.secureMetrics -}}
{{- if .enabled -}}
{{- $arguments = concat $arguments (list "--secure-metrics-port" "8443") -}}
{{- if .certificateSecret -}}
{{- $arguments = concat $arguments (list "--metrics-cert-path" "/etc/modelservice/metrics-certificate") -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $flag, $value := dict
  "--workers" .Values.workers
  "--resync-seconds" .Values.resyncSeconds
  "--discovery-seconds" .Values.discoverySeconds
  "--loader-seconds" .Values.loader.timeoutSeconds
  "--refresh-seconds" .Values.loader.refreshSeconds -}}
{{- if $value -}}
{{- $arguments = concat $arguments (list $flag (toString (int64 $value))) -}}
{{- end -}}
{{- end -}}
{{- if ne .Values.logLevel "info" -}}
{{- $arguments = concat $arguments (list "--log-level" .Values.logLevel) -}}
{{- end -}}
{{- with .Values.logFormat -}}
{{- $arguments = concat $arguments (list "--log-format" .) -}}
{{- end -}}
{{- if .Values.tracing -}}
{{- $arguments = append $arguments "--tracing" -}}
{{- end -}}
{{- range .Values.loader.allowCIDRs -}}
{{- $arguments = concat $arguments (list "--allow-cidr" .) -}}
{{- end -}}
{{- with .Values.loader.proxy -}}
{{- $arguments = concat $arguments (list "--loader-proxy" .) -}}
{{- end -}}
{{- range .Values.loader.noProxy -}}
{{- $arguments = concat $arguments (list "--loader-no-proxy" .) -}}
{{- end -}}
{{- with .Values.loader.caBundle -}}
{{- $arguments = concat $arguments (list "--loader-ca-bundle" .) -}}
{{- end -}}
{{- toYaml (concat $arguments .Values.extraArgs) -}}
{{- end -}}
