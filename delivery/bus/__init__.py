"""Owns the bus: the log copied to Redis Streams and Kafka, and the helper that consumes streams.
Does not own the log, nor what a consumer does with an event."""
