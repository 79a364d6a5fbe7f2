"""The lab's words, each written once: `words.toml`, `measures.toml`, `events.toml` and `settings.toml` in this folder.

What measures, events and settings mean in English is said where they are defined. The files add why they matter, what
moves them, and Chinese. docs/glossary.md and docs/glossary.zh.md are made of them
(`python -m tests.twin.glossary.documents`); `./lab glossary TERM` and `stormlab.glossary("TERM")` show one.
"""
