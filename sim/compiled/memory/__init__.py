"""Where things stand: records and arrays of the compiled engine."""
