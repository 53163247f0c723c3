"""The commands of the operator: run, check, render, crd, reference, policy. May import every package."""
