"""The stages of the pipeline, each a small object called with a batch."""
