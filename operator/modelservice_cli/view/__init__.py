"""What status, why, list and top show, as pure functions of objects."""
