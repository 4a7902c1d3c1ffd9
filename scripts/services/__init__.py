"""Real servers for a person, tests and benches: Apache Kafka, one that speaks MongoDB's protocol, Prometheus."""

from scripts.services.kafka import KafkaServer
from scripts.services.mongodb import MongoServer
from scripts.services.process import PortTakenError
from scripts.services.programs import UnavailableError
from scripts.services.prometheus import PrometheusServer

__all__ = ["KafkaServer", "MongoServer", "PortTakenError", "PrometheusServer", "UnavailableError"]
