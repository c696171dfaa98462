package rpc

import (
	"context"

	"ganglion/internal/oip"
	"ganglion/internal/oip/pb"
)

// The calls below are known and not offered, and refused with the reason that REST gives. The generated stubs would say only
// that they are not implemented.

// SystemSharedMemoryStatus implements the protocol.
func (calls) SystemSharedMemoryStatus(context.Context, *pb.SystemSharedMemoryStatusRequest) (*pb.SystemSharedMemoryStatusResponse, error) {
	return nil, oip.RefuseCall(oip.CallSharedMemoryStatus)
}

// SystemSharedMemoryRegister implements the protocol.
func (calls) SystemSharedMemoryRegister(context.Context, *pb.SystemSharedMemoryRegisterRequest) (*pb.SystemSharedMemoryRegisterResponse, error) {
	return nil, oip.RefuseCall(oip.CallSharedMemoryChange)
}

// SystemSharedMemoryUnregister implements the protocol.
func (calls) SystemSharedMemoryUnregister(context.Context, *pb.SystemSharedMemoryUnregisterRequest) (*pb.SystemSharedMemoryUnregisterResponse, error) {
	return nil, oip.RefuseCall(oip.CallSharedMemoryChange)
}

// CudaSharedMemoryStatus implements the protocol.
func (calls) CudaSharedMemoryStatus(context.Context, *pb.CudaSharedMemoryStatusRequest) (*pb.CudaSharedMemoryStatusResponse, error) {
	return nil, oip.RefuseCall(oip.CallSharedMemoryStatus)
}

// CudaSharedMemoryRegister implements the protocol.
func (calls) CudaSharedMemoryRegister(context.Context, *pb.CudaSharedMemoryRegisterRequest) (*pb.CudaSharedMemoryRegisterResponse, error) {
	return nil, oip.RefuseCall(oip.CallSharedMemoryChange)
}

// CudaSharedMemoryUnregister implements the protocol.
func (calls) CudaSharedMemoryUnregister(context.Context, *pb.CudaSharedMemoryUnregisterRequest) (*pb.CudaSharedMemoryUnregisterResponse, error) {
	return nil, oip.RefuseCall(oip.CallSharedMemoryChange)
}

// TraceSetting implements the protocol.
func (calls) TraceSetting(context.Context, *pb.TraceSettingRequest) (*pb.TraceSettingResponse, error) {
	return nil, oip.RefuseCall(oip.CallTraceSetting)
}

// LogSettings implements the protocol.
func (calls) LogSettings(context.Context, *pb.LogSettingsRequest) (*pb.LogSettingsResponse, error) {
	return nil, oip.RefuseCall(oip.CallLogSetting)
}
