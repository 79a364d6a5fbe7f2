from math import ceil

from twin.measures.messages import Messages

# 1: "The autoscaler wants 300 / 70, so 5 nodes, and decides at 3 s. It also starts the killed node again"
scaling = scenario.autoscaling
assert (ceil(scenario.clients.count / scaling.target), scaling.maximum, scaling.sync_period) == (5, 5, 3.0)
whole_story = registry.lease_story(one)
assert whole_story[whole_story["event"] == "scaled"]["t"].iloc[0] == 3.0
assert whole_story[(whole_story["event"] == "node_started") & (whole_story["node"] == 1)]["t"].iloc[0] < 6.0
# 1: "It keeps nothing on disk"
assert not scenario.bus.persist
# 2: "by 5 s about 12 of node 1 have moved, and 88 are cut off"
assert 80 <= registry.loads(one, [4.99])[1].iloc[0] <= 95
# 2: "The drained node has about 60"; "4 · 9 = 36, which go to the node that has come back"
assert 55 <= registry.loads(one, [12.9])[2].iloc[0] <= 65
assert round((60 + 36) / 300, 2) == 0.32
# 2: "5 of the 145 messages of the first 29 s, for everybody: 5 / 145 = **0.034**"
assert (scenario.publisher.rate * 29, round(5 / 145, 3)) == (145, 0.034)
# 3: the registry comes back empty: all five are taken out, refused and in again within two seconds of the return
back = story[story["t"].between(9.0, 11.0)]
assert [sum(back["event"] == name) for name in ("marked_down", "fenced", "registered", "marked_up")] == [5, 5, 5, 5]
# 5: by hand two of the three are too small, in both worlds
numbers = failover.three_numbers(mine, prediction, records)
for name in ("lost_sessions", "undelivered_share"):
    assert numbers["by hand"][name] < 0.9 * numbers[["simulated", "measured"]].loc[name].min()
# 6: who feels the outage
table = lab.felt(runs)
assert table["fenced"].tolist() == [5, 0, 0, 5, 0]
assert (table["nobody in rotation (s)"] > 0).tolist() == [True, False, False, True, False]
assert (table["reached nobody"] > 0).tolist() == [True, True, False, False, False]
assert table["logins"]["one server"] > table["logins"]["that of the sessions"] > 50
assert table["logins"][["that of the messages", "that of the registry", "none"]].tolist() == [0, 0, 0]
assert (table["moved"][["one server", "that of the registry"]] > table["moved"]["none"]).all()
# 6: what a move costs: nothing before the outage, a login afterwards; with sessions in the nodes nearly always one
shared, local_moves = moved["shared, simulated"], moved["in the nodes, simulated"]
assert shared["log in"].round(2).tolist() == [0, 0, 1, 1]
assert (local_moves["log in"] > 0.5).all()
assert local_moves["connections"].sum() > shared["connections"].sum()
# 6: "When logins come one by one, they hardly show in the time away"
away = shared["away p50 (s)"]
assert away["rebalancing, after the outage"] < 1.3 * away["rebalancing, before the outage"]
# 6: "The clients of the killed node come all at once, and wait for each other's hashes"
assert local_moves.loc["kill", "away p50 (s)"] > 2 * local_moves.loc["rebalancing, before the outage", "away p50 (s)"]
# 6: "And why are there so many more moves?"
assert local_moves["connections"].sum() > 1.3 * shared["connections"].sum()
# 6: "One hash takes about 9 ms there"
assert 0.008 < sessions.hash_seconds(reference, HASH) < 0.0095
# 6: "held up hardly a message for more than a tenth of a second"; "the last ones for more than a second"
# 6: "in the figure for a quarter of a second at most"
shown_storms = {name: simulate(varied, 0, reference) for name, varied in small.items()}
slowest = {name: lab.delays(record)[1] for name, record in shown_storms.items()}
known_late, at_once_late, paced_late = slowest.values()
assert (known_late > 0.1).sum() <= 2
assert at_once_late.max() > 1.0
assert 0.05 < paced_late.max() < 0.25


def late_to(record, moved, since, until):
    """Return for each message of a time the 99th percentile of its delays, to those who moved or to the others."""
    messages = Messages(record)
    rows, lost = messages["delivered"], record.select("disconnected")
    found = pd.DataFrame({"at": messages.published_of, "client": rows.client})
    found["late"] = rows.t - found["at"]
    mine = found["client"].isin(lost[lost["t"] > 0]["client"]) == moved
    return found[mine & found["at"].between(since, until)].groupby("at")["late"].quantile(0.99)


# 6: "those who never moved get their messages after 30 to 60 ms instead of 10"
forgotten, spread = shown_storms["forgotten, all at once"], shown_storms["forgotten, 50 a second"]
assert late_to(forgotten, False, 2.65, 3.85).between(0.03, 0.068).all()
assert 0.007 < late_to(forgotten, False, 0.5, 1.5).median() < 0.014
assert late_to(forgotten, True, 2.45, 2.85).min() > 1.0
# 6: "but those who never moved hardly notice it"
assert late_to(spread, False, 2.5, 4.5).max() < 0.035
# 6: clients that were moved by the empty registry and had to log in
assert 0 < len(who_shows(run, lab.moved_and_logged_in)) <= 150
# 6: a drain all at once is harmless while the sessions are known, and not after the loss; the median shows nothing
late = {name: one.measures[["latency_p50", "latency_p99"]].median() for name, one in predicted.items()}
known, at_once, paced = late.values()
assert at_once["latency_p99"] > 10 * known["latency_p99"]
assert paced["latency_p99"] < 0.2 * at_once["latency_p99"]
assert max(one["latency_p50"] for one in late.values()) < 2 * known["latency_p50"]
# 7: "empty in less than **6 s**"; "below **0.1 s**"; "below **0.01**"
# 7: "with 1.4 times as many iterations"; "a lead of 1 s"
assert (lab.EMPTY_LIMIT, lab.LATENCY_LIMIT, lab.LOST_LIMIT, lab.DEARER, lab.LEAD) == (6.0, 0.1, 0.01, 1.4, 1.0)
# 7: "must be below **0.05 s**"; "At 50 a second, in step 6, messages are a little too late"
assert lab.harder(scenario).bound == 0.05
