package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"unicode/utf8"
)

// The frames of RFC 6455, section 5.

const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xA

	closeGoingAway     = 1001
	closeProtocolError = 1002
	closeNoStatus      = 1005
	closeInvalidData   = 1007
	closeTooBig        = 1009
	closeInternalError = 1011
	closeRestart       = 1012

	mostFrame     = 65_536 // bytes of a frame or message of a client, as live/node/asyncio_runtime.py
	mostFragments = 4_096  // of a message
	mostControl   = 125    // bytes of a control frame (RFC 6455, 5.5)
)

// closeError is what a client did that ends its connection, with the close code that says so.
type closeError int

func (code closeError) Error() string { return "the client broke the protocol" }

// frame returns an unmasked frame that is not fragmented: what a server sends.
func frame(opcode byte, payload []byte) []byte {
	size := len(payload)
	made := make([]byte, 0, size+10)
	made = append(made, 0x80|opcode)
	switch {
	case size < 126:
		made = append(made, byte(size))
	case size < 1<<16:
		made = binary.BigEndian.AppendUint16(append(made, 126), uint16(size))
	default:
		made = binary.BigEndian.AppendUint64(append(made, 127), uint64(size))
	}
	return append(made, payload...)
}

// closeFrame returns the close frame with a code.
func closeFrame(code int) []byte {
	return frame(opClose, binary.BigEndian.AppendUint16(nil, uint16(code)))
}

type header struct {
	final  bool
	opcode byte
	size   int
	mask   [4]byte
}

func readHeader(from *bufio.Reader) (header, error) {
	var bytes [8]byte
	if _, err := io.ReadFull(from, bytes[:2]); err != nil {
		return header{}, err
	}
	found := header{final: bytes[0]&0x80 != 0, opcode: bytes[0] & 0xF}
	masked, size := bytes[1]&0x80 != 0, uint64(bytes[1]&0x7F)
	control := found.opcode&0x8 != 0
	if bytes[0]&0x70 != 0 || !masked || control && (!found.final || size > mostControl) {
		return header{}, closeError(closeProtocolError)
	}
	if size == 126 {
		if _, err := io.ReadFull(from, bytes[:2]); err != nil {
			return header{}, err
		}
		size = uint64(binary.BigEndian.Uint16(bytes[:2]))
	} else if size == 127 {
		if _, err := io.ReadFull(from, bytes[:8]); err != nil {
			return header{}, err
		}
		size = binary.BigEndian.Uint64(bytes[:8])
	}
	if size > mostFrame {
		return header{}, closeError(closeTooBig)
	}
	found.size = int(size)
	_, err := io.ReadFull(from, found.mask[:])
	return found, err
}

func readPayload(from *bufio.Reader, found header) ([]byte, error) {
	payload := make([]byte, found.size)
	if _, err := io.ReadFull(from, payload); err != nil {
		return nil, err
	}
	unmask(payload, found.mask)
	return payload, nil
}

// unmask undoes the mask of a client's payload (RFC 6455, 5.3), eight bytes at a time.
func unmask(payload []byte, mask [4]byte) {
	four := uint64(binary.LittleEndian.Uint32(mask[:]))
	eight := four | four<<32
	i := 0
	for ; i+8 <= len(payload); i += 8 {
		binary.LittleEndian.PutUint64(payload[i:], binary.LittleEndian.Uint64(payload[i:])^eight)
	}
	for ; i < len(payload); i++ {
		payload[i] ^= mask[i%4]
	}
}

// assembly joins the frames of a message.
type assembly struct {
	opcode    byte
	data      []byte
	fragments int
}

// add takes a data frame, and returns the message when it is whole.
func (a *assembly) add(found header, payload []byte) (opcode byte, data []byte, whole bool, err error) {
	if (found.opcode == opContinuation) != (a.fragments > 0) {
		return 0, nil, false, closeError(closeProtocolError)
	}
	if a.fragments == 0 {
		a.opcode, a.data = found.opcode, payload
	} else {
		a.data = append(a.data, payload...)
	}
	a.fragments++
	if len(a.data) > mostFrame || a.fragments > mostFragments {
		return 0, nil, false, closeError(closeTooBig)
	}
	if !found.final {
		return 0, nil, false, nil
	}
	opcode, data = a.opcode, a.data
	*a = assembly{}
	if opcode == opText && !utf8.Valid(data) {
		return 0, nil, false, closeError(closeInvalidData)
	}
	return opcode, data, true, nil
}

// closeCode returns the code to answer a close frame with: its own, or none if it has none.
func closeCode(payload []byte) (int, error) {
	if len(payload) == 0 {
		return closeNoStatus, nil
	}
	if len(payload) == 1 || !utf8.Valid(payload[2:]) {
		return 0, closeError(closeProtocolError)
	}
	code := int(binary.BigEndian.Uint16(payload))
	valid := code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006 || code >= 3000 && code <= 4999
	if !valid {
		return 0, closeError(closeProtocolError)
	}
	return code, nil
}

// codeOf returns the close code for an error of a connection, 0 if it is none of the protocol.
func codeOf(err error) int {
	var code closeError
	if errors.As(err, &code) {
		return int(code)
	}
	return 0
}
