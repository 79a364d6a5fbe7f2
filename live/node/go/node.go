package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"stormlab/node/work"
)

const (
	mostConnections = 12000 // at a time, as live/node/asyncio_runtime.py
	mostHandshake   = 65536 // bytes of a handshake
	mostUnread      = 1 << 20
)

// node is the server: its connections, and what the lab asks about it.
type node struct {
	settings  settings
	listener  *net.TCPListener
	events    events
	broadcast *broadcast // nil if nothing is
	handler   *handler   // nil if there is none

	mutex    sync.Mutex
	open     []*connection
	sockets  int
	opened   int
	checked  float64
	draining bool          // the health check fails
	stopped  bool          // it takes no connection any more
	gone     chan struct{} // closed when it is stopped and the last connection is over
	drained  chan struct{} // closed when it has said so
}

func newNode(given settings) *node {
	n := &node{settings: given, gone: make(chan struct{}), drained: make(chan struct{})}
	if given.Broadcast != nil {
		n.broadcast = newBroadcast(n, *given.Broadcast)
	}
	if given.Handler != nil {
		n.handler = &handler{node: n, settings: *given.Handler}
	}
	return n
}

// listen opens the port on loopback, with an accept queue of the length that the lab asks for.
func listen(port, backlog int) (*net.TCPListener, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, err
	}
	syscall.CloseOnExec(fd)
	file := os.NewFile(uintptr(fd), "listener")
	defer file.Close() // the listener has a duplicate
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return nil, err
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return nil, err
	}
	if err := syscall.Listen(fd, backlog); err != nil {
		return nil, err
	}
	found, err := net.FileListener(file)
	if err != nil {
		return nil, err
	}
	return found.(*net.TCPListener), nil
}

// accept takes connections until the listener is closed; each is served by a goroutine of its own.
func (n *node) accept() {
	for {
		socket, err := n.listener.AcceptTCP()
		if err != nil {
			return
		}
		if !n.admit() {
			socket.Close()
			continue
		}
		go func() {
			n.serve(socket)
			socket.Close()
			n.ended()
		}()
	}
}

// admit counts a connection, unless there are too many or the node has stopped.
func (n *node) admit() bool {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	if n.stopped || n.sockets >= mostConnections {
		return false
	}
	n.sockets++
	return true
}

func (n *node) ended() {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	n.sockets--
	if n.stopped && n.sockets == 0 {
		close(n.gone)
	}
}

// serve answers the health check, or keeps a WebSocket until it closes.
func (n *node) serve(socket *net.TCPConn) {
	socket.SetDeadline(time.Now().Add(openWithin))
	bounded := &io.LimitedReader{R: socket, N: mostHandshake}
	from := bufio.NewReaderSize(bounded, readBuffer)
	request, err := http.ReadRequest(from)
	if err != nil {
		if err != io.EOF {
			socket.Write(answer(http.StatusBadRequest, "this is no request of HTTP/1.1", ""))
		}
		return
	}
	if request.URL.Path == "/healthz" {
		socket.Write(n.health())
		return
	}
	no := refuse(request)
	if no == nil && n.isStopped() {
		no = &refusal{http.StatusServiceUnavailable, "the node ends", ""}
	}
	if no != nil {
		socket.Write(answer(no.status, no.text, no.header))
		return
	}
	c, err := newConnection(n, socket)
	if err != nil {
		return
	}
	bounded.N = 1 << 62
	socket.SetDeadline(time.Time{})
	c.write(switching(request.Header.Get("Sec-Websocket-Key"), n.settings.Number))
	if !n.add(c) {
		c.close(closeGoingAway)
	}
	over := make(chan struct{})
	if n.settings.PingInterval > 0 {
		c.pongs = make(chan struct{}, 1)
		go c.keepAlive(work.Seconds(n.settings.PingInterval), work.Seconds(n.settings.PingTimeout), over)
	}
	code := codeOf(c.read(from))
	close(over)
	n.remove(c)
	if code != 0 {
		c.close(code)
		linger(socket)
	}
}

// linger lets a client read why its connection ends: one that is closed while something waits to be read is reset, and
// what was sent is lost. Source: RFC 1122, 4.2.2.13.
func linger(socket *net.TCPConn) {
	socket.CloseWrite()
	socket.SetReadDeadline(time.Now().Add(openWithin))
	io.CopyN(io.Discard, socket, mostUnread)
}

func (n *node) health() []byte {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	n.checked = work.Now()
	if n.draining {
		return answer(http.StatusServiceUnavailable, "draining", "")
	}
	return answer(http.StatusOK, "ok", "")
}

func (n *node) isStopped() bool {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	return n.stopped
}

// add keeps a connection that has opened; false if the node has begun to end meanwhile.
func (n *node) add(c *connection) bool {
	if n.broadcast != nil {
		n.broadcast.joins(c)
	}
	n.mutex.Lock()
	defer n.mutex.Unlock()
	c.place, c.index = n.opened, len(n.open)
	n.opened++
	n.open = append(n.open, c)
	return !n.stopped
}

// remove forgets a connection that is over.
func (n *node) remove(c *connection) {
	n.mutex.Lock()
	last := n.open[len(n.open)-1]
	n.open[c.index], last.index = last, c.index
	n.open[len(n.open)-1] = nil
	n.open = n.open[:len(n.open)-1]
	n.mutex.Unlock()
	if n.broadcast != nil {
		n.broadcast.leaves(c)
	}
}

// take hands a message of a client to the mechanism that it belongs to; an error ends the connection.
func (n *node) take(c *connection, opcode byte, data []byte) error {
	if opcode != opBinary || len(data) == 0 {
		return nil
	}
	switch {
	case n.settings.Sends && data[0] == 0:
		return n.arrived(data)
	case n.broadcast != nil && (data[0] == wireQuestion || data[0] == wireStanding):
		return n.broadcast.hears(c, data)
	case n.handler != nil && data[0] == wireRequest:
		return n.handler.begin(c, data)
	}
	return nil
}

// arrived notes a message of a client (live/sending/outbox.py).
func (n *node) arrived(data []byte) error {
	if len(data) < 8 {
		return nil
	}
	client, number := beUint32(data), beUint32(data[4:])
	if !n.events.note("arrived", client, n.settings.Number, number, "") {
		return closeError(closeInternalError)
	}
	return nil
}

// look tells when the balancer's check came last, and how many connections are open.
func (n *node) look() (float64, int) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	return n.checked, len(n.open)
}

// finish writes what was noted to a file.
func (n *node) finish(path string) {
	var more []event
	if n.broadcast != nil {
		more = n.broadcast.buffers()
	}
	count, err := n.events.write(path, more...)
	if err != nil {
		fail("%v", err)
	}
	say(done{Type: "Done", Events: count})
}

// oldest returns the open connections, the oldest first.
func (n *node) oldest() []*connection {
	n.mutex.Lock()
	found := slices.Clone(n.open)
	n.mutex.Unlock()
	slices.SortFunc(found, func(a, b *connection) int { return a.place - b.place })
	return found
}

// stop closes the listener; false if that was done before.
func (n *node) stop() bool {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	if n.stopped {
		return false
	}
	n.stopped = true
	n.listener.Close()
	if n.sockets == 0 {
		close(n.gone)
	}
	return true
}

// drain closes the oldest connections first, so many a second, after the health check has failed for `lead` seconds.
func (n *node) drain(lead, pace float64) {
	n.mutex.Lock()
	n.draining = true
	n.mutex.Unlock()
	time.Sleep(work.Seconds(lead))
	if !n.stop() {
		return
	}
	began := time.Now()
	for place, c := range n.oldest() {
		if pace > 0 {
			time.Sleep(time.Until(began.Add(work.Seconds(float64(place) / pace))))
		}
		c.close(closeRestart)
	}
	<-n.gone
	say(drained{"Drained", work.Now()})
	n.leave()
	close(n.drained)
}

// end closes all connections at once.
func (n *node) end() {
	n.stop()
	for _, c := range n.oldest() {
		c.close(closeGoingAway)
	}
	n.leave()
}

func (n *node) leave() {
	if n.broadcast != nil {
		n.broadcast.leave()
	}
}

func beUint32(data []byte) int {
	return int(data[0])<<24 | int(data[1])<<16 | int(data[2])<<8 | int(data[3])
}
