package main

import (
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"sync"
	"sync/atomic"

	"stormlab/node/work"
)

// What a node does with messages of the bus, as live/broadcast/fanout.py: it hands each to all its clients, bounds what
// waits for a slow one, then acknowledges.

const (
	mostAwaited   = 1000 // messages for which a node waits for its clients' confirmations
	mostQuestions = 100  // of a client that may wait for the bus

	wireAnswer   = 'S' // live/broadcast/wire.py
	wireQuestion = 'R'
	wireStanding = 'A'
	bodyBytes    = 25 // of a message besides its payload
	placeBytes   = 17 // of a question or a standing
)

// broadcastSettings are the table `broadcast` of a node's settings, and the scripts of live/broadcast/broker.py.
type broadcastSettings struct {
	Address     address           `json:"address"`
	Topic       topicSettings     `json:"topic"`
	Retry       retrySettings     `json:"retry"`
	Seed        uint64            `json:"seed"`
	Replication uint32            `json:"replication"`
	Lease       float64           `json:"lease"`
	Kind        string            `json:"kind"`
	Scope       string            `json:"scope"`
	Policy      string            `json:"policy"`
	LimitBytes  int               `json:"limit_bytes"`
	Scripts     map[string]string `json:"scripts"`

	sha string // of the script that reads
}

// position is an epoch and a version.
type position struct{ epoch, version uint64 }

func (p position) before(other position) bool {
	return p.epoch < other.epoch || p.epoch == other.epoch && p.version < other.version
}

// recipient is a connected client, as its node sees it; the connection's mutex guards the outlet.
type recipient struct {
	outlet    outlet
	place     position
	questions int
}

// broadcast are the messages of one node.
type broadcast struct {
	node     *node
	settings broadcastSettings
	bus      *subscriber

	mutex   sync.Mutex
	clients map[*connection]*recipient
	order   []*connection
	seen    seenVersions
	newest  atomic.Pointer[position]
	awaited map[position]map[*connection]struct{}
	oldest  []position // of the awaited, in the order in which they came
	asked   map[position][]*connection
	most    int
	mostAt  float64
}

func newBroadcast(n *node, given broadcastSettings) *broadcast {
	sum := sha1.Sum([]byte(given.Scripts["read"]))
	given.sha = hex.EncodeToString(sum[:])
	b := &broadcast{
		node: n, settings: given, clients: map[*connection]*recipient{},
		awaited: map[position]map[*connection]struct{}{}, asked: map[position][]*connection{},
	}
	b.newest.Store(&position{})
	number := n.settings.Number
	b.bus = newSubscriber(given, number, b.take, func(name string, own any) {
		n.events.note(name, -1, number, -1, own)
	})
	return b
}

func (b *broadcast) start() { b.bus.start() }

func (b *broadcast) leave() { b.bus.leave() }

// joins hands messages to a connection from now on.
func (b *broadcast) joins(c *connection) {
	made := &recipient{outlet: outlet{policy: b.settings.Policy, limit: b.settings.LimitBytes}}
	c.mutex.Lock()
	c.recipient = made
	c.mutex.Unlock()
	b.mutex.Lock()
	b.clients[c] = made
	b.mutex.Unlock()
}

// leaves forgets a client, and waits for its word no longer.
func (b *broadcast) leaves(c *connection) {
	b.mutex.Lock()
	delete(b.clients, c)
	b.confirm(c, nil)
	b.mutex.Unlock()
}

// take takes a message from the bus: it fans it out if it is new, and acknowledges it.
func (b *broadcast) take(body []byte) {
	if len(body) < bodyBytes {
		return
	}
	epoch, version, key := place(body)
	at := position{epoch, version}
	b.mutex.Lock()
	defer b.mutex.Unlock()
	fresh := b.seen.first(epoch, version)
	again := ""
	if !fresh {
		again = "duplicate"
	}
	b.node.events.note("received", -1, b.node.settings.Number, int(version), []any{epoch, key, again})
	if fresh {
		if b.newest.Load().before(at) {
			b.newest.Store(&at)
		}
		b.fanOut(body)
		if b.settings.Scope == "client" {
			b.await(at)
		}
	}
	b.acknowledge(at)
}

// await notes who has to confirm a message.
func (b *broadcast) await(at position) {
	for len(b.awaited) >= mostAwaited && len(b.oldest) > 0 {
		delete(b.awaited, b.oldest[0])
		b.oldest = b.oldest[1:]
	}
	waiting := map[*connection]struct{}{}
	for c, client := range b.clients {
		if client.place.before(at) {
			waiting[c] = struct{}{}
		}
	}
	b.awaited[at] = waiting
	b.oldest = append(b.oldest, at)
}

// acknowledge tells the publisher, unless clients are still to confirm the message.
func (b *broadcast) acknowledge(at position) {
	if len(b.awaited[at]) > 0 {
		return
	}
	delete(b.awaited, at)
	b.bus.say("ack", strconv.Itoa(b.node.settings.Number), strconv.FormatUint(at.epoch, 10),
		strconv.FormatUint(at.version, 10))
}

// confirm takes a client's word that it stands at a position, or (nil) that it has left.
func (b *broadcast) confirm(c *connection, standing *position) {
	for at, waiting := range b.awaited {
		if _, waits := waiting[c]; waits && (standing == nil || !standing.before(at)) {
			delete(waiting, c)
			if len(waiting) == 0 {
				b.acknowledge(at)
			}
		}
	}
}

// fanOut hands a message to every client whose outlet has room for it. The frame is made once: frames of a server are
// not masked, so they are the same for all (RFC 6455, 5.1).
func (b *broadcast) fanOut(body []byte) {
	made := frame(opBinary, body)
	waiting := 0
	b.node.mutex.Lock()
	b.order = append(b.order[:0], b.node.open...)
	b.node.mutex.Unlock()
	for _, c := range b.order {
		waiting += c.deliver(made)
	}
	if waiting > b.most {
		b.most, b.mostAt = waiting, work.Now()
	}
}

// deliver sends a frame if the client's outlet has room for it, and returns how many bytes waited before.
func (c *connection) deliver(made []byte) int {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.closing || c.recipient == nil {
		return 0
	}
	waited := c.buffered
	switch c.recipient.outlet.offer(len(made), waited) {
	case "send":
		c.send(made)
	case "close":
		c.closing = true
		c.socket.Close()
	}
	return waited
}

// pay sends the snapshot that stands for what was not sent, if one is owed; the connection's mutex is held.
func (c *connection) pay() {
	if c.closing || !c.recipient.outlet.pay(c.buffered) {
		return
	}
	newest := c.node.broadcast.newest.Load()
	made := frame(opBinary, snapshot(newest.epoch, newest.version))
	if c.recipient.outlet.offer(len(made), c.buffered) == "send" {
		c.send(made)
	}
}

// hears takes what a client says; an error ends its connection.
func (b *broadcast) hears(c *connection, data []byte) error {
	if len(data) < placeBytes {
		return closeError(closeInternalError)
	}
	at := position{binary.BigEndian.Uint64(data[1:]), binary.BigEndian.Uint64(data[9:])}
	b.mutex.Lock()
	defer b.mutex.Unlock()
	client := b.clients[c]
	if client == nil {
		return nil
	}
	client.place = at
	if b.settings.Scope == "client" {
		b.confirm(c, &at)
	}
	if data[0] != wireQuestion || client.questions >= mostQuestions {
		return nil
	}
	client.questions++
	asking, under := b.asked[at]
	b.asked[at] = append(asking, c) // somebody at the same place may wait already: one answer is for both
	if !under {
		b.bus.put(command{b.bus.readCommand(at.epoch, at.version), func(reply any) { b.answer(at, reply) }})
	}
	return nil
}

// answer answers all clients that ask from one position; without an answer of the broker they will ask again.
func (b *broadcast) answer(asked position, reply any) {
	b.mutex.Lock()
	clients := b.asked[asked]
	delete(b.asked, asked)
	for _, c := range clients {
		if client := b.clients[c]; client != nil {
			client.questions--
		}
	}
	b.mutex.Unlock()
	found, is := readRecovery(reply)
	if !is {
		return
	}
	data := found.encode()
	if 2*len(data) > b.settings.LimitBytes {
		data = snapshot(found.epoch, found.version)
	}
	made := frame(opBinary, data)
	for _, c := range clients {
		c.deliver(made)
	}
}

// buffers returns the event with the most bytes that waited for the clients, if any did.
func (b *broadcast) buffers() []event {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.most == 0 {
		return nil
	}
	return []event{{b.mostAt, "node_buffer", -1, b.node.settings.Number, -1, -1, []any{b.most}}}
}
