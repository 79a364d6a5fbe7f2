# 5: what was predicted is what was measured
assert comparison.verdict == "pass"
# 6: the blind time lies from ttl - heartbeat to ttl + sync
delays = prediction.measures["mark_down_delay"]
assert 1.5 <= delays.min() <= delays.max() <= 2.3
# 6: some clients came just before the removal, and one of them is in the table
shown = who_shows(records[0], just_missed("marked_down", 0.1))
assert 0 < len(shown) <= 10
# 6: the lease is what counts; looks save a tenth of a second; a quicker heartbeat makes the removal later, and surer
medians = {name: one.measures["mark_down_delay"].median() for name, one in predicted.items()}
base = delays.median()
assert base - medians["ttl 1 s"] > 0.8
assert 0.0 < base - medians["sync 0.05 s"] < 0.2
assert medians["heartbeat 0.1 s"] > base
assert predicted["heartbeat 0.1 s"].measures["mark_down_delay"].std() < delays.std()
# 6: refused with the old generation before it registers anew, and taken in after that
for record in asleep.values():
    story = registry.lease_story(record)
    assert story["event"].tolist() == ["fault", "marked_down", "healed", "fenced", "registered", "marked_up"]
# 6: nobody moves by himself; node 4 gets its share
for record in asleep.values():
    load = registry.load_steps(record)
    assert load[1].iloc[-1] <= load[[2, 3]].iloc[-1].min()
for record in gray.values():
    load = registry.load_steps(record)
    assert load[4].iloc[0] != load[4].iloc[0]  # no line before it joins
    assert abs(load[4].iloc[-1] / load.iloc[-1].sum() - canary.registry.canary.share) < 0.05
