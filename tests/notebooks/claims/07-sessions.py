from twin.course.discrepancies import beyond_by_luck
from twin.measures import measure_record
from twin.measures.sending import read_times


def median(prediction, name):
    return prediction.measures[name].median()


def read_rate(record, begin, end):
    times = read_times(record)
    return ((times >= begin) & (times < end)).sum() / (end - begin) / 10


# 2: "67 of the 200 clients were on the dead node"
assert len(set(one.select("session_lost")["client"])) == 67
# 2: "401 for every one of the 67"; "redis **0**"
assert median(predicted["memory"], "login_share") == 1
assert median(predicted["redis"], "login_share") == 0
assert abs(median(predicted["memory"], "lost_sessions") - 67 / 200) < 0.01
# 2: "about **0.1 s + 67 hashes**"
assert abs(median(predicted["memory"], "reconnect_p99") / (0.1 + 67 * each) - 1) < 0.6  # few runs have their own speed
# 2: "`kept_messages` = 9 · 67 / 200 = **3.0**"; "= **1.0**"; "= **25,728**"; "67 queues of 6 messages of 64 bytes"
assert abs(9 * 67 / 200 - 3.0) < 0.02
assert abs(3 * 67 / 200 - 1.0) < 0.01
assert full == 25_728
# 2: "133 · 4 = 532 messages a second, 53 in 100 ms"
assert abs(read_rate(queued, 0.0, 2.0) - 53.2) < 2
# 3: "The one after it follows at once, without a wait"
story = sessions.story(one, client)
refused_at = story[story["event"] == "connect_failed"]["t"].iloc[0]
assert 0 <= story[(story["event"] == "attempt_connect") & (story["t"] >= refused_at)]["t"].iloc[0] - refused_at < 0.01
# 3: "Without sessions it is not measured"
assert "connect_p50" not in predicted["no sessions"].measures
# 5: "`queue` has two runs only"; "Both recorded runs were early"; "so they kept and dropped fewer messages"
assert len(early) == 2
assert all(1.0 <= delay < 1.5 for delay in early.values())
for name in ("kept_messages", "dropped_messages"):
    assert comparisons["queue"].prediction.measures[name].median() > by_run["measured"].xs(name, level=1).median()
# 5: each run lies beside its replication
assert by_run["difference (%)"].abs().max() < 5
# 5: "They do not get full"; "6 / 4 = 1.5 s"; "each at the same moment in both worlds"
peaks = [measure_record(run)["offline_bytes"] for run in (queued, records["offline-queue"][0])]
assert all(peak < 0.8 * full for peak in peaks)
assert abs(peaks[0] / peaks[1] - 1) < 0.05
# 5: "With a later mark-down they do, and that is the predicted median"
assert median(predicted["queue"], "offline_bytes") > 0.9 * full
# 5: "first their own clients only, then the flush on top, then the clients of all three nodes"
assert read_rate(queued, 0.0, 2.0) < read_rate(queued, 7.0, 9.5) < read_rate(queued, 3.5, 4.5)
# 6: "with the constant slope of one login after the other"
started = one.select("session_started")["t"]
started = started[started > 2.0].reset_index(drop=True)
assert started.corr(started.index.to_series()) > 0.99
# 6: "it begins about a hundredth of a second after the kill"
assert all(0.003 < chain["first refusal (s)"] < 0.03 for chain in chains.values())
# 6: "a login is more than its hash"
dear = sessions.login_chain(simulate(memory.vary(sessions={"login_iterations": 150_000}), 0))["seconds a login"]
cheap = chains["simulated, replication 0"]["seconds a login"]
assert 0.5 * cheap < (dear - cheap) / 2 < 0.98 * cheap
# 6: "in one measured run a login took at least a fifth less than in another"
of_runs = [chain["seconds a login"] for name, chain in chains.items() if "measured" in name]
assert min(of_runs) < 0.8 * max(of_runs)
# 6: "Raise the work of the hash, and the storm grows with it. It does not matter to `redis`"
for store, least in (("memory", 2.0), ("redis", 0.8)):
    values = [median(hashes[f"{store}, {n:,} iterations"], "reconnect_p99") for n in (1_000, 50_000, 150_000)]
    assert values[2] > least * values[1]
    assert store == "memory" or max(values) < 1.2 * min(values)
# 6: "`trust` looks best"; who refuses without a disk makes everybody log in
assert min(outcomes, key=lambda name: median(outcomes[name], "reconnect_p99")) == "trust"
assert [median(outcomes[name], "login_share") for name in outages] == [1, 0, 0]
# 6: "Clients that stayed connected notice nothing of all this"
lost = simulate(down, 0).select("disconnected")
assert (lost["t"] >= 0).sum() == 67
# 6: "Every session is still in the memory of its node"; "Two of three clients meet a node that does not know them"
assert not len(simulate(reload, 0).select("node_stopped"))
assert 0.55 < median(found["memory, roundrobin"], "login_share") < 0.78
# 6: "A sticky rule brings them home"
assert median(found["memory, sticky (consistent)"], "login_share") == 0
# 6: "and by far more than (c) says"; "the difference is about that of (c)"
burst, _, lone = prices["difference"] / prices["(c)"]
assert burst > 1.2
assert 0.4 < lone < 1.6
# 6: "rises from 53 to 200 · 4 / 10 = 80 messages in 100 ms"; "80 + 42 = 122"
assert abs(read_rate(queued, 7.0, 9.5) - 80) < 3
assert abs(median(predicted["queue"], "flush_peak") / 122 - 1) < 0.25
# 6: "the peak grows with the bound"; "a larger queue costs the nodes much less"
flushes = of_bounds["flush_peak"]
none, spread = (flushes[f"100 messages, jitter {x}"] / flushes[f"1 messages, jitter {x}"] for x in ("none", "full"))
assert none > 3 > 2 > spread
# 6: "its queue goes on filling up with messages that will never be sent"; "it makes no attempts"
for name, least in (("kept", 1), ("attempt_connect", 0), ("sent", 0)):
    after = first.select(name)
    after = after[after["client"].isin(set(first.select("gave_up")["client"])) & (after["t"] > 6.0)]
    assert (len(after) > 0) == (least > 0)
# 6: "the balancer's [blind time](../docs/glossary.md#blind-time) U(1, 2) s decides how many fail four times"
delays, gone_up = alarms.measures["mark_down_delay"], alarms.measures["gave_up_share"]
assert len(delays) < 5 or delays.corr(gone_up) > 0.8
# 6: "much beside its own replication, which has the same luck"
assert measured_alarms == simulated_alarms
# 6: the question about a client has an answer, and most clients are none
shown = who_shows(outage, sessions.refused_after_the_outage)
assert 0 < len(shown) <= 67 / 2
# 7: "once in 21 times"
assert round(1 / beyond_by_luck(40)) == 21
