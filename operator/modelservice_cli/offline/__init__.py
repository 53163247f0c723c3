"""Judges objects as the API server does, without one: structural schema, formats and CEL rules of the CRD."""
