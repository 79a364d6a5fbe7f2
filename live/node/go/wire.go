package main

import (
	"encoding/binary"
	"strconv"
)

// Messages on their way, as live/broadcast/broker.py (`body`) and wire.py (`answer`) have them.

// place returns epoch, version and number of a message.
func place(body []byte) (epoch, version, key uint64) {
	big := binary.BigEndian
	return big.Uint64(body[1:]), big.Uint64(body[9:]), big.Uint64(body[17:])
}

// recovery is the broker's answer to what came after a position.
type recovery struct {
	recovered      bool
	epoch, version uint64
	bodies         [][]byte
}

// readRecovery returns what the reply of the script `read` says; false if it is none.
func readRecovery(reply any) (recovery, bool) {
	items, _ := reply.([]any)
	if len(items) != 4 {
		return recovery{}, false
	}
	recovered, one := items[0].(int64)
	name, two := items[1].([]byte)
	head, three := items[2].(int64)
	bodies, four := items[3].([]any)
	epoch, err := strconv.ParseUint(string(name), 10, 64)
	if !one || !two || !three || !four || err != nil {
		return recovery{}, false
	}
	found := recovery{recovered == 1, epoch, uint64(head), nil}
	for _, item := range bodies {
		if body, is := item.([]byte); is && len(body) >= bodyBytes {
			found.bodies = append(found.bodies, body)
		}
	}
	return found, true
}

// followed returns the messages in the reply to an XREAD.
func followed(reply any) [][]byte {
	var found [][]byte
	streams, _ := reply.([]any)
	for _, stream := range streams {
		pair, _ := stream.([]any)
		if len(pair) != 2 {
			continue
		}
		entries, _ := pair[1].([]any)
		for _, entry := range entries {
			parts, _ := entry.([]any)
			if len(parts) != 2 {
				continue
			}
			if fields, _ := parts[1].([]any); len(fields) == 2 {
				if body, is := fields[1].([]byte); is && len(body) >= bodyBytes {
					found = append(found, body)
				}
			}
		}
	}
	return found
}

// encode returns the answer as clients get it.
func (r recovery) encode() []byte {
	recovered := byte(0)
	if r.recovered {
		recovered = 1
	}
	data := binary.BigEndian.AppendUint64([]byte{wireAnswer, recovered}, r.epoch)
	data = binary.BigEndian.AppendUint64(data, r.version)
	data = binary.BigEndian.AppendUint32(data, uint32(len(r.bodies)))
	for _, body := range r.bodies {
		data = append(binary.BigEndian.AppendUint32(data, uint32(len(body))), body...)
	}
	return data
}

// snapshot returns the answer that stands for messages that are not sent.
func snapshot(epoch, version uint64) []byte { return recovery{false, epoch, version, nil}.encode() }
