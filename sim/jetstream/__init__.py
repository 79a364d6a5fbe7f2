"""The bus as a NATS server with JetStream, in the model."""
