"""Log lines: their fields, their two forms, and the level that changes while the operator runs."""
