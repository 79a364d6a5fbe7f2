package main

import (
	"encoding/json"
	"os"
	"testing"
)

// cases are what the rules of the lab in Python say: tests/live/node/test_go_rules.py writes them.
type cases struct {
	Uniform []struct {
		Seed        uint64
		Replication uint32
		Entity      uint32
		Purpose     uint32
		N           uint32
		U           float64
	}
	Seen []struct {
		Epoch, Version uint64
		First          bool
	}
	Outlets []struct {
		Policy string
		Limit  int
		Steps  []struct {
			Size, Waiting int
			Says          string // what is decided about a message; for a size of 0, "true" if a snapshot is due
		}
	}
}

func TestRules(t *testing.T) {
	path := os.Getenv("STORMLAB_CASES")
	if path == "" {
		t.Skip("STORMLAB_CASES names no file of cases")
	}
	text, err := os.ReadFile(path)
	var known cases
	if err != nil || json.Unmarshal(text, &known) != nil {
		t.Fatal("no cases can be read")
	}
	for _, one := range known.Uniform {
		if u := uniform(one.Seed, one.Replication, one.Entity, one.Purpose, one.N); u != one.U {
			t.Errorf("uniform of %+v is %v", one, u)
		}
	}
	var seen seenVersions
	for i, one := range known.Seen {
		if seen.first(one.Epoch, one.Version) != one.First {
			t.Errorf("step %d: first(%d, %d) is not %v", i, one.Epoch, one.Version, one.First)
		}
	}
	for _, one := range known.Outlets {
		o := outlet{policy: one.Policy, limit: one.Limit}
		for i, step := range one.Steps {
			says := "false"
			if step.Size > 0 {
				says = o.offer(step.Size, step.Waiting)
			} else if o.pay(step.Waiting) {
				says = "true"
			}
			if says != step.Says {
				t.Errorf("%s, step %d: %s in place of %s", one.Policy, i, says, step.Says)
			}
		}
	}
}
