package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"syscall"
)

// What the lab says to a node and a node to the lab: one JSON object a line, as in live/control/messages.py and
// live/node/messages.py. The first line that comes are the settings.

// settings are what the lab tells a node when it starts it. A table of a mechanism that is not here is refused.
type settings struct {
	Number       int                `json:"number"`
	Port         int                `json:"port"`
	Backlog      int                `json:"backlog"`
	PingInterval float64            `json:"ping_interval"`
	PingTimeout  float64            `json:"ping_timeout"`
	Procs        int                `json:"procs"`
	Sends        bool               `json:"sends"`
	Broadcast    *broadcastSettings `json:"broadcast"`
	Handler      *handlerSettings   `json:"handler"`
	Deadlines    deadlines          `json:"deadlines"`
}

// deadlines are seconds without a byte from a client, or with a client that takes nothing, as live/deadlines/node.py;
// 0 is none.
type deadlines struct {
	Read  float64 `json:"read"`
	Write float64 `json:"write"`
}

type message struct {
	Type string  `json:"type"`
	Lead float64 `json:"lead"`
	Pace float64 `json:"pace"`
	Path string  `json:"path"`
}

type listening struct {
	Type string  `json:"type"`
	At   float64 `json:"at"`
	CPU  float64 `json:"cpu"`
}

type seen struct {
	Type        string  `json:"type"`
	Checked     float64 `json:"checked"`
	Connections int     `json:"connections"`
}

type done struct {
	Type   string `json:"type"`
	Events int    `json:"events"`
	Timers *int   `json:"timers"` // nobody watches the timers of a node
}

type drained struct {
	Type string  `json:"type"`
	At   float64 `json:"at"`
}

type closed struct {
	Type string  `json:"type"`
	CPU  float64 `json:"cpu"`
}

var saying sync.Mutex

// say writes one message to the lab.
func say(message any) {
	line, err := json.Marshal(message)
	if err != nil {
		fail("a message cannot be written: %v", err)
	}
	saying.Lock()
	defer saying.Unlock()
	os.Stdout.Write(append(line, '\n'))
}

// fail ends the process with one sentence, which the lab repeats.
func fail(format string, values ...any) {
	fmt.Fprintf(os.Stderr, format+".\n", values...)
	os.Exit(1)
}

// input returns standard input as a reader that waits in the network poller. A read that blocks would keep a P from the
// other goroutines until sysmon takes it, for up to 20 ms.
func input() *bufio.Reader {
	if err := syscall.SetNonblock(syscall.Stdin, true); err != nil {
		fail("standard input: %v", err)
	}
	return bufio.NewReader(os.NewFile(uintptr(syscall.Stdin), "standard input"))
}

func readSettings(from *bufio.Reader) settings {
	line, err := from.ReadBytes('\n')
	if err != nil {
		fail("standard input ended before the settings of this process")
	}
	var found settings
	if err := strictly(line, &found); err != nil {
		fail("the settings of a node in Go: %v", err)
	}
	return found
}

// obey does what the lab orders, until standard input closes.
func (n *node) obey(from *bufio.Reader) {
	for {
		line, err := from.ReadBytes('\n')
		if err != nil {
			return
		}
		var order message
		if err := strictly(line, &order); err != nil {
			fail("an order: %v", err)
		}
		switch order.Type {
		case "Look":
			checked, connections := n.look()
			say(seen{"Seen", checked, connections})
		case "StartDrain":
			go n.drain(order.Lead, order.Pace)
		case "Finish":
			n.finish(order.Path)
		default:
			fail("the message '%s' is unknown; allowed is Finish, Look, StartDrain", order.Type)
		}
	}
}

// strictly decodes a line of JSON; a field that is not known is an error that names it.
func strictly(line []byte, into any) error {
	reader := json.NewDecoder(bytes.NewReader(line))
	reader.DisallowUnknownFields()
	return reader.Decode(into)
}
