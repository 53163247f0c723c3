"""Writes of children and status. Never writes what the operator does not own; never decides what should exist."""
