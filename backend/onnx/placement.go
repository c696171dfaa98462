package onnx

import (
	"fmt"

	"ganglion/backend"
)

// placement is a number of instances on one device.
type placement struct {
	device device
	count  int
}

// mostInstances bounds what is opened for one model, before anything is: each instance on a GPU costs a copy of the weights,
// and a count read from a file may have a digit too many.
const mostInstances = 1024

// place turns what a model asks for into instances on devices.
func (e *Engine) place(groups []backend.InstanceGroup) ([]placement, error) {
	if len(groups) == 0 {
		groups = []backend.InstanceGroup{{}}
	}
	var places []placement
	total := 0
	for _, group := range groups {
		devices, err := e.devicesOf(group)
		if err != nil {
			return nil, err
		}
		for _, d := range devices {
			p := placement{d, group.Count}
			switch {
			case p.count < 0:
				return nil, fmt.Errorf("%d instances on %s: must not be negative", p.count, d)
			case p.count == 0 && d.isGPU():
				p.count = 1
			case p.count == 0:
				p.count = e.runs
			}
			if total += p.count; total > mostInstances {
				return nil, fmt.Errorf("more than %d instances of one model", mostInstances)
			}
			places = append(places, p)
		}
	}
	return places, nil
}

// devicesOf are the devices that a group has its instances on.
func (e *Engine) devicesOf(group backend.InstanceGroup) ([]device, error) {
	provider := group.Provider
	switch provider {
	case backend.OwnProvider:
		provider = e.device.provider
	case backend.CPU, backend.CUDA, backend.TensorRT:
	default:
		return nil, fmt.Errorf(`instances on provider %q: want "cpu", "cuda" or "tensorrt"`, provider)
	}
	switch {
	case provider == backend.CPU && len(group.GPUs) > 0:
		return nil, fmt.Errorf("instances on the CPU that name GPUs %d", group.GPUs)
	case provider == backend.CPU:
		return []device{onCPU}, nil
	case len(group.GPUs) == 0:
		return []device{{provider, e.device.gpu}}, nil
	}
	var devices []device
	for _, gpu := range group.GPUs {
		if gpu < 0 {
			return nil, fmt.Errorf("instances on GPU %d: GPUs are numbered from 0", gpu)
		}
		devices = append(devices, device{provider, gpu})
	}
	return devices, nil
}
