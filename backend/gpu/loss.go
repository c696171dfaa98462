package gpu

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// fatal are the critical errors, by their Xid, after which a GPU does no more work until it is reset. The many others tell
// of a program that has failed, of somebody else's, or of repairs; should they concern us, CUDA tells.
var fatal = map[uint64]string{
	48:  "double bit ECC error",
	62:  "internal micro-controller halt",
	79:  "the GPU has fallen off the bus",
	95:  "uncontained ECC error",
	119: "the GPU's system processor does not answer",
	120: "error of the GPU's system processor",
	140: "unrecovered ECC error",
	143: "the GPU cannot be initialized",
}

// gone reports whether an answer of NVML means that the GPU is not there any more.
func gone(ret nvml.Return) bool {
	return ret == nvml.ERROR_GPU_IS_LOST || ret == nvml.ERROR_RESET_REQUIRED || ret == nvml.ERROR_GPU_NOT_FOUND
}

// mostEvents bounds how many are read at a time: a GPU that is falling apart sends them without end.
const mostEvents = 64

// readEvents takes in what critical errors there have been.
func (m *Monitor) readEvents() {
	if m.events == nil {
		return
	}
	for range mostEvents {
		event, ret := m.events.Wait(0)
		if ret != nvml.SUCCESS {
			return // none, or the GPU is gone, which has been seen
		}
		if event.EventType != nvml.EventTypeXidCriticalError {
			continue
		}
		uuid, _ := event.Device.GetUUID()
		xid := "Xid " + strconv.FormatUint(event.EventData, 10)
		if reason, ok := fatal[event.EventData]; ok {
			m.loseOrWarn(uuid, xid+": "+reason)
		} else {
			m.warn("a GPU reports an error that it survives", uuid, xid)
		}
	}
}

// loseOrWarn gives the node up if the engine uses the GPU.
func (m *Monitor) loseOrWarn(uuid, reason string) {
	if !m.used(uuid) {
		m.warn("a GPU that the engine does not use is lost", uuid, reason)
		return
	}
	err := fmt.Errorf("GPU %s is lost: %s", uuid, reason)
	m.lost.CompareAndSwap(nil, &err)
}

// used reports whether the engine uses a GPU.
func (m *Monitor) used(uuid string) bool {
	return slices.ContainsFunc(m.cfg.Used(), func(number int) bool { return m.uuidOf(number) == uuid })
}

// uuidOf is the UUID of the GPU that CUDA gives a number, which depends on CUDA_VISIBLE_DEVICES and CUDA_DEVICE_ORDER; ""
// where it cannot be told.
func (m *Monitor) uuidOf(number int) string {
	if uuid, ok := m.numbers[number]; ok {
		return uuid
	}
	uuid := ""
	bus, err := busOf(m.cfg.CUDA, number)
	if err == nil {
		handle, ret := m.nvml.DeviceGetHandleByPciBusId(bus)
		if ret == nvml.SUCCESS {
			uuid, ret = handle.GetUUID()
		}
		if ret != nvml.SUCCESS {
			err = fmt.Errorf("NVML does not know PCI bus %s: %s", bus, text(ret))
		}
	}
	if err != nil {
		m.cfg.Log.Warn("cannot tell which GPU is which: its loss will show only when a run fails", "cuda", number, "reason", err)
	}
	m.numbers[number] = uuid
	return uuid
}

// warn writes a log line, once for each GPU and reason.
func (m *Monitor) warn(what, uuid, reason string) {
	key := uuid + " " + reason
	if _, done := m.warned[key]; !done {
		m.warned[key] = struct{}{}
		m.cfg.Log.Warn(what, "gpu_uuid", uuid, "reason", reason)
	}
}

// text is NVML's word for an answer. Asking NVML would not do for the answer that there is no NVML.
func text(ret nvml.Return) string { return nvml.ErrorString(ret) }
