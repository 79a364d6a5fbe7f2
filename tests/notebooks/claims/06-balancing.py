from twin.course.discrepancies import beyond_by_luck

HAPROXY = [name for name in lab.RULES if name.startswith("HAProxy")]
NGINX = [name for name in lab.RULES if name.startswith("nginx")]


def holds(record, when):
    return lab.held(record, [when]).iloc[0].tolist()


def returns(record, begin, end):
    t = record.select("connected")["t"]
    return t[t.between(begin, end, inclusive="neither")] - begin


def gained(name):
    before, after = (holds(one[name], when) for when in (5.9, 9.9))
    return (after[0] - before[0]) / before[1]


# 1: "80 to a node under each rule that counts connections or goes round"
fair = ("HAProxy leastconn", "HAProxy roundrobin", "nginx least_conn", "nginx round robin")
assert all(holds(one[name], 1.0) == [80, 80, 80] for name in fair)
# 1: "give or take one where two random nodes are compared"
assert all(abs(n - 80) <= 1 for name in ("HAProxy random(2)", "nginx random two") for n in holds(one[name], 1.0))
# 1: "listens again a fraction of a second later"
assert all(0 < record.select("node_started")["t"].iloc[0] - 2.0 < 0.7 for record in one.values())
# 1: "nobody is marked down at second 2"
assert not any(one[name].select("marked_down")["t"].between(2, 6).any() for name in HAPROXY)
# 2: "So 0 / 120 / 120", but for who comes late; "120 / - / 120, imbalance **1.0**"
assert holds(one["HAProxy leastconn"], 5.0)[0] < 30
assert abs(bands["HAProxy leastconn"].median - 1.0) < 0.05
# 2: "60 / - / 180, imbalance 180 / 120 = **1.5**"
assert abs(bands["HAProxy roundrobin"].median - 1.5) < 0.08
# 2: "**2.0**."
assert bands["nginx least_conn"].median == 2.0
# 2: "about **60** new connections in 100 ms"
assert 45 <= simulated["rush, HAProxy leastconn"] <= 80
# 3: "node 1 stays empty until somebody else loses connections, and then gets all of these clients, or most"
assert all(holds(one[name], 5.0)[0] < 30 for name in ("HAProxy leastconn", "HAProxy random(2)"))
assert gained("HAProxy leastconn") > gained("HAProxy random(2)") > 0.6
# 3: "the same, but the empty node gets no more than its turn"
assert 0.4 < gained("HAProxy roundrobin") < 0.55
# 3: "the restart leaves no trace"; "and are away for seconds"
assert holds(one["HAProxy source"], 5.0) == [80, 80, 80]
assert returns(one["HAProxy source"], 6.0, 10.0).median() > 1.0
# 3: "so clients are back at once, and most of those of node 1 stay away from it"
assert returns(one["HAProxy consistent"], 6.0, 10.0).max() < 1.0
assert holds(one["HAProxy consistent"], 5.0)[0] < 0.5 * holds(one["HAProxy consistent"], 1.0)[0]
# 3: "node 1 gets nobody, and node 3 gets everybody"
assert all(holds(one[name], 9.5) == [0, 0, 240] for name in NGINX)
# 5: "The bands are narrow"; "nobody in the replication above"; "who still waits for the mark-down of node 2"
assert all(band.high - band.low < 0.25 for band in bands.values())
assert SHORT or holds(one["HAProxy leastconn"], 5.0)[0] == 0
assert any(sum(holds(record, 9.5)) < 240 for record in replications["HAProxy source"])
# 5: the runs that count lie in their bands or beside them by little
assert all(bands[name].low - 0.1 < value < bands[name].high + 0.1 for name, (value,) in values.items())
# 6: "It hardly does."; "node 1 gets at most one connection more each `fail_timeout`"
assert patience["imbalance"]["fail_timeout 2 s"] > 1.9
assert 1 <= holds(simulate(times["fail_timeout 2 s"], 0), 9.5)[0] <= 3
# 6: "node 1 gets the whole storm at once"
assert gained("HAProxy leastconn") > 0.9
# 6: "The weight decides the *share*"; "leaves an imbalance behind"
first, *longer = (holds(record, 9.9)[0] for record in started.values())
assert first > longer[0] > longer[1] > 0
assert slow["imbalance"].iloc[0] < 1.05 < 1.3 < slow["imbalance"].iloc[1] < slow["imbalance"].iloc[2]
# 6: "with 60 s the rush is nearly as large as without, and only meets node 3 instead"
assert slow["rush"].iloc[2] > 0.8 * slow["rush"].iloc[0]
made = started["leastconn, slowstart 60 s"].select("connected")
by_node = made[made["t"] > 6.0]["node"].value_counts()
assert by_node[3] > 2 * by_node[1]
# 6: "cost nothing but a second of their patience"; "Fewer connections are lost then, as well"
assert slow["imbalance"].iloc[3] < 1.05
assert slow["rush"].iloc[3] < 20
assert slow["connected at the end (%)"].iloc[3] > 99
assert slow["lost per client"].iloc[3] < slow["lost per client"].iloc[0] - 0.05
# 6: "one more connection lost for each"
assert abs(moved["lost per client"].iloc[2] - moved["lost per client"].iloc[0] - 1) < 0.01
assert moved["imbalance"].iloc[2] < 1.05
# 6: "as nobody connects after it"
assert not len(returns(simulate(reloads["reload, old tunnels stay"], 0), 6.0, 10.0))
# 6: the question about a client has an answer, and most clients are none; "most of its time away came *after*"
assert 0 < len(who_shows(of_source, wait_outlives("marked_down"))) <= 80
# 7: "once in 21 times"
assert round(1 / beyond_by_luck(40)) == 21
