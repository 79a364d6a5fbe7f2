"""Files of records as earlier versions of the lab wrote them."""

import json

import pyarrow.parquet as pq


def saved_as(record, path, version=2, **changes):
    """Write a record in the form of version 1 or 2, what events have of their own as words in `detail`; returns the
    path. `changes` go into what is said beside the events.
    """
    said = record.provenance | ({} if version == 1 else {"schema": version}) | changes
    table = record.columns.table().replace_schema_metadata({b"stormlab": json.dumps(said, sort_keys=True).encode()})
    pq.write_table(table, path, compression="zstd")
    return path
