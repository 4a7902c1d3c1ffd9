"""Tests against real servers: Kafka, MongoDB's protocol, Prometheus."""
