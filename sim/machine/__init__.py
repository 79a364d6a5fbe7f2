"""The machine of the model: cores, processes and what their work costs."""
