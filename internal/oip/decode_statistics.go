package oip

import (
	"slices"
	"strconv"
)

// ParseStatistics reads {"model_stats":[…]} as any server of the protocol sends it.
func ParseStatistics(body []byte) ([]ModelStatistics, error) {
	d := newAdminDecoder(body)
	var stats []ModelStatistics
	err := d.members("the answer", func(name string) error {
		if name != "model_stats" {
			return d.s.skip()
		}
		return listInto(&d, &stats, name, d.statistics)
	})
	if err == nil {
		err = d.s.end()
	}
	if err == nil && stats == nil {
		err = invalid("it has no \"model_stats\"")
	}
	if err != nil {
		return nil, Errorf(Internal, "cannot read statistics: %v", err)
	}
	return stats, nil
}

// statistics reads one entry of "model_stats".
func (d *decoder) statistics(s *ModelStatistics) error {
	err := d.members("an entry of \"model_stats\"", func(name string) error {
		switch name {
		case "name":
			return d.textInto(&s.Name, name)
		case "version":
			return d.textInto(&s.Version, name)
		case "last_inference":
			return numberInto(d, &s.LastInference, name)
		case "inference_count":
			return numberInto(d, &s.InferenceCount, name)
		case "execution_count":
			return numberInto(d, &s.ExecutionCount, name)
		case "inference_stats":
			return d.members(`"inference_stats"`, func(stage string) error {
				if i := slices.Index(stageNames[:], stage); i >= 0 {
					return d.duration(s.Inference.stages()[i], stage)
				}
				return d.s.skip()
			})
		case "batch_stats":
			return listInto(d, &s.Batches, name, d.batchStatistics)
		case "memory_usage":
			return listInto(d, &s.Memory, name, d.memoryUsage)
		default:
			return d.s.skip()
		}
	})
	if err == nil && s.Name == "" {
		err = invalid("an entry of \"model_stats\" has no \"name\"")
	}
	return err
}

// duration reads {"count":n,"ns":n}.
func (d *decoder) duration(to *StatisticDuration, what string) error {
	return d.members(strconv.Quote(what), func(name string) error {
		switch name {
		case "count":
			return numberInto(d, &to.Count, name)
		case "ns":
			return numberInto(d, &to.NS, name)
		default:
			return d.s.skip()
		}
	})
}

// batchStatistics reads an entry of "batch_stats".
func (d *decoder) batchStatistics(b *BatchStatistics) error {
	return d.members("an entry of \"batch_stats\"", func(name string) error {
		switch name {
		case "batch_size":
			return numberInto(d, &b.BatchSize, name)
		case "compute_input":
			return d.duration(&b.ComputeInput, name)
		case "compute_infer":
			return d.duration(&b.ComputeInfer, name)
		case "compute_output":
			return d.duration(&b.ComputeOutput, name)
		default:
			return d.s.skip()
		}
	})
}

// memoryUsage reads an entry of "memory_usage".
func (d *decoder) memoryUsage(m *MemoryUsage) error {
	return d.members("an entry of \"memory_usage\"", func(name string) error {
		switch name {
		case "type":
			return d.textInto(&m.Type, name)
		case "id":
			return numberInto(d, &m.ID, name)
		case "byte_size":
			return numberInto(d, &m.ByteSize, name)
		default:
			return d.s.skip()
		}
	})
}
