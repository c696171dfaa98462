package gpu

import (
	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/prometheus/client_golang/prometheus"
)

// quantity is one thing to know of a GPU.
type quantity int

const (
	utilization quantity = iota
	memoryTotal
	memoryUsed
	powerUsage
	powerLimit
	energy
	quantities
)

// series are the metrics, named as Triton names them and in its units.
var series = [quantities]struct {
	name, help string
	kind       prometheus.ValueType
}{
	utilization: {"nv_gpu_utilization", "Share of the time in which the GPU ran something, 0 to 1.", prometheus.GaugeValue},
	memoryTotal: {"nv_gpu_memory_total_bytes", "Memory that the GPU has.", prometheus.GaugeValue},
	memoryUsed:  {"nv_gpu_memory_used_bytes", "Memory of the GPU that is taken, by whomever.", prometheus.GaugeValue},
	powerUsage:  {"nv_gpu_power_usage", "Watts that the GPU takes.", prometheus.GaugeValue},
	powerLimit:  {"nv_gpu_power_limit", "Watts that the GPU may take.", prometheus.GaugeValue},
	energy:      {"nv_energy_consumption", "Joules that the GPU has taken since its driver was loaded.", prometheus.CounterValue},
}

// reading is what a GPU has answered.
type reading struct {
	value [quantities]float64
	known [quantities]bool // some GPUs, and parts of GPUs, do not tell everything
}

func (r *reading) set(q quantity, value float64, ret nvml.Return) {
	r.value[q], r.known[q] = value, ret == nvml.SUCCESS
}

// read asks a GPU everything. The answer to be judged by is that about memory, which every GPU gives.
func (d *device) read() (r reading, ret nvml.Return) {
	memory, ret := d.handle.GetMemoryInfo()
	if gone(ret) {
		return reading{}, ret // it would not answer the rest either, after as long a wait for each
	}
	r.set(memoryTotal, float64(memory.Total), ret)
	r.set(memoryUsed, float64(memory.Used), ret)
	busy, given := d.handle.GetUtilizationRates()
	r.set(utilization, float64(busy.Gpu)/100, given) // percent
	milliwatts, given := d.handle.GetPowerUsage()
	r.set(powerUsage, float64(milliwatts)/1000, given)
	milliwatts, given = d.handle.GetEnforcedPowerLimit()
	r.set(powerLimit, float64(milliwatts)/1000, given)
	millijoules, given := d.handle.GetTotalEnergyConsumption()
	r.set(energy, float64(millijoules)/1000, given)
	return r, ret
}

// desc describes a metric.
func desc(q quantity) *prometheus.Desc {
	return prometheus.NewDesc(series[q].name, series[q].help, []string{"gpu_uuid"}, nil)
}

// Describe describes the metrics.
func (m *Monitor) Describe(ch chan<- *prometheus.Desc) {
	for q := range quantities {
		ch <- desc(q)
	}
}

// Collect gives what the GPUs have last answered.
func (m *Monitor) Collect(ch chan<- prometheus.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for uuid, r := range m.readings {
		for q := range quantities {
			if r.known[q] {
				ch <- prometheus.MustNewConstMetric(desc(q), series[q].kind, r.value[q], uuid)
			}
		}
	}
}
