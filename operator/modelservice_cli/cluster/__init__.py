"""Requests to an API server with the user's own rights.

kubeconfig      address of the API server, and identity of the user
login           credentials that a program or an identity provider issues: by the official client
network         TCP connections, through proxies, and TLS
failures        responses and network errors to sentences
connection      objects as JSON: get, list by pages, watch, patch, logs
family          a ModelService with everything that belongs to it
lookup          finds a ModelService, or suggests the nearest name
port_forward    a connection to a port of a pod, through the API server
check           the operator's own check of an install

The official client logs in where the kubeconfig needs a program; its typed models, whose import takes longer than most
commands, are never imported (ADR 0049).
"""
