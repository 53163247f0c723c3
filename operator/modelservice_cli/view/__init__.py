"""Contents of status, why, list and top, as pure functions of objects."""
