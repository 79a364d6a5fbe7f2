// A WebSocket server process in Go, in the place of live/node/node.py: it takes connections, notes what clients send,
// and hands on what is broadcast over the bus. It uses the standard library only.
//
// It reads its settings from standard input, then orders (control.go); it tells on standard output when it listens, and
// ends when its standard input closes (at once) or on SIGTERM (gracefully, close code 1001).
package main

import (
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"stormlab/node/work"
)

func main() {
	from := input()
	given := readSettings(from)
	if given.Procs > 0 {
		runtime.GOMAXPROCS(given.Procs)
	}
	n := newNode(given)
	listener, err := listen(given.Port, given.Backlog)
	if err != nil {
		fail("127.0.0.1:%d: %v", given.Port, err)
	}
	n.listener = listener
	terminate := make(chan os.Signal, 1)
	signal.Notify(terminate, syscall.SIGTERM)
	go n.accept()
	if n.broadcast != nil {
		n.broadcast.start()
	}
	say(listening{"Listening", work.Now(), work.CPU()})
	if n.handler != nil {
		go n.handler.look()
	}
	go func() {
		n.obey(from)
		os.Exit(0)
	}()
	select {
	case <-terminate:
		n.end()
		<-n.gone
	case <-n.drained:
	}
	say(closed{"Closed", work.CPU()})
}
