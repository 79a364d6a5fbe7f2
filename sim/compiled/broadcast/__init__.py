"""What a world with a publisher has besides, on arrays: bus, publisher, and the frames' ways. See
`sim.broadcast.broadcast`.

`sim.compiled.hooks` names where the kernel of connections lets it in.
"""
