"""ModelServices as GitOps tools see them: Argo CD's health script, kstatus, Flux's expressions, kustomize."""
