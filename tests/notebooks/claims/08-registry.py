from twin.rules.registry import removal_bounds

# 2: "Its last sign of life was U(0, 0.5) s before its death"; "at the earliest 1.5, at the latest 2.25"; "**1.875 s**"
leases = scenario.registry
assert (leases.ttl, leases.heartbeat, leases.sync) == (2.0, 0.5, 0.25)
assert removal_bounds(leases.ttl, leases.heartbeat, leases.sync) == (1.5, 2.25)
assert leases.ttl - leases.heartbeat / 2 + leases.sync / 2 == 1.875
# 2: "It is late enough with probability (2.3 - 1.875) / 1.6 = 0.27; the others need a fifth: **4.7** on average"
early = (2.3 - 1.875) / 1.6
assert (round(early, 2), round(4 * early + 5 * (1 - early), 1)) == (0.27, 4.7)
# 2: "0.27 + 0.73 · (x - 1.875) / 2.6 = 0.5, so x = **2.7 s**"
assert round(1.875 + (0.5 - 0.27) / 0.73 * 2.6, 1) == 2.7
# 5: what was predicted is what was measured
assert comparison.verdict == "pass"
# 6: "Here it is `ttl - heartbeat` to `ttl + sync`"
delays = prediction.measures["mark_down_delay"]
assert 1.5 <= delays.min() <= delays.max() <= 2.3
# 6: some clients came just before the removal, and they are in the table
table = waits(records[0], attempts=6)
sums = table[[f"wait {k}" for k in range(1, 5)]].sum(axis="columns")
shown = who_shows(records[0], just_missed("marked_down", 0.1))
assert 0 < len(shown) <= 10
assert set(shown) <= set(table[sums.between(removal - 0.4, removal + 0.2)].index)
# 6: "quicker looks of the registrar save a tenth of a second on average"; "A quicker heartbeat even
# makes the removal *later* on average"; "it makes it more certain"
medians = {name: one.measures["mark_down_delay"].median() for name, one in predicted.items()}
base = delays.median()
assert base - medians["ttl 1 s"] > 0.8
assert 0.0 < base - medians["sync 0.05 s"] < 0.2
assert medians["heartbeat 0.1 s"] > base
assert predicted["heartbeat 0.1 s"].measures["mark_down_delay"].std() < delays.std()
# 6: "In `registry-hang` node 1 stands still from second 2 to second 7"
(fault,) = hang.faults
assert (fault.kind, fault.node, fault.at, fault.at + fault.duration) == ("hang", 1, 2.0, 7.0)
beats = hang.clients.heartbeat
assert (beats.interval, beats.timeout, hang.balancer.redispatch) == (1.0, 1.0, 1)
# 6: "From its removal on it is never in rotation with the old generation"
for record in asleep.values():
    story = registry.lease_story(record)
    assert story["event"].tolist() == ["fault", "marked_down", "healed", "fenced", "registered", "marked_up"]
# 6: "nobody moves by himself"
for record in asleep.values():
    load = registry.load_steps(record)
    assert load[1].iloc[-1] <= load[[2, 3]].iloc[-1].min()
# 6: "It joins at second 2"; "about a quarter of all clients"; "A connection lasts 2 to 6 s here"
life = canary.nodes.lifetime
assert (canary.faults[0].at, canary.registry.canary.share) == (2.0, 0.25)
assert (life.mean * (1 - life.jitter), life.mean * (1 + life.jitter)) == (2.0, 6.0)
# 6: "A quarter of 200 is 50"; "Its line begins when it joins"; "The hash sends it one in four of them"
for record in gray.values():
    load = registry.load_steps(record)
    assert load[4].iloc[0] != load[4].iloc[0]  # no line before it joins
    assert abs(load[4].iloc[-1] / load.iloc[-1].sum() - canary.registry.canary.share) < 0.05
    joined = record.select("marked_up")["t"].iloc[0]
    ups = record.select("connected")
    came = ups[ups["t"].between(joined, joined + 2.0)]["node"]
    assert len(came) > 70
    assert 0.12 < (came == 4).mean() < 0.38
# 7: "must be below **1.2 s**"; "`heartbeat` is at least 0.2 s"; "`ttl` is at least three heartbeats"
assert (registry.REMOVAL_LIMIT, registry.LEAST_HEARTBEAT, registry.LEAST_SIGNS) == (1.2, 0.2, 3)
# 7: "still below"
assert registry.harder_lease(scenario).bound == 2.5
