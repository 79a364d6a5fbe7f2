import numpy as np

from twin.course.discrepancies import beyond_by_luck
from twin.measures import measure_record
from twin.rules.gil import SWITCH_INTERVAL
from twin.rules.go_sysmon import LONGEST_SLEEP, TIME_SLICE

ways = {name: prediction.measures.median() for name, prediction in predictions.items()}
found = {name: measure_record(record) for name, record in valid.items()}
# 1: "All ways to run it but the last do the same work"
tasks = {name: [task.model_dump() for task in variant.nodes.handler.tasks] for name, variant in variants.items()}
assert all(one == tasks["loop"] for name, one in tasks.items() if "blocking" not in name)
assert [(task["rate"], task["cpu"]["mean"]) for task in tasks["loop"]] == [(100.0, 0.0002), (4.0, 0.1)]
assert (tasks["loop, blocking call"][1]["rate"], tasks["loop, blocking call"][1]["blocking"]["mean"]) == (10.0, 0.05)
assert variants["4 processes"].nodes.workers.count == variants["process pool"].nodes.executor.size == 4
# 2: the numbers by hand
by_hand = [lab.waits_by_hand(*one) for one in ((0.4, 0.1, 0.9), (0.1, 0.1, 0.99), (0.4, 0.02, 0.9), (0.5, 0.05, 0.9))]
assert np.allclose(by_hand, [0.075, 0.09, 0.015, 0.04])
assert SWITCH_INTERVAL == 0.005
# 2: "A short request that is not disturbed takes about a millisecond."; "The median is next to nothing"
assert ways["process pool"]["short_answer_p50"] < 0.002
assert ways["loop"]["short_answer_p50"] < 0.003
# 2: each number by hand is near what both worlds say
near = {
    "loop": 8,
    "thread pool": 8,
    "process pool": 4,
    "4 processes, p99": 12,
    "goroutines": 6,
    "loop, blocking call": 6,
}
for name, row in rows.items():
    for world in ("simulated", "measured") if row["measured"] == row["measured"] else ("simulated",):
        assert abs(row[world] - row["by hand"]) < near.get(name, 6), (name, world, row)
# 5: "In the run its short answers took twice as long as predicted"
if not LIVE:
    assert 1.6 < found["thread pool"]["short_answer_p90"] / ways["thread pool"]["short_answer_p90"] < 2.4
# 3: the figure: "In the loop the dots of each stall fall"
asked, took = lab.short_answers(one["loop"])
begins = lab.long_begins(one["loop"])
since = asked - begins[np.maximum(0, np.searchsorted(begins, asked, side="right") - 1)]
behind = (since > 0.002) & (since < 0.09)
assert np.corrcoef(since[behind], took[behind])[0, 1] < -0.95
# 6: the question about a client has answers, and most clients are none; "most clients never wait"
assert 0 < len(who_shows(of_loop, lab.always_behind(of_loop), everybody)) <= 12
per_client = {}
for client, times in of_loop.select("requested").query("task == 'short' and t >= 0").groupby("client")["t"]:
    per_client[client] = (1000 * (times - begins[0]) % 250).std()
assert np.median(list(per_client.values())) < 5 or LIVE
# 6: "More **processes** lower the line and leave its end where it is"
assert ways["4 processes"]["short_answer_p90"] < 0.5 * ways["loop"]["short_answer_p90"]
assert ways["4 processes"]["short_answer_p99"] > 0.8 * ways["loop"]["short_answer_p99"]
# 6: "**Preemption** (goroutines) moves the end"
assert ways["goroutines"]["short_answer_p99"] < 0.4 * ways["loop"]["short_answer_p99"]
# 6: "`forcePreemptNS` in Go's source is 10 ms."; "it lasts for two looks"
assert TIME_SLICE == LONGEST_SLEEP == 0.010
go = lab.go_table()
begun = np.sort(go["begins (ms)"])
slices = begun[np.diff(begun, prepend=-1.0) > 1.0]
assert np.allclose(np.diff(slices)[:-1], 20.1, atol=0.15)
# 6: "All that came in a slice begins at its end, one right after the other. The first slice is shorter"
assert slices[0] < 20
assert len(slices) <= len(go) / 2
# 6: "Threads help against blocking"
blocked, threads = (lab.of_answers(run)[1] for run in (one["loop, blocking call"], pool))
assert blocked > 0.03 > 0.003 > threads
# 6: a queue with one server
assert np.allclose(table["M/M/1 (ms)"], [5 / (1 - load) for load in loads])
assert ((table["simulated (ms)"] / table["M/M/1 (ms)"]).between(0.75, 1.5)).all()
# 6: "The simulated means lie above the formula."
assert (table["simulated (ms)"] > table["M/M/1 (ms)"]).all()
# 6: "The last tenth of the load costs more than all before it."
assert 5 / (1 - 0.95) - 5 / (1 - 0.9) > 5 / (1 - 0.9) - 5
# 6: "The load is the same, and the wait is a tenth."
waits = [lab.pollaczek_khinchine([short, long]) for long in ((4, 0.1), (40, 0.01))]
assert abs(waits[0] / waits[1] - 10) < 0.1
# 7: "once in 11 times"
assert round(1 / beyond_by_luck(10)) == 11
