// Package work has the clock of the lab, and what a task does: CPU time, a blocking call.
package work

import (
	"syscall"
	"time"
	_ "unsafe" // for go:linkname
)

// nanotime is the system's monotonic clock, by which the lab and all its parts count, in nanoseconds. The standard
// library hands it out only as a difference. Source: runtime/time_nofake.go, which keeps this name for who needs it.
//
//go:linkname nanotime runtime.nanotime
func nanotime() int64

// Now returns the seconds of the monotonic clock.
func Now() float64 { return float64(nanotime()) / 1e9 }

// CPU returns the seconds of CPU time that the process has used so far.
func CPU() float64 {
	var used syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &used) != nil {
		return 0
	}
	return float64(used.Utime.Nano()+used.Stime.Nano()) / 1e9
}

// Seconds returns a duration.
func Seconds(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }

// Until returns the duration until a time of the monotonic clock.
func Until(at float64) time.Duration { return Seconds(at - Now()) }
