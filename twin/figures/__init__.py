"""Pictures, one module a subject: pure functions that return matplotlib figures."""
