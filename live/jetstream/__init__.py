"""The bus as a NATS server with JetStream, live."""
