package main

// outlet is what a node does with the messages for one client, as `Outlet` of twin/rules/slow_consumer.py.
type outlet struct {
	policy string
	limit  int
	owes   bool // a snapshot
}

// offer decides about a message of some bytes while others wait: send, drop, coalesce or close.
func (o *outlet) offer(size, waiting int) string {
	if o.owes {
		return "coalesce"
	}
	if waiting+size <= o.limit {
		return "send"
	}
	o.owes = o.policy == "coalesce"
	return o.policy
}

// pay tells whether to send the snapshot that is owed, when bytes have left and so many still wait.
func (o *outlet) pay(waiting int) bool {
	if !o.owes || 2*waiting > o.limit {
		return false
	}
	o.owes = false
	return true
}

const mostSeen = 100_000 // versions above the floor, as MOST_SEEN there

// seenVersions are the versions that were fanned out, as `SeenVersions` of twin/rules/delivery.py.
type seenVersions struct {
	epoch, floor uint64
	above        map[uint64]struct{}
}

// first tells whether a message is to be fanned out: not seen before, and not of an epoch that is over.
func (s *seenVersions) first(epoch, version uint64) bool {
	if epoch < s.epoch {
		return false
	}
	if epoch > s.epoch || s.above == nil {
		s.epoch, s.floor, s.above = epoch, 0, map[uint64]struct{}{}
	}
	if _, known := s.above[version]; known || version <= s.floor {
		return false
	}
	s.above[version] = struct{}{}
	if len(s.above) > mostSeen {
		s.floor = version
		for one := range s.above {
			s.floor = min(s.floor, one)
		}
		delete(s.above, s.floor)
	}
	for {
		if _, next := s.above[s.floor+1]; !next {
			return true
		}
		s.floor++
		delete(s.above, s.floor)
	}
}
