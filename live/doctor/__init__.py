"""What this machine can do for a live run: `./lab doctor`.

Everything is tried, in a few seconds, and nothing is left behind: what is made in a namespace ends with the process
that it was made for, and every process that is started has ended when the answer is given.
"""
