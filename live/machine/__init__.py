"""The machine under the live cluster."""
