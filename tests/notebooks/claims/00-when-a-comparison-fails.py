# 5: with the recorded runs A fails and B passes
assert [comparisons[name].verdict for name in ("right", "A", "B")] == ["pass", "fail", "pass"]
# 2: the worked solution is near what is found
by_hand = planted.ratios(mine, comparisons)
assert (by_hand["by hand"] / by_hand["found"]).between(0.9, 1.15).all()
# 6, question 1: what does not move; "stand within 10 % of it"
left = {name: planted.residuals(comparisons[name]) for name in believed}
for table in left.values():
    assert table["predicted / measured"][["losses_per_client", "imbalance"]].between(0.98, 1.02).all()
    assert table["predicted / measured"][["notice_p50", "notice_p99"]].between(0.9, 1.1).all()
# 6, question 2: "the squares stand within 10 % of 1" for A, and for B "where the discs stand"
assert left["A"]["given the mark-down"].between(0.9, 1.1).all()
assert (left["B"]["given the mark-down"] / left["B"]["predicted / measured"]).between(0.9, 1.1).all()
# 6, question 3: 2 for A's mark-down, 1.7 for B's peak
assert abs(left["A"]["predicted / measured"]["mark_down_delay"] - 2.0) < 0.15
assert abs(left["B"]["predicted / measured"]["peak_attempts"] - 1.7) < 0.1
# 6: few clients refute A and not B, and the table shows them: none has a wait that is too long for B, as rounded
shown = who_shows(records[2], refutation)
assert 0 < len(shown) <= 5
quick = waits(records[2], attempts=5).query("`back after` < 2").round(2)
assert set(shown) <= set(quick.index)
bounds = {f"wait {k + 1}": 0.1 * 2**k for k in range(5)}
assert ((quick[list(bounds)] <= bounds) | quick[list(bounds)].isna()).all(axis=1).sum() == len(shown)
# 6: "In the model of A nobody is back earlier than 2 s after the kill"
assert min(min(times.values()) for times in predictions["A"].reconnects) > 2.0
# 6: "one wait in two is longer than B allows"
longer = [waits(record)[name].dropna() > bounds[name] for record in records for name in list(bounds)[:4]]
assert abs(pd.concat(longer).mean() - 0.5) < 0.06
# 3: "one attempt more and a higher peak of attempts at the beginning, and hardly changes when clients are back"
half, whole = (predictions[name].measures.median() for name in ("B", "right"))
assert 0.7 < half["attempts_per_client"] - whole["attempts_per_client"] < 1.2
assert half["peak_attempts"] > 1.5 * whole["peak_attempts"]
assert abs(half["reconnect_p50"] / whole["reconnect_p50"] - 1) < 0.05
# 6: the rows of the table
table = planted.signatures(predictions["right"], wrong, told)
table.index = [name.split(": ")[1].rsplit(" ", 1)[0] for name in table.index]
still = table.loc["machine.costs"].drop("notice_p50")
assert still.between(0.95, 1.05).all()
assert 3.5 < table["notice_p50"]["machine.costs"] < 4.5
many = table.loc["clients.count"]
assert (many[["failed_503", "peak_attempts", "notice_p50"]] > 1.25).all()
assert many[["reconnect_p50", "attempts_per_client", "losses_per_client"]].between(0.9, 1.1).all()
assert table["losses_per_client"]["nodes.count"] > 1.4
assert (table.loc["nodes.count", ["failed_503", "peak_attempts", "notice_p50"]] > 1.25).all()
assert table.loc["nodes.count", ["reconnect_p50", "reconnect_p90"]].between(0.9, 1.1).all()
assert abs(table["attempts_per_client"]["nodes.count"] - 1) < 0.05
waiting = table.loc[["clients.reconnect.base", "clients.reconnect.factor", "clients.reconnect.cap"]]
assert (waiting["mark_down_delay"] == 1).all()
assert waiting["peak_attempts"]["clients.reconnect.base"] > 1.5
assert waiting["reconnect_p90"]["clients.reconnect.cap"] < 0.7
assert abs(waiting["reconnect_p90"]["clients.reconnect.base"] - 1) < 0.1
check = table.loc[["balancer.check.inter", "balancer.check.fall"]]
assert (check[["mark_down_delay", "reconnect_p50", "reconnect_p90"]] > 1.4).all(axis=None)
assert check["peak_attempts"].between(0.98, 1.02).all()
# 6: with inter=2 the mark-down comes at U(2, 4) s, with fall=4 at U(3, 4) s
for name, low in (("inter 2", 2.0), ("fall 4", 3.0)):
    times = wrong[f"balancer: balancer.check.{name}"].measures["mark_down_delay"]
    assert low - 0.01 < times.min() < low + 0.3 < 3.7 < times.max() < 4.05
# 6: the medians of the two mistakes agree, and the band is narrower
assert twins.verdict == "pass"
assert twins.median_error < 0.05
(right_row,) = [one for one in comparisons["right"].rows if one.name == "mark_down_delay"]
assert row.predicted.high - row.predicted.low < 0.75 * (right_row.predicted.high - right_row.predicted.low)
assert sum(row.inside) < sum(right_row.inside)
# 6: "each does with about 6 %", with the replications of the full settings
assert round(100 * 2 * beyond_by_luck(200)) == 6
