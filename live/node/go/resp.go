package main

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"
)

// A connection to a Redis or Valkey server, as live/control/resp.py: commands are pipelined, replies come in order.

const mostReply = 1 << 29 // bytes of one text, as there

// replyError is an error that the server answers with.
type replyError string

func (e replyError) Error() string { return string(e) }

// appendCommand adds a command as the server reads it.
func appendCommand(out []byte, parts ...string) []byte {
	out = fmt.Appendf(out, "*%d\r\n", len(parts))
	for _, part := range parts {
		out = fmt.Appendf(out, "$%d\r\n", len(part))
		out = append(append(out, part...), '\r', '\n')
	}
	return out
}

// readReply returns an int64, []byte (nil for none), []any, or an error of the server as a replyError.
func readReply(from *bufio.Reader) (any, error) {
	line, err := from.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	if len(line) < 3 || line[len(line)-2] != '\r' {
		return nil, errors.New("protocol")
	}
	kind, text := line[0], string(line[1:len(line)-2])
	if kind == '+' {
		return []byte(text), nil
	}
	if kind == '-' {
		return replyError(text), nil
	}
	size, err := strconv.ParseInt(text, 10, 64)
	if err != nil || size > mostReply {
		return nil, errors.New("protocol")
	}
	switch {
	case kind == ':':
		return size, nil
	case kind == '$' && size < 0:
		return []byte(nil), nil
	case kind == '$':
		data := make([]byte, size+2)
		if _, err := io.ReadFull(from, data); err != nil {
			return nil, err
		}
		return data[:size], nil
	case kind == '*' && size < 0:
		return []any(nil), nil
	case kind == '*':
		items := make([]any, 0, min(size, 1024))
		for range size {
			item, err := readReply(from)
			if err != nil {
				return nil, err
			}
			items = append(items, item)
		}
		return items, nil
	}
	return nil, errors.New("protocol")
}

// link is one connection.
type link struct {
	socket net.Conn
	from   *bufio.Reader
}

// address is where the server is and as whom to log in, as `Address` of live/control/address.py.
type address struct {
	Host        string `json:"host"`
	Port        int    `json:"port"`
	Username    string `json:"username"`
	Password    string `json:"password"`
	DB          int    `json:"db"`
	Path        string `json:"path"`
	TLS         bool   `json:"tls"`
	ServerName  string `json:"server_name"`
	Verify      string `json:"verify"`
	CheckName   bool   `json:"check_name"`
	Authorities string `json:"authorities"`
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
}

func (a address) dial(timeout time.Duration) (net.Conn, error) {
	if a.Path != "" {
		return net.DialTimeout("unix", a.Path, timeout)
	}
	where, dialer := net.JoinHostPort(a.Host, strconv.Itoa(a.Port)), &net.Dialer{Timeout: timeout}
	if !a.TLS {
		return dialer.Dial("tcp", where)
	}
	config, err := a.tlsConfig()
	if err != nil {
		return nil, err
	}
	return tls.DialWithDialer(dialer, "tcp", where, config)
}

// open connects, logs in, and tells the server the connection's name and the scripts.
func (a address) open(name string, scripts map[string]string, timeout time.Duration) (*link, error) {
	socket, err := a.dial(timeout)
	if err != nil {
		return nil, err
	}
	l := &link{socket, bufio.NewReaderSize(socket, 16*1024)}
	var first [][]string
	if a.Password != "" && a.Username != "" {
		first = append(first, []string{"AUTH", a.Username, a.Password})
	} else if a.Password != "" {
		first = append(first, []string{"AUTH", a.Password})
	}
	if a.DB != 0 {
		first = append(first, []string{"SELECT", strconv.Itoa(a.DB)})
	}
	first = append(first, []string{"CLIENT", "SETNAME", name})
	for _, script := range scripts {
		first = append(first, []string{"SCRIPT", "LOAD", script})
	}
	replies, err := l.ask(timeout, first...)
	if err == nil {
		err = firstError(replies)
	}
	if err != nil {
		socket.Close()
		return nil, err
	}
	return l, nil
}

// ask sends some commands in one go and returns their replies; errors of the server are among them.
func (l *link) ask(timeout time.Duration, commands ...[]string) ([]any, error) {
	var out []byte
	for _, command := range commands {
		out = appendCommand(out, command...)
	}
	l.socket.SetDeadline(time.Now().Add(timeout))
	defer l.socket.SetDeadline(time.Time{})
	if _, err := l.socket.Write(out); err != nil {
		return nil, err
	}
	replies := make([]any, len(commands))
	for i := range replies {
		reply, err := readReply(l.from)
		if err != nil {
			return nil, err
		}
		replies[i] = reply
	}
	return replies, nil
}

func firstError(replies []any) error {
	for _, reply := range replies {
		if failed, is := reply.(replyError); is {
			return failed
		}
	}
	return nil
}

// word returns one word for the reason of a broken link, as live/control/resp.py.
func word(err error) string {
	var failed replyError
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "timeout"
	case isRefused(err):
		return "refused"
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return "closed"
	case errors.As(err, &failed):
		return firstWord(string(failed))
	case err.Error() == "protocol":
		return "protocol"
	}
	return "reset"
}
