"""The image's steps without Docker: deploy/Dockerfile read strictly, and run in a root of their own (needs root)."""
