"""Records of strangers that are wrong in some way: what reads them says one sentence, or makes something of them."""

import io
import json
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import sim
import twin
from stormlab.tables import print_audit, print_comparison, print_measures
from stormlab.terminal import Terminal
from tests.old_records import saved_as
from tests.strategies import small
from twin.errors import LabError
from twin.invariants import audit
from twin.record.events import SORT_OF
from twin.record.record import Record

SEEDS = 20
"""Wrong records of each sort."""
BROADCAST = small(
    bus={"kind": "stream"}, publisher={"rate": 5.0}, faults=[{"at": 1.0, "kind": "kill", "node": 1, "duration": 0.3}]
)
NUMBERS, FAR = (-1, 0, 1, 2), (-(2**62), -5, 10**6, 2**62)
TIMES, BEYOND = (-1.0, 0.0, 0.5, 1.5, 1.9), (float("nan"), float("inf"), -1e300, 1e300)
TEXTS = ("", " ", "x", "1", "1 2", "-1 -2 acknowledged", "1 1 1 1 1", "nan", "\x1b[2J", "é" * 50)


@pytest.fixture(scope="module")
def prediction(profile):
    return sim.predict(BROADCAST, 3, profile, jobs=1)


@pytest.fixture(scope="module", params=["today", "before"])
def path(request, profile, tmp_path_factory):
    """A good record's file, in the form of today and in the one with words in `detail`."""
    record, path = sim.simulate(BROADCAST, 0, profile), tmp_path_factory.mktemp("records") / "good.parquet"
    return record.save(path) if request.param == "today" else saved_as(record, path)


def use(path, prediction):
    """Do with a record what the commands do: check it, measure it, compare it, print it."""
    terminal = Terminal(file=io.StringIO(), width=80)
    record = Record.load(path)
    print_audit(terminal, str(path), audit(record))
    print_measures(terminal, [record])
    comparison = twin.compare(prediction, record)
    print_comparison(terminal, comparison)
    json.dumps(comparison.as_dict(), allow_nan=False)
    comparison.plot()


def problem(path, prediction):
    """Return what the lab says is wrong with a record, an empty text if it can be used."""
    try:
        use(path, prediction)
    except LabError as error:
        return str(error)
    return ""


def with_other_bytes(data, draw):
    """Return the bytes of a file with a few changed, cut off or doubled."""
    data = bytearray(data)
    for _ in range(draw.randint(1, 8)):
        place = draw.randrange(len(data))
        how = draw.randrange(4)
        if how < 2:
            data[place] = draw.randrange(256)
        elif how == 2:
            del data[place : place + draw.randint(1, 200)]
        else:
            data[place:place] = data[place : place + draw.randint(1, 50)]
    return bytes(data)


def with_other_cells(table, draw):
    """Return the table of a record with some cells, columns or words of its provenance changed."""
    columns = {name: table[name].to_pylist() for name in table.column_names}
    rows = table.num_rows
    for _ in range(draw.randint(1, 30)):
        name, at = draw.choice(sorted(columns)), draw.randrange(rows)
        wild = draw.random() < 0.01
        options = {"t": BEYOND if wild else TIMES, "event": columns["event"]}.get(name, FAR if wild else NUMBERS)
        if SORT_OF.get(name, "text" if name == "detail" else "number") == "text":
            options = TEXTS
        columns[name][at] = draw.choice(options)
    if draw.random() < 0.7:  # or else the order of times gives most of them away
        order = sorted(range(rows), key=lambda i: columns["t"][i])
        columns = {name: [values[i] for i in order] for name, values in columns.items()}
    return pa.table(columns, table.schema)


def with_other_provenance(table, draw):
    """Return the table of a record with something in its provenance removed or replaced."""
    (key,) = table.schema.metadata.keys() - {b"pandas"}
    said = json.loads(table.schema.metadata[key])
    place, name = said, draw.choice(sorted(said))
    while isinstance(place[name], dict) and place[name] and draw.random() < 0.8:
        place = place[name]
        name = draw.choice(sorted(place))
    if draw.random() < 0.3:
        del place[name]
    else:
        place[name] = draw.choice([None, -1, 1e308, "x", [], {}, [1], {"a": 1}, True])
    return table.replace_schema_metadata({key: json.dumps(said).encode()})


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_file_with_other_bytes_gives_a_sentence_or_a_record(seed, path, prediction, tmp_path):
    wrong = tmp_path / "wrong.parquet"
    wrong.write_bytes(with_other_bytes(path.read_bytes(), random.Random(seed)))
    assert "\n" not in problem(wrong, prediction)


@pytest.mark.parametrize("change", [with_other_cells, with_other_provenance])
@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_record_with_other_contents_gives_a_sentence_or_a_result(seed, change, path, prediction, tmp_path):
    wrong = tmp_path / "wrong.parquet"
    pq.write_table(change(pq.read_table(path), random.Random(seed)), wrong)
    assert "\n" not in problem(wrong, prediction)


def test_the_record_that_is_spoilt_above_is_a_good_one(path, prediction):
    use(path, prediction)
