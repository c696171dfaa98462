package gateway

import (
	"context"
	"time"
)

// alivePath is what every server of the protocol answers without doing any work.
const alivePath = "/v2/health/live"

// isAlive asks a node for a sign of life, on a connection of its own; nil = it has said something, whatever that is.
func isAlive(ctx context.Context, via dialer) error {
	c, err := via.dial(ctx, time.Time{})
	if err != nil {
		return err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(longAgo) })
	defer stop()
	request := "GET " + alivePath + " HTTP/1.1\r\nHost: " + via.address + "\r\nUser-Agent: ganglion-probe\r\nConnection: close\r\n\r\n"
	if _, err := c.Write([]byte(request)); err != nil {
		return err
	}
	_, err = c.Read(make([]byte, 1))
	return err
}
