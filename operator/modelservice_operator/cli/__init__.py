"""The commands of the operator: run, render, crd, reference, policy. The composition root; may import every package."""
