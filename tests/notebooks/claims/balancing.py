"""What notebook 06 says of its runs; `run` has the names that its cells leave behind."""

import numpy as np

HAPROXY = ("HAProxy roundrobin", "HAProxy leastconn", "HAProxy random(2)", "HAProxy source", "HAProxy consistent")
NGINX = ("nginx round robin", "nginx least_conn", "nginx random two", "nginx ip_hash")


def held(run, record, when):
    """Return what the nodes hold at a time."""
    return run.lab.held(record, [when]).iloc[0].to_numpy()


def returns(record, begin, end):
    """Return how long after `begin` clients connect, up to `end`."""
    t = record.select("connected")["t"].to_numpy()
    return t[(t > begin) & (t < end)] - begin


def gained(run, name):
    """Return which share of those who are back after the death of node 2 node 1 has got."""
    before, after = (held(run, run.one[name], when) for when in (5.9, 9.9))
    return (after - before)[0] / before[1]


def marked_down(record, begin, end):
    return record.select("marked_down")["t"].between(begin, end).sum()


def rush_goes_to_node_3(run):
    record = run.simulate(run.starts["leastconn, slowstart 60 s"], 0)
    made = record.select("connected")
    by_node = made[made["t"] > 6.0]["node"].value_counts()
    return by_node[3] > 2 * by_node[1]


def held_after_a_slowstart(run):
    return [held(run, record, 9.9)[0] for record in run.started.values()]


CLAIMS = {
    "80 to a node under each rule that counts connections or goes round": lambda run: all(
        held(run, run.one[name], 1.0).tolist() == [80, 80, 80] for name in HAPROXY[:2] + NGINX[:2]
    ),
    "listens again a fraction of a second later": lambda run: all(
        0 < record.select("node_started")["t"].iloc[0] - 2.0 < 0.7 for record in run.one.values()
    ),
    "nobody is marked down at second 2": lambda run: all(marked_down(run.one[name], 2, 6) == 0 for name in HAPROXY),
    "So 0 / 120 / 120": lambda run: held(run, run.one["HAProxy leastconn"], 5.0)[0] < 30,
    "120 / - / 120, imbalance **1.0**": lambda run: abs(run.bands["HAProxy leastconn"].median - 1.0) < 0.05,
    "60 / - / 180, imbalance 180 / 120 = **1.5**": lambda run: abs(run.bands["HAProxy roundrobin"].median - 1.5) < 0.08,
    "0 / - / 240, imbalance 240 / 120 = **2.0**": lambda run: run.bands["nginx least_conn"].median == 2.0,
    "about **60** new connections in 100 ms": lambda run: 45 <= run.simulated["rush, HAProxy leastconn"] <= 80,
    "node 1 stays empty until somebody loses a connection, and then gets all of it, or most": lambda run: all(
        held(run, run.one[name], 5.0)[0] < 30 and gained(run, name) > 0.6
        for name in ("HAProxy leastconn", "HAProxy random(2)")
    ),
    "the empty node gets no more than its turn": lambda run: 0.4 < gained(run, "HAProxy roundrobin") < 0.55,
    "the restart leaves no trace": lambda run: held(run, run.one["HAProxy source"], 5.0).tolist() == [80, 80, 80],
    "are away for seconds": lambda run: np.median(returns(run.one["HAProxy source"], 6.0, 10.0)) > 1.0,
    "so clients are back at once, and most of those of node 1 stay away from it": lambda run: (
        max(returns(run.one["HAProxy consistent"], 6.0, 10.0)) < 1.0
        and held(run, run.one["HAProxy consistent"], 5.0)[0] < 0.5 * held(run, run.one["HAProxy consistent"], 1.0)[0]
    ),
    "nginx's four rules end all alike, whatever they look at: node 1 gets nobody, and node 3 gets everybody": lambda run: (
        all(held(run, run.one[name], 9.5).tolist() == [0, 0, 240] for name in NGINX)
    ),
    "The bands are narrow": lambda run: all(band.high - band.low < 0.25 for band in run.bands.values()),
    "who still waits for the mark-down of node 2": lambda run: any(
        held(run, record, 9.5).sum() < 240 for record in run.replications["HAProxy source"]
    ),
    "It hardly does": lambda run: run.patience["imbalance"]["fail_timeout 2 s"] > 1.9,
    "node 1 gets at most one connection more each `fail_timeout`": lambda run: (
        1 <= held(run, run.simulate(run.times["fail_timeout 2 s"], 0), 9.5)[0] <= 3
    ),
    "node 1 gets the whole storm at once": lambda run: gained(run, "HAProxy leastconn") > 0.9,
    "a node of half weight gets half as many connections": lambda run: (
        held_after_a_slowstart(run) == sorted(held_after_a_slowstart(run), reverse=True)
    ),
    "leaves an imbalance behind": lambda run: (
        run.slow["imbalance"].iloc[0] < 1.05 < 1.3 < run.slow["imbalance"].iloc[1] < run.slow["imbalance"].iloc[2]
    ),
    "with 60 s the rush is nearly as large as without, and only meets node 3 instead": lambda run: (
        run.slow["rush"].iloc[2] > 0.8 * run.slow["rush"].iloc[0] and rush_goes_to_node_3(run)
    ),
    "cost nothing but a second of their patience": lambda run: (
        run.slow["imbalance"].iloc[3] < 1.05
        and run.slow["rush"].iloc[3] < 20
        and run.slow["connected at the end (%)"].iloc[3] > 99
    ),
    "Fewer connections are lost then, as well": lambda run: (
        run.slow["lost per client"].iloc[3] < run.slow["lost per client"].iloc[0] - 0.05
    ),
    "one more connection lost for each": lambda run: (
        abs(run.moved["lost per client"].iloc[2] - run.moved["lost per client"].iloc[0] - 1) < 0.01
        and run.moved["imbalance"].iloc[2] < 1.05
    ),
    "as nobody connects after it": lambda run: (
        len(returns(run.simulate(run.reloads["reload, old tunnels stay"], 0), 6.0, 10.0)) == 0
    ),
}
