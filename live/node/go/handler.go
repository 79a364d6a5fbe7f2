package main

import (
	"encoding/binary"
	"math"
	"sync/atomic"
	"time"

	"stormlab/node/work"
)

// What requests of clients make a node do, as live/handler/node.py: each has a goroutine of its own, which computes,
// blocks, awaits, and answers. Nothing is drawn here: a request says what it takes.

const (
	mostUnderWay = 20_000  // requests that a node works on at a time
	mostAnswers  = 1 << 20 // bytes of answers that may wait for a client
	mostSeconds  = 600.0   // of each kind that a request takes
	mostLooks    = 200_000
	lookEvery    = 0.037 // seconds, as LOOK_EVERY of twin/rules/handler.py

	wireRequest    = 'Q' // live/handler/wire.py
	wireDone       = 'P'
	requestBytes   = 34
	doneBytes      = 10
	rounding       = 1e-9
	microsecond    = 1e6
	requestSeconds = 10 // place of the first of three numbers
)

// handlerSettings are the table `handler` of a node's settings. Who does the work is said for event loops.
type handlerSettings struct {
	AnswerBytes int    `json:"answer_bytes"`
	Executor    string `json:"executor"`
	Size        int    `json:"size"`
}

type handler struct {
	node     *node
	settings handlerSettings
	underWay atomic.Int64
}

// begin starts the work of a request; an error ends its connection.
func (h *handler) begin(c *connection, data []byte) error {
	if len(data) < requestBytes {
		return closeError(closeInternalError)
	}
	var takes [3]float64
	for i := range takes {
		takes[i] = math.Float64frombits(binary.BigEndian.Uint64(data[requestSeconds+8*i:]))
		if !(takes[i] >= 0 && takes[i] <= mostSeconds) {
			return closeError(closeInternalError)
		}
	}
	if h.underWay.Add(1) > mostUnderWay {
		h.underWay.Add(-1)
		return closeError(closeInternalError)
	}
	answer := make([]byte, max(doneBytes, h.settings.AnswerBytes))
	answer[0] = wireDone
	copy(answer[1:doneBytes], data[1:doneBytes])
	go h.do(c, takes[0], takes[1], takes[2], answer)
	return nil
}

func (h *handler) do(c *connection, cpu, blocking, awaiting float64, answer []byte) {
	if cpu > 0 {
		work.Compute(cpu)
	}
	if blocking > 0 {
		work.Block(blocking)
	}
	if awaiting > 0 {
		time.Sleep(work.Seconds(awaiting))
	}
	h.underWay.Add(-1)
	made := frame(opBinary, answer)
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.closing {
		return
	}
	if c.buffered > mostAnswers {
		c.closing = true
		c.socket.Close()
		return
	}
	c.send(made)
}

// look sees again and again how late a goroutine is that sleeps until a time on a grid; one that was very late makes up
// for the looks that it missed, as `looks_missed` of twin/rules/handler.py.
func (h *handler) look() {
	begun, last, noted := work.Now(), 0, 0
	for {
		time.Sleep(work.Until(begun + float64(last+1)*lookEvery))
		since := work.Now() - begun
		for place := last + 1; float64(place) <= since/lookEvery+rounding; place++ {
			late := since - float64(place)*lookEvery
			if noted++; noted <= mostLooks {
				h.node.events.note("loop_late", -1, h.node.settings.Number, -1, []any{int(math.Round(late * microsecond))})
			}
			last = place
		}
	}
}
