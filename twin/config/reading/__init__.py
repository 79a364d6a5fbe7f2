"""Other programs' configurations, read into a scenario, with a report of what became of each line.

Nothing in a file is executed or fetched: no include is followed, no variable is looked up, and sizes and depths are
bounded. A file that is to be read is named by the user.
"""
