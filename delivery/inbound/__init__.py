"""What others tell us: users that an auth service has created, changed or deleted.

Owns the messages' shape and order, the ways in (a Redis stream, Kafka, signed requests), and how a
project turns them on. Does not own customers (`projects`), their erasure (`billing.customers`), or
how a stream is read (`bus`)."""
