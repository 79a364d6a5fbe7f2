# 5: with the recorded runs A fails and B passes
assert [comparisons[name].verdict for name in ("right", "A", "B")] == ["pass", "fail", "pass"]
# 2: the worked solution is near what is found
by_hand = planted.ratios(mine, comparisons)
assert (by_hand["by hand"] / by_hand["found"]).between(0.9, 1.15).all()
# 6, question 1: what does not move
left = {name: planted.residuals(comparisons[name]) for name in believed}
for table in left.values():
    assert table["predicted / measured"][["losses_per_client", "imbalance"]].between(0.98, 1.02).all()
    assert table["predicted / measured"][["notice_p50", "notice_p99"]].between(0.85, 1.15).all()
# 6, question 2: nothing is left of A, and of B all of it
assert left["A"]["given the mark-down"].between(0.9, 1.1).all()
assert (left["B"]["given the mark-down"] / left["B"]["predicted / measured"]).between(0.9, 1.1).all()
# 6, question 3: 2 for A's mark-down, 1.7 for B's peak
assert abs(left["A"]["predicted / measured"]["mark_down_delay"] - 2.0) < 0.15
assert abs(left["B"]["predicted / measured"]["peak_attempts"] - 1.7) < 0.1
# 6: few clients refute A and not B
assert 0 < len(who_shows(records[0], refutation)) <= 5
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
assert abs(table["attempts_per_client"]["nodes.count"] - 1) < 0.05
waiting = table.loc[["clients.reconnect.base", "clients.reconnect.factor", "clients.reconnect.cap"]]
assert (waiting["mark_down_delay"] == 1).all()
assert waiting["peak_attempts"]["clients.reconnect.base"] > 1.5
assert waiting["reconnect_p90"]["clients.reconnect.cap"] < 0.7
assert abs(waiting["reconnect_p90"]["clients.reconnect.base"] - 1) < 0.1
check = table.loc[["balancer.check.inter", "balancer.check.fall"]]
assert (check[["mark_down_delay", "reconnect_p50", "reconnect_p90"]] > 1.4).all(axis=None)
assert check["peak_attempts"].between(0.98, 1.02).all()
# 6: the medians of the two mistakes agree, and the band is narrower
assert twins.verdict == "pass"
assert twins.median_error < 0.05
(right_row,) = [one for one in comparisons["right"].rows if one.name == "mark_down_delay"]
assert row.predicted.high - row.predicted.low < 0.75 * (right_row.predicted.high - right_row.predicted.low)
assert sum(row.inside) < sum(right_row.inside)
