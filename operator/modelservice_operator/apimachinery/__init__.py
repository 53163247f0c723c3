"""Kubernetes itself as data: kinds, objects, quantities, managedFields. No ModelService, no I/O."""
