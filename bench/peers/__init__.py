"""Programs that are compared with this operator; each is a separate process and serves one namespace."""
