package rpcwire

import (
	"ganglion/internal/oip"
	"ganglion/internal/oip/pb"
)

// ServerMetadata returns m as a message.
func ServerMetadata(m *oip.ServerMetadata) *pb.ServerMetadataResponse {
	return &pb.ServerMetadataResponse{Name: m.Name, Version: m.Version, Extensions: m.Extensions}
}

// ModelMetadata returns m as a message.
func ModelMetadata(m *oip.ModelMetadata) *pb.ModelMetadataResponse {
	return &pb.ModelMetadataResponse{
		Name:     m.Name,
		Versions: m.Versions,
		Platform: m.Platform,
		Inputs:   tensorMetadata(m.Inputs),
		Outputs:  tensorMetadata(m.Outputs),
	}
}

func tensorMetadata(tensors []oip.TensorMetadata) []*pb.ModelMetadataResponse_TensorMetadata {
	list := make([]*pb.ModelMetadataResponse_TensorMetadata, len(tensors))
	for i, t := range tensors {
		list[i] = &pb.ModelMetadataResponse_TensorMetadata{Name: t.Name, Datatype: t.Datatype.String(), Shape: t.Shape}
	}
	return list
}

// Index returns the entries of a repository index as a message.
func Index(entries []oip.IndexEntry) *pb.RepositoryIndexResponse {
	models := make([]*pb.RepositoryIndexResponse_ModelIndex, len(entries))
	for i, e := range entries {
		models[i] = &pb.RepositoryIndexResponse_ModelIndex{
			Name: e.Name, Version: e.Version, State: string(e.State), Reason: utf8Only(e.Reason),
		}
	}
	return &pb.RepositoryIndexResponse{Models: models}
}

// Statistics returns the statistics of some model versions as a message.
func Statistics(stats []oip.ModelStatistics) *pb.ModelStatisticsResponse {
	list := make([]*pb.ModelStatistics, len(stats))
	for i := range stats {
		s := &stats[i]
		list[i] = &pb.ModelStatistics{
			Name: s.Name, Version: s.Version, LastInference: s.LastInference,
			InferenceCount: s.InferenceCount, ExecutionCount: s.ExecutionCount,
			InferenceStats: inferenceStatistics(&s.Inference),
			BatchStats:     batchStatistics(s.Batches),
			MemoryUsage:    memoryUsage(s.Memory),
		}
	}
	return &pb.ModelStatisticsResponse{ModelStats: list}
}

// inferenceStatistics has every stage, also those that never happened: clients read all of them.
func inferenceStatistics(s *oip.InferenceStatistics) *pb.InferStatistics {
	return &pb.InferStatistics{
		Success:       duration(s.Success),
		Fail:          duration(s.Fail),
		Queue:         duration(s.Queue),
		ComputeInput:  duration(s.ComputeInput),
		ComputeInfer:  duration(s.ComputeInfer),
		ComputeOutput: duration(s.ComputeOutput),
		CacheHit:      duration(s.CacheHit),
		CacheMiss:     duration(s.CacheMiss),
	}
}

func batchStatistics(batches []oip.BatchStatistics) []*pb.InferBatchStatistics {
	list := make([]*pb.InferBatchStatistics, len(batches))
	for i, b := range batches {
		list[i] = &pb.InferBatchStatistics{
			BatchSize:     b.BatchSize,
			ComputeInput:  duration(b.ComputeInput),
			ComputeInfer:  duration(b.ComputeInfer),
			ComputeOutput: duration(b.ComputeOutput),
		}
	}
	return list
}

func memoryUsage(usage []oip.MemoryUsage) []*pb.MemoryUsage {
	list := make([]*pb.MemoryUsage, len(usage))
	for i, u := range usage {
		list[i] = &pb.MemoryUsage{Type: u.Type, Id: u.ID, ByteSize: u.ByteSize}
	}
	return list
}

func duration(d oip.StatisticDuration) *pb.StatisticDuration {
	return &pb.StatisticDuration{Count: d.Count, Ns: d.NS}
}
