"""The service: takes survey packets through the pipeline and keeps what comes out."""
