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
# 6: clients that were moved by the empty registry and had to log in
assert 0 < len(who_shows(run, lab.moved_and_logged_in)) <= 150
# 6: a drain all at once is harmless while the sessions are known, and not after the loss; the median shows nothing
late = {name: one.measures[["latency_p50", "latency_p99"]].median() for name, one in predicted.items()}
known, at_once, paced = late.values()
assert at_once["latency_p99"] > 10 * known["latency_p99"]
assert paced["latency_p99"] < 0.2 * at_once["latency_p99"]
assert max(one["latency_p50"] for one in late.values()) < 2 * known["latency_p50"]
