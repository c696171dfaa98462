package oip

// AppendStatistics appends {"model_stats":[…]}, the answer to GET …/stats.
func AppendStatistics(dst []byte, stats []ModelStatistics) []byte {
	w := jsonWriter{buf: dst, first: true}
	w.object("", func() {
		w.list("model_stats", func() {
			for i := range stats {
				w.object("", func() { w.statistics(&stats[i]) })
			}
		})
	})
	return w.buf
}

// statistics writes the members of one entry, all of them: perf_analyzer aborts where one is missing.
func (w *jsonWriter) statistics(s *ModelStatistics) {
	w.text("name", s.Name)
	w.text("version", s.Version)
	w.count("last_inference", s.LastInference)
	w.count("inference_count", s.InferenceCount)
	w.count("execution_count", s.ExecutionCount)
	w.object("inference_stats", func() {
		for i, d := range s.Inference.stages() {
			w.duration(stageNames[i], *d)
		}
	})
	w.list("batch_stats", func() {
		for _, b := range s.Batches {
			w.object("", func() {
				w.count("batch_size", b.BatchSize)
				w.duration("compute_input", b.ComputeInput)
				w.duration("compute_infer", b.ComputeInfer)
				w.duration("compute_output", b.ComputeOutput)
			})
		}
	})
	w.list("memory_usage", func() {
		for _, m := range s.Memory {
			w.object("", func() {
				w.text("type", m.Type)
				w.number("id", m.ID)
				w.count("byte_size", m.ByteSize)
			})
		}
	})
}

func (w *jsonWriter) duration(name string, d StatisticDuration) {
	w.object(name, func() {
		w.count("count", d.Count)
		w.count("ns", d.NS)
	})
}
