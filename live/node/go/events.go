package main

import (
	"bufio"
	"encoding/json"
	"os"
	"sync"

	"stormlab/node/work"
)

// mostEvents bounds what a node notes, also if strangers send; see live/sending/outbox.py.
const mostEvents = 400_000

// event is one row of the record, as live/control/noted.py has it: time, name, client, node, attempt, version, own.
type event [7]any

// events are what a node has noted.
type events struct {
	mutex sync.Mutex
	list  []event
}

// note appends an event at the present time; false if there is no room for more.
func (e *events) note(name string, client, node, version int, own any) bool {
	now := work.Now()
	e.mutex.Lock()
	defer e.mutex.Unlock()
	if len(e.list) >= mostEvents {
		return false
	}
	e.list = append(e.list, event{now, name, client, node, -1, version, own})
	return true
}

// write writes all events to a file and returns how many there are.
func (e *events) write(path string, more ...event) (int, error) {
	e.mutex.Lock()
	all := append(append(make([]event, 0, len(e.list)+len(more)), e.list...), more...)
	e.mutex.Unlock()
	file, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	out := bufio.NewWriter(file)
	if err := json.NewEncoder(out).Encode(all); err != nil {
		return 0, err
	}
	if err := out.Flush(); err != nil {
		return 0, err
	}
	return len(all), file.Close()
}
