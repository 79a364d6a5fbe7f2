"""Settings of codecs, compression and batches."""

import pytest

from tests.strategies import small
from twin.errors import ScenarioError
from twin.rules.deflate import DeflateSettings
from twin.scenario.codec import Compression

BUS = {"bus": {"kind": "pubsub"}}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"codec": "xml"}, "codec is 'xml'; allowed is one of 'none', 'json', 'orjson', 'msgpack' or 'protobuf'"),
        ({"nodes": {"compression": {"window_bits": 8}}}, "nodes.compression.window_bits is 8; allowed is at least 9"),
        ({"nodes": {"compression": {"memory_level": 10}}}, "compression.memory_level is 10; allowed is at most 9"),
        ({"nodes": {"batch": {"count": 0}}}, "nodes.batch.count is 0; allowed is at least 1"),
        ({"nodes": {"batch": {"window": 0.0}}}, "nodes.batch.window is 0.0; allowed is more than 0"),
        (
            {**BUS, "publisher": {"payload_bytes": 100_000, "batch": {"count": 11}}},
            "publisher.batch.count is 11; allowed is so many that payload_bytes of all are at most 1000000",
        ),
        (
            {"clients": {"sends": {"rate": 1.0, "payload_bytes": 65_536}}, "codec": "json"},
            "clients.sends.payload_bytes is 65536; allowed is so little that a frame has at most 65536 bytes",
        ),
        (
            {"clients": {"sends": {"rate": 1.0, "batch": {"count": 1000}, "payload_bytes": 60}}, "codec": "json"},
            "clients.sends.batch.count is 1000; allowed is so few that a frame has at most 65536 bytes",
        ),
    ],
)
def test_what_is_not_allowed_is_said_in_one_sentence(changes, said):
    with pytest.raises(ScenarioError) as error:
        small(**changes)
    assert said in str(error.value)


def test_a_run_counts_bytes_only_where_something_decides_how_messages_travel():
    assert not small(**BUS, publisher={"rate": 1.0}, clients={"sends": {"rate": 1.0}}).counts_bytes
    for changes in (
        {"codec": "json"},
        {"nodes": {"compression": {}}},
        {"nodes": {"batch": {}}},
        {"clients": {"sends": {"batch": {}}}},
        {**BUS, "publisher": {"batch": {}}},
    ):
        assert small(**changes).counts_bytes


def test_the_defaults_of_compression_are_those_of_websockets():
    from websockets.extensions.permessage_deflate import enable_server_permessage_deflate

    (factory,) = enable_server_permessage_deflate(None)
    found = Compression().rule()
    assert found == DeflateSettings(factory.server_max_window_bits, factory.compress_settings["memLevel"], True)
    assert not factory.server_no_context_takeover


def test_a_batch_is_one_message_of_the_schedule():
    scenario = small(**BUS, publisher={"rate": 10.0, "batch": {"count": 4, "window": 0.25}}, duration=2.0)
    publisher = scenario.publisher
    assert len(publisher.due(2.0)) == 20
    assert publisher.times(2.0)[:3] == pytest.approx([0.25, 0.55, 0.85])
    assert [one.count for one in publisher.batches(2.0)] == [3] * 6 + [2]
    single = scenario.vary(publisher={"batch": None}).publisher
    assert single.times(2.0) == single.due(2.0) == [one.at for one in single.batches(2.0)]
