import twin.analysis.comparison as judging
from twin.course.explanations import who_lost

# 2: the middle of U(1.5, 4.3) s, and the sum of both halves
assert round((1.5 + 4.3) / 2, 1) == 2.9
assert round(1.5 + 1 / (1 / 0.8 + 1 / 2.8), 1) == 2.1
# 3: "Check that each wait is within its bound", and the first attempt after the mark-down succeeds
mine_waits = waits(one, attempts=8).loc[client].drop("back after").dropna()
assert all(wait <= min(5.0, 0.2 * 2**k) + 0.005 for k, wait in enumerate(mine_waits))
tries = one.events[of_client & (one.events["t"] >= one.select("marked_down")["t"].iloc[0])]["event"].tolist()
assert tries[:2] == ["attempt_connect", "connected"]
# 3: "before which all clients connect"
assert (one.select("connected").groupby("client")["t"].first() < 0).all()
# 4: "uses the same random waits", and "falls into the same phase"
if not LIVE:
    for record in records:
        replica = simulate(scenario, record.replication, profile)
        assert abs(failover.blind_time(record)["mark_down"] - failover.blind_time(replica)["mark_down"]) < 0.02
# 5: the table, and the sentence on the verdict: "at least 80 %" and "at most 20 %"
assert comparison.verdict == "pass"
assert (judging.LEAST_COVERAGE, judging.LARGEST_ERROR) == (0.8, 0.2)
# 5: "on an axis that does not begin at 0"
assert comparison.plot().axes[0].get_ylim()[0] > 0
# 6: no attempt succeeds before the mark-down, in either world
assert all(one["connected"] == 0 and one["attempts"] > 0 for one in blind.values())
# 6: a client whose wait outlives the mark-down is no exception, and not the rule
late = who_shows(records[0], wait_outlives("marked_down"))
assert 5 < len(late) < 30
assert set(late) & set(waits(records[0]).iloc[::5].index)
# 6: what is left when the mark-down is known is less than what was not, where the phase of the check matters
errors, left = ({row.name: row.error for row in rows} for rows in (comparison.rows, comparison.given))
assert all(left[name] < errors[name] for name in ("reconnect_p50", "mark_down_delay"))
# 6: "The largest piece of luck in a run is the phase of the check": it explains most of the variance
found = prediction.measures
assert found["reconnect_p50"].corr(found["mark_down_delay"]) ** 2 > 0.5
# 6: "A point far off the line is a client whose attempt came so close to the mark-down", and a client without a point
pairs = comparison.pairs()
affected = sum(len(who_lost(record)) for record in comparison.counted)
assert 0.98 * affected < len(pairs) < affected
off = pairs[abs(pairs[:, 2] - pairs[:, 3]) > 0.3]
assert 0 < len(off) < 0.02 * len(pairs)
for run, far, *_ in off:
    record = comparison.counted[int(run)]
    down = record.select("marked_down")["t"].iloc[0]
    began = record.events[(record.events["client"] == far) & (record.events["event"] == "attempt_connect")]["t"]
    assert (began - down).abs().min() < 0.05
# 6: a faster check halves the return and the blind time; the other two leave the first wait, below 0.2 s
medians = {name: one.measures["reconnect_p50"].median() for name, one in predicted.items()}
faster = prediction.measures["reconnect_p50"].median() / medians["check every 0.5 s"]
assert 1.7 < faster < 2.3
assert medians["redispatch"] < medians["roundrobin"] < 0.2
assert predicted["redispatch"].measures["attempts_per_client"].median() == 1.0
# 6: common random numbers help where both variants depend on the phase, and hardly where only one does
paired = failover.paired_differences(prediction, predicted, "reconnect_p50")
ratio = paired["sd, same numbers"] / paired["sd, independent"]
assert ratio["check every 0.5 s"] < 0.75
assert ratio[["roundrobin", "redispatch"]].between(0.9, 1.1).all()
# 6: "With roundrobin two of three attempts meet a healthy node": 1.5 attempts each
assert abs(predicted["roundrobin"].measures["attempts_per_client"].median() - 1.5) < 0.15
# 6: "halves the blind time"
blind_times = [model.measures["mark_down_delay"].median() for model in (predicted["check every 0.5 s"], prediction)]
assert 0.45 < blind_times[0] / blind_times[1] < 0.55
