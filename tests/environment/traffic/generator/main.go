// Command load sends HTTP requests to one address and counts the ones that fail.
//
// A request that was sent is never sent again: what a client library would hide by a retry counts as failed. A
// connection that the server has closed while it was idle is replaced before a request is sent on it.
//
// Standard input takes lines "rate N" (requests per second of each kind of client). Its end stops the load, as soon as
// each kind has sent -requests; after -seconds it stops anyway. The result is JSON on standard output.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	timeout   = 10 * time.Second
	maxErrors = 20
)

// kind is one way to use connections, with its counts.
type kind struct {
	name      string
	keepAlive bool
	maxAge    time.Duration // a connection is replaced at this age; 0: never
	saturate  bool          // the next request is sent immediately after a response

	sent     atomic.Int64
	mutex    sync.Mutex
	failures []failure
	failed   int
	times    []time.Duration
	opened   int
	closed   int // connections that the server closed while they were idle
}

type failure struct {
	Second float64 `json:"second"`
	Reused bool    `json:"reused"`
	Error  string  `json:"error"`
}

type result struct {
	Requests    int64     `json:"requests"`
	Failed      int       `json:"failed"`
	P50         float64   `json:"p50"`
	P99         float64   `json:"p99"`
	Max         float64   `json:"max"`
	Connections int       `json:"connections"`
	ClosedIdle  int       `json:"closedIdle"`
	Failures    []failure `json:"failures"`
}

// load is the state that all clients share.
type load struct {
	address, request string
	clients          int
	minimum          int64
	rate             atomic.Int64
	started          time.Time
	finishing        atomic.Bool
	stopped          atomic.Bool
}

func main() {
	address := flag.String("address", "", "host and port of the Service")
	path := flag.String("path", "/", "path to request")
	clients := flag.Int("clients", 8, "concurrent clients of each kind")
	rate := flag.Int64("rate", 400, "requests per second of each kind")
	minimum := flag.Int64("requests", 10000, "requests of each kind before the load may end")
	seconds := flag.Int("seconds", 180, "end after this time in any case")
	saturate := flag.Bool("saturate", false, "let clients of the kind keep-alive ignore the rate")
	maxAge := flag.Duration("max-age", 0, "add a kind of client that replaces its connections at this age")
	flag.Parse()

	kinds := []*kind{{name: "keep-alive", keepAlive: true, saturate: *saturate}, {name: "new connections"}}
	if *maxAge > 0 {
		kinds = append(kinds, &kind{name: "keep-alive, limited age", keepAlive: true, maxAge: *maxAge})
	}
	state := &load{address: *address, clients: *clients, minimum: *minimum, started: time.Now()}
	state.request = "GET " + *path + " HTTP/1.1\r\nHost: " + *address + "\r\n"
	state.rate.Store(*rate)
	go state.readCommands()
	time.AfterFunc(time.Duration(*seconds)*time.Second, func() { state.stopped.Store(true) })
	var running sync.WaitGroup
	for _, kind := range kinds {
		for index := range *clients {
			running.Go(func() { (&client{load: state, kind: kind}).run(index) })
		}
	}
	running.Wait()
	results := map[string]result{}
	for _, kind := range kinds {
		results[kind.name] = kind.result()
	}
	if err := json.NewEncoder(os.Stdout).Encode(results); err != nil {
		os.Exit(1)
	}
}

func (state *load) readCommands() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var rate int64
		if _, err := fmt.Sscanf(lines.Text(), "rate %d", &rate); err == nil && rate > 0 {
			state.rate.Store(rate)
		}
	}
	state.finishing.Store(true)
}

func (state *load) isOver(kind *kind) bool {
	return state.stopped.Load() || state.finishing.Load() && kind.sent.Load() >= state.minimum
}

// client sends one request after the other.
type client struct {
	load   *load
	kind   *kind
	conn   net.Conn
	reader *bufio.Reader
	opened time.Time
	used   bool
}

func (c *client) run(index int) {
	// The clients start one after the other, and then each keeps its own pace.
	interval := time.Duration(c.load.clients) * time.Second / time.Duration(c.load.rate.Load())
	next := time.Now().Add(interval * time.Duration(index) / time.Duration(c.load.clients))
	for !c.load.isOver(c.kind) {
		if !c.kind.saturate {
			time.Sleep(time.Until(next))
		}
		c.kind.sent.Add(1)
		began := time.Now()
		err := c.exchange()
		c.kind.count(time.Since(began), began.Sub(c.load.started), c.used, err)
		c.used = true
		if err != nil || !c.kind.keepAlive {
			c.close()
		}
		interval = time.Duration(c.load.clients) * time.Second / time.Duration(c.load.rate.Load())
		// A client that is late does not catch up: that would be a burst.
		next = later(next.Add(interval), time.Now())
	}
	c.close()
}

func later(one, other time.Time) time.Time {
	if one.After(other) {
		return one
	}
	return other
}

// exchange sends one request and reads its response.
func (c *client) exchange() error {
	if err := c.connect(); err != nil {
		return err
	}
	if err := c.conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	ending := "\r\n"
	if !c.kind.keepAlive {
		ending = "Connection: close\r\n\r\n"
	}
	if _, err := io.WriteString(c.conn, c.load.request+ending); err != nil {
		return err
	}
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.Close {
		c.close()
	}
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	return nil
}

// connect makes sure that there is a connection that the server has not closed.
func (c *client) connect() error {
	if c.conn != nil && isClosed(c.conn) {
		c.kind.mutex.Lock()
		c.kind.closed++
		c.kind.mutex.Unlock()
		c.close()
	}
	if c.conn != nil && c.kind.maxAge > 0 && time.Since(c.opened) > c.kind.maxAge {
		c.close()
	}
	if c.conn != nil {
		return nil
	}
	c.used = false
	conn, err := net.DialTimeout("tcp", c.load.address, timeout)
	if err != nil {
		return err
	}
	c.conn, c.reader, c.opened = conn, bufio.NewReader(conn), time.Now()
	c.kind.mutex.Lock()
	c.kind.opened++
	c.kind.mutex.Unlock()
	return nil
}

// isClosed looks into the socket without waiting: anything to read on an idle connection is its end.
func isClosed(conn net.Conn) bool {
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return true
	}
	var found error
	err = raw.Read(func(descriptor uintptr) bool {
		_, _, found = syscall.Recvfrom(int(descriptor), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		return true
	})
	return err != nil || !errors.Is(found, syscall.EAGAIN)
}

func (c *client) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

func (k *kind) count(taken, since time.Duration, reused bool, err error) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	k.times = append(k.times, taken)
	if err == nil {
		return
	}
	k.failed++
	if len(k.failures) < maxErrors {
		k.failures = append(k.failures, failure{since.Seconds(), reused, lastPart(err)})
	}
}

// lastPart returns an error without the addresses of its connection, which differ between runs.
func lastPart(err error) string {
	parts := strings.Split(err.Error(), ": ")
	return strings.Join(parts[max(0, len(parts)-2):], ": ")
}

func (k *kind) result() result {
	slices.Sort(k.times)
	return result{
		Requests: k.sent.Load(), Failed: k.failed, Connections: k.opened, ClosedIdle: k.closed, Failures: k.failures,
		P50: k.milliseconds(0.5), P99: k.milliseconds(0.99), Max: k.milliseconds(1),
	}
}

func (k *kind) milliseconds(quantile float64) float64 {
	if len(k.times) == 0 {
		return 0
	}
	index := min(int(quantile*float64(len(k.times))), len(k.times)-1)
	return float64(k.times[index].Microseconds()) / 1000
}
