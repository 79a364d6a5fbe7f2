// A program that does nothing but tasks, to look at the scheduler alone: live/node/go_load.py starts it.
//
// It reads one line: the number of Ps, and when each task is due and what it takes. A goroutine sleeps until a task is
// due, and starts a goroutine for it. It writes one line: when each task began and ended, in seconds after the start.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	"stormlab/node/work"
)

type load struct {
	Procs int          `json:"procs"`
	Tasks [][4]float64 `json:"tasks"` // due, CPU time, blocking, awaiting
}

func main() {
	line, err := bufio.NewReader(os.Stdin).ReadBytes('\n')
	var given load
	if err != nil || json.Unmarshal(line, &given) != nil {
		fmt.Fprintln(os.Stderr, "standard input has no tasks.")
		os.Exit(1)
	}
	runtime.GOMAXPROCS(given.Procs)
	found := make([][2]float64, len(given.Tasks))
	var all sync.WaitGroup
	all.Add(len(found))
	start := work.Now() + 0.05
	for i, task := range given.Tasks {
		if wait := work.Until(start + task[0]); wait > 0 {
			time.Sleep(wait)
		}
		go func() {
			defer all.Done()
			found[i][0] = work.Now() - start
			if task[1] > 0 {
				work.Compute(task[1])
			}
			if task[2] > 0 {
				work.Block(task[2])
			}
			if task[3] > 0 {
				time.Sleep(work.Seconds(task[3]))
			}
			found[i][1] = work.Now() - start
		}()
	}
	all.Wait()
	json.NewEncoder(os.Stdout).Encode(found)
}
