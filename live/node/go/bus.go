package main

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"stormlab/node/work"
)

// A node's side of the bus, as live/broadcast/subscriber.py and link.py: it reads messages by subscription or with a
// cursor, acknowledges, and asks what came before a client.

const (
	mostBlock   = 4.0     // seconds that a reader lets the broker wait at most
	blockShare  = 0.8     // of the time that an answer may take
	mostWaiting = 100_000 // commands that wait for the bus; the oldest are dropped first
	mostRead    = 1000    // messages of one read, as MOST_READ of twin/rules/delivery.py
	signsALease = 3       // signs of life in the time of one lease

	farewell = 100 * time.Millisecond // for which a node that ends waits until the bus has heard it
)

func isRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

func firstWord(text string) string {
	found, _, _ := strings.Cut(text, " ")
	if found == "" {
		return "error"
	}
	return strings.ToLower(found)
}

type retrySettings struct {
	Base    float64 `json:"base"`
	Cap     float64 `json:"cap"`
	Retries int     `json:"retries"`
	Timeout float64 `json:"timeout"`
}

type topicSettings struct {
	Prefix    string  `json:"prefix"`
	MaxLength int     `json:"max_length"`
	Window    float64 `json:"window"`
	Life      int64   `json:"life"`
}

// command is what waits for the bus; `answer` gets its reply, nil if there was none in the end.
type command struct {
	parts  []string
	answer func(reply any)
}

// subscriber reads the bus for one node and speaks to it.
type subscriber struct {
	settings broadcastSettings
	number   int
	take     func(body []byte)
	note     func(name string, own any)

	mutex   sync.Mutex
	drawn   map[uint32]uint32 // by purpose
	joined  bool
	known   chan struct{} // closed when it has joined
	queue   []command
	queued  chan struct{}
	left    chan struct{}
	readers map[*link]struct{}
	epoch   uint64
	version uint64
}

func newSubscriber(given broadcastSettings, number int, take func([]byte), note func(string, any)) *subscriber {
	return &subscriber{
		settings: given, number: number, take: take, note: note, known: make(chan struct{}),
		queued: make(chan struct{}, 1), left: make(chan struct{}), readers: map[*link]struct{}{},
		drawn: map[uint32]uint32{},
	}
}

func (s *subscriber) channel(name string) string { return s.settings.Topic.Prefix + name }

func (s *subscriber) timeout() time.Duration { return work.Seconds(s.settings.Retry.Timeout) }

// start joins the bus.
func (s *subscriber) start() {
	fresh, again := s.channel("fresh"), s.channel("again")
	if s.settings.Kind == "pubsub" {
		go s.keep("reader", s.subscribe(fresh, again), true)
	} else {
		go s.keep("reader", s.follow, true)
		go s.keep("again", s.subscribe(again), false)
	}
	go s.speak()
	go s.live()
}

// wait sleeps before the try that follows so many failures, by the random numbers for a purpose; false if the node has
// left meanwhile.
func (s *subscriber) wait(failures int, purpose uint32) bool {
	s.mutex.Lock()
	u := uniform(s.settings.Seed, s.settings.Replication, uint32(s.number), purpose, s.drawn[purpose])
	s.drawn[purpose]++
	s.mutex.Unlock()
	retry := s.settings.Retry
	select {
	case <-s.left:
		return false
	case <-time.After(work.Seconds(min(retry.Cap, u*retry.Base*math.Pow(2, float64(failures))))):
		return true
	}
}

// keep talks over a connection for ever, and opens it again whenever it breaks; `noted` says so to the lab.
func (s *subscriber) keep(role string, talk func(*link, func()) error, noted bool) {
	failures, up, purpose := 0, false, uint32(purposeBusRetry)
	if role == "again" {
		purpose = purposeBusAgain
	}
	ready := func() {
		failures, up = 0, true
		if noted {
			s.up()
		}
	}
	for {
		l, err := s.open(role)
		if err == nil {
			s.hold(l, true)
			err = talk(l, ready)
			s.hold(l, false)
			l.socket.Close()
		}
		if up && noted && !s.hasLeft() {
			s.note("bus_lost", word(err))
		}
		up = false
		if failures++; failures > s.settings.Retry.Retries {
			failures = 1
		}
		if !s.wait(failures, purpose) {
			return
		}
	}
}

func (s *subscriber) open(role string) (*link, error) {
	name := s.channel("node-" + strconv.Itoa(s.number) + "-" + role)
	return s.settings.Address.open(name, s.settings.Scripts, s.timeout())
}

func (s *subscriber) hold(l *link, held bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if held {
		s.readers[l] = struct{}{}
	} else {
		delete(s.readers, l)
	}
}

func (s *subscriber) hasLeft() bool {
	select {
	case <-s.left:
		return true
	default:
		return false
	}
}

func (s *subscriber) up() {
	s.mutex.Lock()
	before := s.joined
	s.joined = true
	s.mutex.Unlock()
	if before {
		s.note("bus_joined", "")
	} else {
		close(s.known)
	}
}

// subscribe stays subscribed: at most once, what is published while the connection is down is lost.
func (s *subscriber) subscribe(channels ...string) func(*link, func()) error {
	return func(l *link, ready func()) error {
		l.socket.SetDeadline(time.Now().Add(s.timeout()))
		if _, err := l.socket.Write(appendCommand(nil, append([]string{"SUBSCRIBE"}, channels...)...)); err != nil {
			return err
		}
		for confirmed := 0; ; {
			reply, err := readReply(l.from)
			if err != nil {
				return err
			}
			items, _ := reply.([]any)
			if failed, is := reply.(replyError); is {
				return failed
			}
			if len(items) != 3 {
				continue
			}
			kind, _ := items[0].([]byte)
			if body, is := items[2].([]byte); is && string(kind) == "message" {
				s.take(body)
			} else if string(kind) == "subscribe" {
				if confirmed++; confirmed == 1 {
					l.socket.SetDeadline(time.Time{})
					ready()
				}
			}
		}
	}
}

// follow reads with the cursor; a new process begins at the present end.
func (s *subscriber) follow(l *link, ready func()) error {
	replies, err := l.ask(s.timeout(), s.readCommand(0, math.MaxUint64))
	if err == nil {
		err = firstError(replies)
	}
	if err != nil {
		return err
	}
	head, is := readRecovery(replies[0])
	if !is {
		return errors.New("protocol")
	}
	s.mutex.Lock()
	first := !s.joined
	s.mutex.Unlock()
	if first {
		s.epoch, s.version = head.epoch, head.version
	} else if head.epoch != s.epoch {
		s.epoch, s.version = head.epoch, 0
	}
	ready()
	block := strconv.Itoa(max(1, int(math.Round(1000*min(mostBlock, blockShare*s.settings.Retry.Timeout)))))
	for {
		from := strconv.FormatUint(s.version, 10) + "-0"
		replies, err := l.ask(s.timeout(), []string{
			"XREAD", "COUNT", strconv.Itoa(mostRead), "BLOCK", block, "STREAMS", s.channel("log"), from,
		})
		if err == nil {
			err = firstError(replies)
		}
		if err != nil {
			return err
		}
		for _, body := range followed(replies[0]) {
			s.take(body)
			_, s.version, _ = place(body)
		}
	}
}

// readCommand asks for what follows a position; the largest version stands for -1, which asks for the head only.
func (s *subscriber) readCommand(epoch, version uint64) []string {
	asked := strconv.FormatInt(int64(version), 10)
	return []string{
		"EVALSHA", s.settings.sha, "2", s.channel("head"), s.channel("log"),
		strconv.FormatUint(epoch, 10), asked, strconv.FormatInt(s.settings.Topic.Life, 10),
	}
}

// say publishes something for the publisher of messages, sooner or later.
func (s *subscriber) say(words ...string) {
	s.put(command{[]string{"PUBLISH", s.channel("acks"), strings.Join(words, " ")}, nil})
}

func (s *subscriber) put(one command) {
	var dropped *command
	s.mutex.Lock()
	if len(s.queue) >= mostWaiting {
		oldest := s.queue[0]
		dropped, s.queue = &oldest, s.queue[1:]
	}
	s.queue = append(s.queue, one)
	s.mutex.Unlock()
	if dropped != nil && dropped.answer != nil {
		go dropped.answer(nil) // whoever puts may hold what it needs
	}
	select {
	case s.queued <- struct{}{}:
	default:
	}
}

// speak sends what is queued, all in one go, and goes on with what has come meanwhile.
func (s *subscriber) speak() {
	var l *link
	for range s.queued {
		s.mutex.Lock()
		batch := s.queue
		s.queue = nil
		s.mutex.Unlock()
		if len(batch) == 0 {
			continue
		}
		parts := make([][]string, len(batch))
		for i, one := range batch {
			parts[i] = one.parts
		}
		replies := s.askOften(&l, parts)
		for i, one := range batch {
			if one.answer != nil {
				one.answer(replies[i])
			}
		}
	}
}

// askOften repeats commands by the rule until they are answered or given up.
func (s *subscriber) askOften(l **link, commands [][]string) []any {
	for failures := 0; ; {
		var replies []any
		var err error
		if *l == nil {
			*l, err = s.open("commands")
		}
		if err == nil {
			replies, err = (*l).ask(s.timeout(), commands...)
		}
		if err == nil {
			err = firstError(replies)
		}
		if err == nil {
			return replies
		}
		if *l != nil {
			(*l).socket.Close()
			*l = nil
		}
		if failures++; failures > s.settings.Retry.Retries {
			return make([]any, len(commands))
		}
		s.wait(failures, purposeBusRetry)
	}
}

// live gives signs of life.
func (s *subscriber) live() {
	<-s.known
	due := time.Now()
	for {
		s.say("alive", strconv.Itoa(s.number))
		due = due.Add(work.Seconds(s.settings.Lease / signsALease))
		if now := time.Now(); due.Before(now) {
			due = now
		}
		select {
		case <-s.left:
			return
		case <-time.After(time.Until(due)):
		}
	}
}

// leave stops reading and giving signs of life, and says goodbye if there is time.
func (s *subscriber) leave() {
	s.mutex.Lock()
	if s.hasLeft() {
		s.mutex.Unlock()
		return
	}
	close(s.left)
	for l := range s.readers {
		l.socket.Close()
	}
	s.mutex.Unlock()
	said := make(chan struct{})
	bye := []string{"PUBLISH", s.channel("acks"), "bye " + strconv.Itoa(s.number)}
	s.put(command{bye, func(any) { close(said) }})
	select {
	case <-said:
	case <-time.After(farewell):
	}
}
