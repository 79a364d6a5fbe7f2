from twin.course.discrepancies import beyond_by_luck


def median(prediction, name):
    return prediction.measures[name].median()


def losses(record):
    return (record.select("disconnected")["t"] >= 0).sum()


def times(record, event):
    return record.select(event)["t"].tolist()


# 1: "Node 1 goes at second 2, node 2 at second 10, node 3 at second 18"
assert all([(f.node, f.at) for f in one.faults] == [(1, 2.0), (2, 10.0), (3, 18.0)] for one in scenarios.values())
# 1: "serving for a [lead](../docs/glossary.md#lead) of 2.5 s"; "of 25 a second"
assert {(f.lead, f.pace) for f in scenarios["drain"].faults} == {(2.5, 25.0)}
# 1: "The new process starts half a second later"
assert {f.duration for f in scenarios["kill"].faults} == {0.5}
# 1: "The files have 500 clients, 5 messages and 100 closes a second; here are 150, 2 and 25"
for way, name in FILES.items():
    file = Scenario.load(f"../scenarios/{name}.toml")
    assert (file.clients.count, file.publisher.rate) == (500, 5.0)
    assert (scenarios[way].clients.count, scenarios[way].publisher.rate) == (150, 2.0)
assert {f.pace for f in Scenario.load("../scenarios/rolling-restart.toml").faults} == {100.0}
# 2: "When a connect fails, it tries another node at once"
assert {(one.balancer.retries, one.balancer.redispatch) for one in scenarios.values()} == {(3, 1)}
# 2: "Together 50 + 75 + 75 = **200**"
assert all(180 <= losses(record) <= 200 for record in one.values())
assert losses(one["drain"]) == 200
# 2: "**27**"; "so all **75**"
assert 25 <= median(predictions["drain"], "peak_reconnect_rate") <= 32
assert all(68 <= median(predictions[way], "peak_reconnect_rate") <= 75 for way in ("all at once", "kill"))
# 2: "200 · 0.1 = **20 client-seconds** in all three cases"
assert all(abs(median(prediction, "away_total") / 20 - 1) < 0.1 for prediction in predictions.values())
# 2: "**5.5 s** for the nodes with 75"
assert abs(median(predictions["drain"], "drain_time") - 5.5) < 0.1
# 2: "With the stream **nothing**, in all three cases"
assert all(prediction.measures["lost_share"].max() == 0 for prediction in predictions.values())
assert all(lab.ways_table(valid, ["lost_share"])["lost_share"] == 0)
# 3: "HAProxy marks the node down **before** the first close"
closes = one["drain"].select("disconnected")["t"]
assert times(one["drain"], "marked_down")[0] < closes[closes > 2.0].min()
# 3: "Then the closes, the last one (`drained`), the end of the old process and the beginning of the new one"
order = [times(one["drain"], event)[0] for event in ("drained", "node_stopped", "node_started")]
assert order == sorted(order)
# 3: "HAProxy takes it in again after two checks that pass (`marked_up`)"
rise = scenarios["drain"].balancer.check.rise
assert rise == 2
assert 1.0 < times(one["drain"], "marked_up")[0] - times(one["drain"], "node_started")[0] <= 2.0
# 4: "1.33 attempts a client are 200 attempts of 150 clients"
assert round(200 / 150, 2) == 1.33
# 5: "72 in the recorded run, and not 75"; "listened 0.16 s after the fault"; "15 of the 50 came back to it"
recorded_at_once = valid["all at once"][0]
restarted, first_back = times(recorded_at_once, "node_started")[0], recorded_at_once.select("connected")
first_back = first_back[first_back["t"].between(2.0, 4.0)]["node"]
assert round(restarted - 2.0, 2) == 0.16
assert ((first_back == 1).sum(), len(first_back)) == (15, 50)
assert lab.reconnect_rate(recorded_at_once)[1].max() == 72
# 5: "190 connections were lost in all: 1.27 attempts a client"
assert losses(recorded_at_once) == 190
assert round(190 / 150, 2) == 1.27
# 5: "a plateau at the pace, or a block of all at once"; "a handful, or all of them for a moment"
for record in (one["drain"], *valid["drain"]):
    assert lab.reconnect_rate(record)[1].max() < 33
    assert lab.away(record)[1].max() <= 10
for record in (one["kill"], *valid["kill"]):
    assert lab.reconnect_rate(record)[1].max() > 65
    assert lab.away(record)[1].max() > 65
# 5: "What rules and timers decide (the peak, client-seconds, the time of a drain) is hit within a few per cent"
for comparison in comparisons.values():
    for row in comparison.rows:
        assert row.name not in ("peak_reconnect_rate", "away_total", "drain_time") or row.error < 0.08
# 5: "a band is only some milliseconds wide"
(row,) = (row for row in comparisons["drain"].rows if row.name == "drain_time")
assert row.predicted.high - row.predicted.low < 0.005
assert abs(row.median - row.predicted.median) < 0.01
# 6: "it is the pace and what jitter adds"
assert 1 < peak["drain"] / PACE < 1.25
# 6: "the drain still 25 a second, but for more than half an hour"
assert 30 < 50_000 / PACE / 60 < 40
# 6: "each loss costs the same wait, in all three"
assert max(cost.values()) < 1.1 * min(cost.values())
# 6: "at 2, 10 and 18 s 20.5, 102.5 and 184.5 of them are due"
assert [RATE * f.at for f in scenarios["kill"].faults] == [20.5, 102.5, 184.5]
# 6: what the sum by hand takes; "**A drain without recovery loses messages like the rest.**"
assert scenarios["drain"].publisher.stop == 24
shares = {name: median(prediction, "lost_share") for name, prediction in (kept | forgotten).items()}
assert all((share == 0) == name.startswith("stream") for name, share in shares.items())
assert all(0.4 < share / by_hand < 2 for name, share in shares.items() if name.startswith("pub/sub"))
# 6: "One that was killed says nothing"; "until it is sent again (`ack_timeout`, 1 s)"; "runs out (2 s)"
assert (scenarios["kill"].publisher.ack_timeout, scenarios["kill"].bus.lease) == (1.0, 2.0)
late = {name: median(prediction, "consistent_p99") for name, prediction in kept.items()}
assert late["stream, kill"] > 0.5 > 0.1 > max(late["stream, drain"], late["stream, all at once"])
# 6: "Without them, they see it"; the lead that is longer than two checks refuses nobody
tried = of_leads["attempts_per_client"]
assert tried.iloc[0] > 2 > tried.iloc[1] >= 1.05 > tried.iloc[2]
# 6: "so up to 2 s here"
check = single.balancer.check
assert check.fall * check.inter == 2.0
# 6: "pace times the time after the lead is the number of connections of a node, 50 here"
for pace, seconds in paces["drain_time"].items():
    assert 49 <= pace * (seconds - 2.5) <= 50.5
# 6: "The peak is the pace and two or three more by the jitter"; "then it is nearly all 50"
by_pace = paces["peak_reconnect_rate"]
assert all(1.5 <= by_pace[pace] - pace <= 4 for pace in by_pace.index if pace < 50)
assert all(by_pace[pace] >= 45 for pace in by_pace.index if pace >= 50)
assert (paces["drain_time"] - paces["by hand"]).abs().max() < 0.05
# 6: "some clients are moved twice": those who were on node 1
table = lab.losses_table(drained)
assert table.loc["node 1"].to_dict() == {"lost once": 0, "lost 2 times": 50}
assert table["lost 2 times"].sum() == 50
assert len(who_shows(drained, lab.moved_again)) <= 75
# 6: "Clients 0, 1, 2 and so on came one after the other, each to the node with the fewest connections"
first_on = drained.select("connected").drop_duplicates("client").set_index("client")["node"].sort_index()
assert first_on.value_counts().to_dict() == {1: 50, 2: 50, 3: 50}
assert sorted(first_on.iloc[:3]) == [1, 2, 3]
# 7: "below **1.05**"; "fewer than **40** attempts"; "empty in less than **7 s**"; "half a second shorter"
assert (lab.ATTEMPTS_LIMIT, lab.RATE_LIMIT, lab.TIME_LIMIT, lab.LEAD_STEP) == (1.05, 40.0, 7.0, 0.5)
# 7: "HAProxy checks every 0.4 s now and marks a node down after three failed checks. The pace stays at 25"
harder = lab.harder(single)
assert (harder.scenario.balancer.check.inter, harder.scenario.balancer.check.fall) == (0.4, 3)
assert (harder.scenario.faults[0].pace, harder.least, harder.most_allowed) == (25.0, 0.1, 5.0)
# 7: "once in 21 times"
assert round(1 / beyond_by_luck(40)) == 21
