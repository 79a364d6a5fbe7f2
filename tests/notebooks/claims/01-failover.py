# 5: the table, and the sentence on the median error
assert comparison.verdict == "pass"
# 6: no attempt succeeds before the mark-down, in either world
assert all(one["connected"] == 0 and one["attempts"] > 0 for one in blind.values())
# 6: what is left when the mark-down is known is less than what was not, where the phase of the check matters
errors = {row["measure"]: row for row in table_rows(comparison)}
assert all(errors[name]["given"] < errors[name]["error"] for name in ("reconnect_p50", "mark_down_delay"))
# 6: a faster check halves the return and the blind time; the other two leave the first wait, below 0.2 s
medians = {name: one.measures["reconnect_p50"].median() for name, one in predicted.items()}
faster = prediction.measures["reconnect_p50"].median() / medians["check every 0.5 s"]
assert 1.7 < faster < 2.3
assert medians["redispatch"] < medians["roundrobin"] < 0.2
# 6: common random numbers help where both variants depend on the phase, and hardly where only one does
paired = failover.paired_differences(prediction, predicted, "reconnect_p50")
ratio = paired["sd, same numbers"] / paired["sd, independent"]
assert ratio["check every 0.5 s"] < 0.75
assert ratio[["roundrobin", "redispatch"]].between(0.9, 1.1).all()
