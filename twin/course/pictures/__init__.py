"""Pictures of the lab notebooks that show what their checks compute."""
