"""The commands of the operator: run, render, crd, reference. The composition root; may import every package."""
