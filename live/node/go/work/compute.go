package work

import "syscall"

const (
	rounds      = 4_000 // of arithmetic between two looks at the clock: some microseconds
	interrupted = 4     // times the usual: then others had the core, or the P
)

var usual = func() int64 {
	least := int64(1 << 62)
	for range 50 {
		before := nanotime()
		spin()
		least = min(least, nanotime()-before)
	}
	return least
}()

var sink uint64

func spin() {
	x := uint64(88172645463325252)
	for range rounds {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	sink = x
}

// Compute uses CPU time. A goroutine has no clock of its own, and the thread that drives it changes; so what lies
// between two looks at the clock counts as the usual if it took so long that somebody else must have run.
func Compute(seconds float64) {
	for left := int64(seconds * 1e9); left > 0; {
		before := nanotime()
		spin()
		took := nanotime() - before
		if took > interrupted*usual {
			took = usual
		}
		left -= took
	}
}

// Block makes a system call in which the thread sleeps.
func Block(seconds float64) {
	wait := syscall.NsecToTimespec(int64(seconds * 1e9))
	for wait.Nano() > 0 {
		var left syscall.Timespec
		if syscall.Nanosleep(&wait, &left) != syscall.EINTR {
			return
		}
		wait = left
	}
}
