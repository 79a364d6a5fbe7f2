"""The commands of `./lab` that have a module of their own."""
