package main

import (
	"bufio"
	"net"
	"sync"
	"syscall"
	"time"

	"stormlab/node/work"
)

const (
	openWithin     = 10 * time.Second // a handshake, and the close of a connection: as live/node/asyncio_runtime.py
	mostUnanswered = 1000             // pings of a client that does not read, as there
	writeLimit     = 32 * 1024        // bytes that wait for a client: with more it is full, and pings are not answered
	readBuffer     = 1024             // bytes of a connection's buffer; larger frames are read past it
	flushPiece     = 64 * 1024
)

// connection is one WebSocket. Whoever writes to it hands the bytes to the kernel at once, and never waits: what the
// kernel does not take waits in memory, and a goroutine that is there only as long as something waits hands it on.
type connection struct {
	node   *node
	socket *net.TCPConn
	raw    syscall.RawConn
	place  int // how many connections the node had opened before it
	index  int // in the node's list

	mutex      sync.Mutex
	waiting    []byte
	buffered   int // bytes of `waiting`, and of what is just handed on
	flushing   bool
	closing    bool // a close frame is sent, or the connection is cut
	unanswered int
	lastPing   []byte
	recipient  *recipient
	full       *time.Timer // ends the connection when it has been full for too long; nil if it is not

	offered []byte // what `try` is to hand to the kernel, how much of it was taken, and what went wrong
	taken   int
	failed  error
	try     func(fd uintptr) bool

	pongs chan struct{} // one for each pong, while somebody waits for it
}

func newConnection(n *node, socket *net.TCPConn) (*connection, error) {
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil, err
	}
	c := &connection{node: n, socket: socket, raw: raw}
	c.try = func(fd uintptr) bool {
		c.taken, c.failed = writeTo(fd, c.offered)
		return true
	}
	return c, nil
}

func writeTo(fd uintptr, bytes []byte) (int, error) {
	for {
		taken, err := syscall.Write(int(fd), bytes)
		if err != syscall.EINTR {
			return taken, err
		}
	}
}

// write sends bytes that are one or more frames.
func (c *connection) write(bytes []byte) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if !c.closing {
		c.send(bytes)
	}
}

// send sends bytes; the mutex is held.
func (c *connection) send(bytes []byte) {
	if !c.flushing {
		c.offered = bytes
		err := c.raw.Write(c.try)
		c.offered = nil
		if err != nil || c.failed != nil && c.failed != syscall.EAGAIN {
			return // the reader sees that the connection is broken
		}
		bytes = bytes[max(0, c.taken):]
		if len(bytes) == 0 {
			return
		}
		c.flushing = true
		go c.flush()
	}
	c.waiting = append(c.waiting, bytes...)
	c.buffered += len(bytes)
	if write := c.node.settings.Deadlines.Write; write > 0 && c.full == nil && c.buffered > c.limit() {
		c.full = time.AfterFunc(work.Seconds(write), c.cut)
	}
}

// limit returns with how many bytes that wait the connection counts as full.
func (c *connection) limit() int {
	if c.recipient != nil {
		return c.recipient.outlet.limit / 2
	}
	return writeLimit
}

// flush hands what waits to the kernel until nothing is left.
func (c *connection) flush() {
	for {
		c.mutex.Lock()
		piece := c.waiting[:min(len(c.waiting), flushPiece)]
		if len(piece) == 0 {
			c.waiting, c.flushing = nil, false
			c.mutex.Unlock()
			return
		}
		c.mutex.Unlock()
		var taken int
		var failed error
		err := c.raw.Write(func(fd uintptr) bool {
			taken, failed = writeTo(fd, piece)
			return failed != syscall.EAGAIN // wait until there is room
		})
		if err != nil || failed != nil {
			c.cut() // `flushing` stays, so that nobody tries again
			return
		}
		c.mutex.Lock()
		before := c.buffered
		c.waiting = c.waiting[taken:]
		c.buffered -= taken
		if c.recipient != nil {
			c.pay()
		}
		if c.full != nil && c.buffered <= c.limit() {
			c.full.Stop()
			c.full = nil
		}
		if before > c.limit() && c.buffered <= c.limit() && c.unanswered > 0 && !c.closing {
			c.unanswered = 0
			c.send(frame(opPong, c.lastPing))
		}
		c.mutex.Unlock()
	}
}

// answerPing answers a ping, unless the client does not read what waits for it: then only the last one, later
// (RFC 6455, 5.5.3).
func (c *connection) answerPing(payload []byte) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.closing {
		return
	}
	if c.buffered <= c.limit() {
		c.send(frame(opPong, payload))
		return
	}
	c.lastPing = payload
	if c.unanswered++; c.unanswered >= mostUnanswered {
		c.closing = true
		c.socket.Close()
	}
}

// close begins the closing handshake, unless it has begun; a client that does not answer in time is cut.
func (c *connection) close(code int) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.closing {
		return
	}
	c.send(closeFrame(code))
	c.closing = true
	time.AfterFunc(openWithin, func() { c.socket.Close() })
}

// cut ends the connection at once.
func (c *connection) cut() {
	c.mutex.Lock()
	c.closing = true
	c.mutex.Unlock()
	c.socket.Close()
}

// read takes frames until the connection is over.
func (c *connection) read(from *bufio.Reader) error {
	var parts assembly
	for {
		if read := c.node.settings.Deadlines.Read; read > 0 {
			c.socket.SetReadDeadline(time.Now().Add(work.Seconds(read)))
		}
		found, err := readHeader(from)
		if err != nil {
			return err
		}
		payload, err := readPayload(from, found)
		if err != nil {
			return err
		}
		switch found.opcode {
		case opContinuation, opText, opBinary:
			opcode, data, whole, err := parts.add(found, payload)
			if err != nil {
				return err
			}
			if whole {
				if err := c.node.take(c, opcode, data); err != nil {
					return err
				}
			}
		case opPing:
			c.answerPing(payload)
		case opPong:
			select {
			case c.pongs <- struct{}{}:
			default:
			}
		case opClose:
			return c.closed(payload)
		default:
			return closeError(closeProtocolError)
		}
	}
}

// closed answers the client's close frame, if it is not an answer itself.
func (c *connection) closed(payload []byte) error {
	code, err := closeCode(payload)
	if err != nil {
		return err
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if !c.closing {
		if code == closeNoStatus {
			c.send(frame(opClose, nil))
		} else {
			c.send(closeFrame(code))
		}
		c.closing = true
	}
	return nil
}

// keepAlive sends pings, and closes the connection with 1011 when a pong does not come in time. It waits for the
// interval less the last round trip, as websockets does (asyncio/connection.py, `keepalive`).
func (c *connection) keepAlive(interval, timeout time.Duration, over <-chan struct{}) {
	var trip time.Duration
	for {
		select {
		case <-over:
			return
		case <-time.After(interval - trip):
		}
		select { // one that came late is no answer to the next ping
		case <-c.pongs:
		default:
		}
		sent := time.Now()
		c.write(frame(opPing, []byte{byte(sent.UnixNano()), byte(sent.UnixNano() >> 8)}))
		select {
		case <-over:
			return
		case <-c.pongs:
			trip = time.Since(sent)
		case <-time.After(timeout):
			c.close(closeInternalError)
			c.socket.CloseWrite() // it fails the connection, and does not ask for an answer (RFC 6455, 7.1.7)
			return
		}
	}
}
