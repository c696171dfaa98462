// The part of ONNX Runtime's C API that Ganglion calls itself, and what it makes of it.
//
// The binding owns the library, the environment, sessions and their options. Runs are made here instead: the binding
// cannot return FP16 or scalar outputs that the runtime allocates, cuts strings at a NUL byte, hides error codes, and
// leaves pointers to Go memory in C after the call.

#ifndef GANGLION_ORT_H
#define GANGLION_ORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct OrtStatus OrtStatus;
typedef struct OrtSession OrtSession;
typedef struct OrtValue OrtValue;
typedef struct OrtRunOptions OrtRunOptions;
typedef struct OrtMemoryInfo OrtMemoryInfo;
typedef struct OrtAllocator OrtAllocator;
typedef struct OrtKeyValuePairs OrtKeyValuePairs;
typedef struct OrtTypeInfo OrtTypeInfo;
typedef struct OrtTensorTypeAndShapeInfo OrtTensorTypeAndShapeInfo;
typedef struct OrtEpAssignedSubgraph OrtEpAssignedSubgraph;
typedef struct OrtEpAssignedNode OrtEpAssignedNode;

// GN_ORT_FUNCTIONS lists X(name, place in the runtime's function table, result, parameters). The table only ever grows
// at its end, which is what makes one header serve newer libraries. TestFunctionTable has the C compiler compare every
// entry, place and signature, with the header that the binding carries.
#define GN_ORT_FUNCTIONS(X)                                                                                            \
	X(GetErrorCode, 1, unsigned, (const OrtStatus *))                                                              \
	X(GetErrorMessage, 2, const char *, (const OrtStatus *))                                                       \
	X(Run, 9, OrtStatus *,                                                                                         \
	  (OrtSession *, const OrtRunOptions *, const char *const *, const OrtValue *const *, size_t,                  \
	   const char *const *, size_t, OrtValue **))                                                                  \
	X(SessionGetInputCount, 30, OrtStatus *, (const OrtSession *, size_t *))                                       \
	X(SessionGetOutputCount, 31, OrtStatus *, (const OrtSession *, size_t *))                                      \
	X(SessionGetInputTypeInfo, 33, OrtStatus *, (const OrtSession *, size_t, OrtTypeInfo **))                      \
	X(SessionGetOutputTypeInfo, 34, OrtStatus *, (const OrtSession *, size_t, OrtTypeInfo **))                     \
	X(SessionGetInputName, 36, OrtStatus *, (const OrtSession *, size_t, OrtAllocator *, char **))                 \
	X(SessionGetOutputName, 37, OrtStatus *, (const OrtSession *, size_t, OrtAllocator *, char **))                \
	X(CreateRunOptions, 39, OrtStatus *, (OrtRunOptions **))                                                       \
	X(RunOptionsSetTerminate, 46, OrtStatus *, (OrtRunOptions *))                                                  \
	X(RunOptionsUnsetTerminate, 47, OrtStatus *, (OrtRunOptions *))                                                \
	X(CreateTensorAsOrtValue, 48, OrtStatus *,                                                                     \
	  (OrtAllocator *, const int64_t *, size_t, unsigned, OrtValue **))                                            \
	X(CreateTensorWithDataAsOrtValue, 49, OrtStatus *,                                                             \
	  (const OrtMemoryInfo *, void *, size_t, const int64_t *, size_t, unsigned, OrtValue **))                     \
	X(GetTensorMutableData, 51, OrtStatus *, (OrtValue *, void **))                                                \
	X(GetStringTensorDataLength, 53, OrtStatus *, (const OrtValue *, size_t *))                                    \
	X(CastTypeInfoToTensorInfo, 55, OrtStatus *, (const OrtTypeInfo *, const OrtTensorTypeAndShapeInfo **))        \
	X(GetOnnxTypeFromTypeInfo, 56, OrtStatus *, (const OrtTypeInfo *, unsigned *))                                 \
	X(GetTensorElementType, 60, OrtStatus *, (const OrtTensorTypeAndShapeInfo *, unsigned *))                      \
	X(GetDimensionsCount, 61, OrtStatus *, (const OrtTensorTypeAndShapeInfo *, size_t *))                          \
	X(GetDimensions, 62, OrtStatus *, (const OrtTensorTypeAndShapeInfo *, int64_t *, size_t))                      \
	X(GetSymbolicDimensions, 63, OrtStatus *, (const OrtTensorTypeAndShapeInfo *, const char **, size_t))          \
	X(GetTensorShapeElementCount, 64, OrtStatus *, (const OrtTensorTypeAndShapeInfo *, size_t *))                  \
	X(GetTensorTypeAndShape, 65, OrtStatus *, (const OrtValue *, OrtTensorTypeAndShapeInfo **))                    \
	X(CreateMemoryInfo, 68, OrtStatus *, (const char *, int, int, int, OrtMemoryInfo **))                          \
	X(CreateCpuMemoryInfo, 69, OrtStatus *, (int, int, OrtMemoryInfo **))                                          \
	X(AllocatorAlloc, 75, OrtStatus *, (OrtAllocator *, size_t, void **))                                          \
	X(AllocatorFree, 76, OrtStatus *, (OrtAllocator *, void *))                                                    \
	X(GetAllocatorWithDefaultOptions, 78, OrtStatus *, (OrtAllocator **))                                          \
	X(ReleaseStatus, 93, void, (OrtStatus *))                                                                      \
	X(ReleaseMemoryInfo, 94, void, (OrtMemoryInfo *))                                                              \
	X(ReleaseValue, 96, void, (OrtValue *))                                                                        \
	X(ReleaseRunOptions, 97, void, (OrtRunOptions *))                                                              \
	X(ReleaseTypeInfo, 98, void, (OrtTypeInfo *))                                                                  \
	X(ReleaseTensorTypeAndShapeInfo, 99, void, (OrtTensorTypeAndShapeInfo *))                                      \
	X(GetStringTensorElementLength, 127, OrtStatus *, (const OrtValue *, size_t, size_t *))                        \
	X(GetStringTensorElement, 128, OrtStatus *, (const OrtValue *, size_t, size_t, void *))                        \
	X(CreateAllocator, 131, OrtStatus *, (const OrtSession *, const OrtMemoryInfo *, OrtAllocator **))             \
	X(ReleaseAllocator, 132, void, (OrtAllocator *))                                                               \
	X(AddRunConfigEntry, 165, OrtStatus *, (OrtRunOptions *, const char *, const char *))                          \
	X(GetResizedStringTensorElementBuffer, 252, OrtStatus *, (OrtValue *, size_t, size_t, char **))                \
	X(GetKeyValue, 297, const char *, (const OrtKeyValuePairs *, const char *))                                    \
	X(ReleaseKeyValuePairs, 300, void, (OrtKeyValuePairs *))                                                       \
	X(AllocatorGetStats, 319, OrtStatus *, (const OrtAllocator *, OrtKeyValuePairs **))                            \
	X(TensorTypeAndShape_HasShape, 390, bool, (const OrtTensorTypeAndShapeInfo *))                                 \
	X(Session_GetEpGraphAssignmentInfo, 407, OrtStatus *,                                                          \
	  (const OrtSession *, const OrtEpAssignedSubgraph *const **, size_t *))                                       \
	X(EpAssignedSubgraph_GetEpName, 408, OrtStatus *, (const OrtEpAssignedSubgraph *, const char **))              \
	X(EpAssignedSubgraph_GetNodes, 409, OrtStatus *,                                                               \
	  (const OrtEpAssignedSubgraph *, const OrtEpAssignedNode *const **, size_t *))                                \
	X(EpAssignedNode_GetDomain, 411, OrtStatus *, (const OrtEpAssignedNode *, const char **))                      \
	X(EpAssignedNode_GetOperatorType, 412, OrtStatus *, (const OrtEpAssignedNode *, const char **))

// GN_API_VERSION is the table's version: what the binding asks for too, and the first to have all of the above.
#define GN_API_VERSION 24

// GN_MAX_RANK is the largest rank of a tensor here; the protocol's own limit.
#define GN_MAX_RANK 8

// gn_ort is one handle on the loaded library; read-only once open.
typedef struct {
	void *library;
	OrtAllocator *allocator; // the runtime's default one; not ours to free
	OrtMemoryInfo *memory;   // "this tensor lies in host memory"
#define GN_FIELD(name, place, result, parameters) result(*name) parameters;
	GN_ORT_FUNCTIONS(GN_FIELD)
#undef GN_FIELD
} gn_ort;

// gn_open loads the library at path and sets version to what it calls itself, "" for a library that is something else;
// the caller frees version. The result is 0 with out set, or why there is none.
enum { GN_OPEN, GN_NOT_LOADED, GN_NOT_ORT, GN_TOO_OLD, GN_NO_MEMORY };
int gn_open(const char *path, gn_ort **out, char **version);
void gn_close(gn_ort *ort);

// gn_spec is what a session says of one of its inputs or outputs. Strings belong to the spec.
typedef struct {
	char *name;
	unsigned kind;    // ONNXType: 1 is a tensor
	unsigned element; // ONNXTensorElementDataType
	bool ranked;      // a tensor that says how many dimensions it has
	size_t rank;
	int64_t shape[GN_MAX_RANK]; // -1: variable
	char *axes[GN_MAX_RANK];    // names of variable dimensions; NULL where there is none
} gn_spec;

OrtStatus *gn_counts(const gn_ort *ort, const OrtSession *session, size_t *inputs, size_t *outputs);
OrtStatus *gn_input_spec(const gn_ort *ort, const OrtSession *session, size_t i, gn_spec *spec);
OrtStatus *gn_output_spec(const gn_ort *ort, const OrtSession *session, size_t i, gn_spec *spec);
void gn_free_spec(gn_spec *spec);

// gn_node is an operator of a session that was made to record which provider got it. Strings are the session's.
typedef struct {
	const char *provider, *domain, *op;
} gn_node;

// gn_assigned sets nodes to an array of count, for the caller to free.
OrtStatus *gn_assigned(const gn_ort *ort, const OrtSession *session, gn_node **nodes, size_t *count);

// gn_tensor is a tensor on its way in or out of a run.
//
// In: memory, bytes, count, element and shape are set; strings are in wire layout, each element after its length as 32
// bits. Out: the same where the runtime shall write into memory, and memory 0 where it shall allocate; then gn_run sets
// result and the rest. Strings have no result: bytes is what they take in wire layout, and gn_take_strings writes them.
//
// memory is Go's, pinned for the run. It is a number and not a pointer because Go may not overwrite a stale Go pointer
// that it finds in C memory.
typedef struct {
	uintptr_t memory;
	uint64_t bytes;
	uint64_t count;
	int64_t shape[GN_MAX_RANK];
	size_t rank; // over GN_MAX_RANK: an output too deep for us, its shape not set
	unsigned element;
	const void *result;
	OrtValue *value;
} gn_tensor;

// gn_call is the room for one run at a time, kept between runs. It lies in C memory, so that Go hands over one pointer.
typedef struct {
	OrtRunOptions *options;
	size_t ins, outs; // room for as many inputs and outputs
	gn_tensor *in, *out;
	const char **in_names, **out_names;
	OrtValue **in_values, **out_values;
} gn_call;

OrtStatus *gn_new_call(const gn_ort *ort, gn_call **out);
void gn_grow(gn_call *call, size_t ins, size_t outs); // forgets what the arrays held
void gn_free_call(const gn_ort *ort, gn_call *call);

// gn_shrink_after_run makes every run with call end with the arena of host memory freeing what no run uses.
OrtStatus *gn_shrink_after_run(const gn_ort *ort, gn_call *call);

// gn_run runs the session once on the first ins inputs and outs outputs of call. After a success gn_release frees what
// the runtime allocated for the outputs; a failure leaves nothing to release.
OrtStatus *gn_run(const gn_ort *ort, OrtSession *session, gn_call *call, size_t ins, size_t outs);

// gn_take_strings writes the strings of an output into dst, in wire layout, t->bytes in all.
OrtStatus *gn_take_strings(const gn_ort *ort, const gn_tensor *t, void *dst);
void gn_release(const gn_ort *ort, gn_call *call, size_t outs);

// gn_terminate stops the run under way with call, from any thread; gn_resume makes call fit for further runs.
void gn_terminate(const gn_ort *ort, gn_call *call);
void gn_resume(const gn_ort *ort, gn_call *call);

// gn_new_allocator makes an allocator of the host memory that the runtime calls name, such as "CudaPinned", of device id.
// gn_alloc returns NULL where there is none left.
OrtStatus *gn_new_allocator(const gn_ort *ort, const OrtSession *session, const char *name, int id, OrtAllocator **out);
void *gn_alloc(const gn_ort *ort, OrtAllocator *allocator, size_t size);
void gn_free(const gn_ort *ort, OrtAllocator *allocator, void *memory);
void gn_free_allocator(const gn_ort *ort, OrtAllocator *allocator);

// gn_stats reads how many bytes an arena has given out and how many it holds; 0 where it does not tell.
void gn_stats(const gn_ort *ort, const OrtAllocator *allocator, int64_t *in_use, int64_t *held);

unsigned gn_error_code(const gn_ort *ort, const OrtStatus *status);
const char *gn_error_message(const gn_ort *ort, const OrtStatus *status);
void gn_free_status(const gn_ort *ort, OrtStatus *status);

#endif
