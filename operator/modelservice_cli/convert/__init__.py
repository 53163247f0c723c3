"""Other manifests to ModelServices, with a sentence for everything that is left out or changed."""
