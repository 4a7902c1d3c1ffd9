"""What all that speaks to Kafka shares: clusters, topics, encodings, the schema registry."""
