package hop

import (
	"errors"
	"syscall"
)

// isReset says whether the peer closed with bytes unread.
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
