"""The compiled machine: cores, processes and what their work costs."""
