"""Files that a user names or the lab writes: bounded when they are read, whole when they are written."""
