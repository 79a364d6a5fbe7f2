# 2 (a): nobody moves, in either world
assert share == 0
assert all(measure_record(record)["new_share"] == 0 for record in stays if record.counts)
# 5: what was predicted is what was measured
assert comparison.verdict == "pass"
# 6: the busiest second has more than 50 by the successors, and some more by chance
assert 45 < prediction.measures["churn_peak"].median() < 60
# 6: clients that were moved to a new node and were back on an old one at the end
shown = who_shows(records[0], registry.moved_twice)
assert 10 < len(shown) < 100
# 6: without jitter a herd; rebalancing about 20 a second, and a few more
peaks = {name: one.measures["churn_peak"].median() for name, one in predicted.items()}
assert peaks["no jitter"] > 3 * prediction.measures["churn_peak"].median()
assert peaks["no jitter"] > peaks["jitter 10 %"] > prediction.measures["churn_peak"].median()
assert 18 <= peaks["rebalancing, 10 a second and node"] <= 27
# 6: downwards one node at a time, each a drain
story = registry.lease_story(leaving)["event"].tolist()
assert story == ["scaled", "marked_down", "drained", "node_stopped"] * 2
