"""What is compared with this operator; each peer runs as a process of its own and sees one namespace."""
