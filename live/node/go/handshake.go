package main

import (
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
)

// The opening handshake of RFC 6455, section 4.2.

// acceptGUID is appended to the client's key (RFC 6455, 1.3).
const acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// acceptValue returns the Sec-WebSocket-Accept of a key.
func acceptValue(key string) string {
	sum := sha1.Sum([]byte(key + acceptGUID))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// hasToken tells whether a list of comma-separated words has one, whatever its case.
func hasToken(lines []string, token string) bool {
	for _, line := range lines {
		for _, word := range strings.Split(line, ",") {
			if strings.EqualFold(strings.TrimSpace(word), token) {
				return true
			}
		}
	}
	return false
}

// refusal is an answer other than 101.
type refusal struct {
	status int
	text   string
	header string // a further line, with its end
}

// refuse returns why a request is no handshake that this server takes; nil if it is one.
func refuse(request *http.Request) *refusal {
	header := request.Header
	key := header["Sec-Websocket-Key"]
	switch {
	case request.Method != http.MethodGet || !request.ProtoAtLeast(1, 1):
		return &refusal{http.StatusBadRequest, "a handshake is a GET of HTTP/1.1", ""}
	case !hasToken(header["Upgrade"], "websocket"):
		return &refusal{http.StatusUpgradeRequired, "the header Upgrade must be websocket", "Upgrade: websocket\r\n"}
	case !hasToken(header["Connection"], "upgrade"):
		return &refusal{http.StatusBadRequest, "the header Connection must be Upgrade", ""}
	case header.Get("Sec-Websocket-Version") != "13":
		return &refusal{http.StatusUpgradeRequired, "the version must be 13", "Sec-WebSocket-Version: 13\r\n"}
	case len(key) != 1 || !isKey(key[0]):
		return &refusal{http.StatusBadRequest, "the header Sec-WebSocket-Key must be 16 bytes in base64", ""}
	case len(header["Origin"]) > 0: // a browser always sends one, the lab's clients do not: see live/node/base.py
		return &refusal{http.StatusForbidden, "no page of a browser may connect", ""}
	}
	return nil
}

func isKey(key string) bool {
	found, err := base64.StdEncoding.DecodeString(key)
	return err == nil && len(found) == 16
}

// switching returns the answer 101 of a node.
func switching(key string, node int) []byte {
	return fmt.Appendf(nil, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Accept: %s\r\nX-Node: %d\r\n\r\n", acceptValue(key), node)
}

// answer returns another answer, after which the connection is closed.
func answer(status int, text, header string) []byte {
	return fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n"+
		"Connection: close\r\n%s\r\n%s\n", status, http.StatusText(status), len(text)+1, header, text)
}
