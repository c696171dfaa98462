#include "ort.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

enum { kind_tensor = 1, element_string = 8 };
enum { allocator_device = 0, allocator_arena = 1, memory_default = 0, memory_host = -1 };

// discard drops the status of a call whose failure changes nothing.
static void discard(const gn_ort *ort, OrtStatus *status) {
	if (status != NULL) ort->ReleaseStatus(status);
}

// old_version reports whether version, "major.minor.patch", is older than the table that we ask for. Asking an old library
// would make it print to stderr.
static bool old_version(const char *version) {
	char *end = NULL;
	long major = strtol(version, &end, 10);
	long minor = *end == '.' ? strtol(end + 1, NULL, 10) : 0;
	return major < 1 || (major == 1 && minor < GN_API_VERSION);
}

static int bind(gn_ort *ort, const void *const *table) {
#define GN_BIND(name, place, result, parameters) ort->name = (result(*) parameters)table[place];
	GN_ORT_FUNCTIONS(GN_BIND)
#undef GN_BIND
	OrtStatus *status = ort->GetAllocatorWithDefaultOptions(&ort->allocator);
	if (status == NULL) status = ort->CreateCpuMemoryInfo(allocator_arena, memory_default, &ort->memory);
	if (status == NULL) return GN_OPEN;
	ort->ReleaseStatus(status);
	return GN_NO_MEMORY; // neither of the two calls fails otherwise
}

int gn_open(const char *path, gn_ort **out, char **version) {
	typedef struct {
		const void *(*get_api)(uint32_t version);
		const char *(*get_version)(void);
	} api_base;
	void *library = dlopen(path, RTLD_LAZY);
	if (library == NULL) {
		*version = strdup(dlerror());
		return GN_NOT_LOADED;
	}
	int result = GN_NOT_ORT;
	gn_ort *ort = NULL;
	const api_base *(*base)(void) = (const api_base *(*)(void))dlsym(library, "OrtGetApiBase");
	if (base != NULL) {
		*version = strdup(base()->get_version());
		const void *table = old_version(*version) ? NULL : base()->get_api(GN_API_VERSION);
		ort = calloc(1, sizeof *ort);
		result = table == NULL ? GN_TOO_OLD : ort == NULL ? GN_NO_MEMORY : bind(ort, table);
	}
	if (result != GN_OPEN) {
		free(ort);
		dlclose(library);
		return result;
	}
	ort->library = library;
	*out = ort;
	return GN_OPEN;
}

void gn_close(gn_ort *ort) {
	ort->ReleaseMemoryInfo(ort->memory);
	dlclose(ort->library);
	free(ort);
}

OrtStatus *gn_counts(const gn_ort *ort, const OrtSession *session, size_t *inputs, size_t *outputs) {
	OrtStatus *status = ort->SessionGetInputCount(session, inputs);
	return status != NULL ? status : ort->SessionGetOutputCount(session, outputs);
}

// read_tensor_info copies what info says. A rank over the limit is left for the caller to refuse.
static OrtStatus *read_tensor_info(const gn_ort *ort, const OrtTensorTypeAndShapeInfo *info, gn_spec *spec) {
	OrtStatus *status = ort->GetTensorElementType(info, &spec->element);
	if (status != NULL) return status;
	spec->ranked = ort->TensorTypeAndShape_HasShape(info);
	status = ort->GetDimensionsCount(info, &spec->rank);
	if (status != NULL || spec->rank > GN_MAX_RANK) return status;
	status = ort->GetDimensions(info, spec->shape, spec->rank);
	const char *axes[GN_MAX_RANK] = {NULL};
	if (status == NULL) status = ort->GetSymbolicDimensions(info, axes, spec->rank);
	for (size_t i = 0; status == NULL && i < spec->rank; i++)
		if (axes[i] != NULL && axes[i][0] != '\0') spec->axes[i] = strdup(axes[i]);
	return status;
}

// read_spec fills spec and lets go of name and info, which the runtime allocated.
static OrtStatus *read_spec(const gn_ort *ort, char *name, OrtTypeInfo *info, gn_spec *spec) {
	spec->name = strdup(name);
	OrtStatus *status = ort->GetOnnxTypeFromTypeInfo(info, &spec->kind);
	if (status == NULL && spec->kind == kind_tensor) {
		const OrtTensorTypeAndShapeInfo *tensor = NULL; // a view into info
		status = ort->CastTypeInfoToTensorInfo(info, &tensor);
		if (status == NULL) status = read_tensor_info(ort, tensor, spec);
	}
	ort->ReleaseTypeInfo(info);
	discard(ort, ort->AllocatorFree(ort->allocator, name));
	if (status != NULL) gn_free_spec(spec);
	return status;
}

OrtStatus *gn_input_spec(const gn_ort *ort, const OrtSession *session, size_t i, gn_spec *spec) {
	OrtTypeInfo *info = NULL;
	char *name = NULL;
	memset(spec, 0, sizeof *spec);
	OrtStatus *status = ort->SessionGetInputTypeInfo(session, i, &info);
	if (status != NULL) return status;
	status = ort->SessionGetInputName(session, i, ort->allocator, &name);
	if (status != NULL) {
		ort->ReleaseTypeInfo(info);
		return status;
	}
	return read_spec(ort, name, info, spec);
}

OrtStatus *gn_output_spec(const gn_ort *ort, const OrtSession *session, size_t i, gn_spec *spec) {
	OrtTypeInfo *info = NULL;
	char *name = NULL;
	memset(spec, 0, sizeof *spec);
	OrtStatus *status = ort->SessionGetOutputTypeInfo(session, i, &info);
	if (status != NULL) return status;
	status = ort->SessionGetOutputName(session, i, ort->allocator, &name);
	if (status != NULL) {
		ort->ReleaseTypeInfo(info);
		return status;
	}
	return read_spec(ort, name, info, spec);
}

void gn_free_spec(gn_spec *spec) {
	free(spec->name);
	for (size_t i = 0; i < GN_MAX_RANK; i++) free(spec->axes[i]);
	memset(spec, 0, sizeof *spec);
}

// make_strings builds a string tensor from wire layout, which the caller has walked and found to be whole.
static OrtStatus *make_strings(const gn_ort *ort, gn_tensor *t) {
	OrtStatus *status = ort->CreateTensorAsOrtValue(ort->allocator, t->shape, t->rank, element_string, &t->value);
	const char *wire = (const char *)t->memory;
	for (uint64_t i = 0; status == NULL && i < t->count; i++) {
		uint32_t length;
		char *element = NULL;
		memcpy(&length, wire, sizeof length);
		status = ort->GetResizedStringTensorElementBuffer(t->value, i, length, &element);
		if (status == NULL && length > 0) memcpy(element, wire + sizeof length, length);
		wire += sizeof length + length;
	}
	return status;
}

static OrtStatus *make_value(const gn_ort *ort, gn_tensor *t) {
	if (t->element == element_string) return make_strings(ort, t);
	return ort->CreateTensorWithDataAsOrtValue(ort->memory, (void *)t->memory, t->bytes, t->shape, t->rank,
						   t->element, &t->value);
}

// read_shape copies type, shape and element count of an output that the runtime allocated.
static OrtStatus *read_shape(const gn_ort *ort, gn_tensor *t) {
	OrtTensorTypeAndShapeInfo *info = NULL;
	size_t count = 0;
	OrtStatus *status = ort->GetTensorTypeAndShape(t->value, &info);
	if (status != NULL) return status;
	status = ort->GetTensorElementType(info, &t->element);
	if (status == NULL) status = ort->GetDimensionsCount(info, &t->rank);
	if (status == NULL && t->rank <= GN_MAX_RANK) status = ort->GetDimensions(info, t->shape, t->rank);
	if (status == NULL) status = ort->GetTensorShapeElementCount(info, &count);
	t->count = count;
	ort->ReleaseTensorTypeAndShapeInfo(info);
	return status;
}

static OrtStatus *read_output(const gn_ort *ort, gn_tensor *t) {
	OrtStatus *status = read_shape(ort, t);
	if (status != NULL) return status;
	if (t->element != element_string) {
		void *result = NULL;
		status = ort->GetTensorMutableData(t->value, &result);
		t->result = result;
		return status;
	}
	size_t length = 0;
	status = ort->GetStringTensorDataLength(t->value, &length);
	t->bytes = length + t->count * sizeof(uint32_t);
	return status;
}

OrtStatus *gn_new_call(const gn_ort *ort, gn_call **out) {
	gn_call *call = calloc(1, sizeof *call);
	if (call == NULL) abort(); // as Go itself does when there is no memory for so little
	OrtStatus *status = ort->CreateRunOptions(&call->options);
	if (status != NULL)
		free(call);
	else
		*out = call;
	return status;
}

static void *renewed(void *array, size_t count, size_t size) {
	free(array);
	array = calloc(count, size);
	if (array == NULL) abort();
	return array;
}

void gn_grow(gn_call *call, size_t ins, size_t outs) {
	if (ins > call->ins) {
		call->in = renewed(call->in, ins, sizeof *call->in);
		call->in_names = renewed(call->in_names, ins, sizeof *call->in_names);
		call->in_values = renewed(call->in_values, ins, sizeof *call->in_values);
		call->ins = ins;
	}
	if (outs > call->outs) {
		call->out = renewed(call->out, outs, sizeof *call->out);
		call->out_names = renewed(call->out_names, outs, sizeof *call->out_names);
		call->out_values = renewed(call->out_values, outs, sizeof *call->out_values);
		call->outs = outs;
	}
}

void gn_free_call(const gn_ort *ort, gn_call *call) {
	ort->ReleaseRunOptions(call->options);
	free(call->in);
	free(call->out);
	free(call->in_names);
	free(call->out_names);
	free(call->in_values);
	free(call->out_values);
	free(call);
}

OrtStatus *gn_shrink_after_run(const gn_ort *ort, gn_call *call) {
	return ort->AddRunConfigEntry(call->options, "memory.enable_memory_arena_shrinkage", "cpu:0");
}

static void release(const gn_ort *ort, OrtValue **values, size_t n) {
	for (size_t i = 0; i < n; i++) {
		if (values[i] != NULL) ort->ReleaseValue(values[i]);
		values[i] = NULL;
	}
}

// make_values builds the inputs, and those outputs that have memory to go to.
static OrtStatus *make_values(const gn_ort *ort, gn_call *call, size_t ins, size_t outs) {
	OrtStatus *status = NULL;
	for (size_t i = 0; i < ins; i++) call->in_values[i] = NULL;
	for (size_t i = 0; i < outs; i++) call->out_values[i] = NULL;
	for (size_t i = 0; status == NULL && i < ins; i++) {
		status = make_value(ort, &call->in[i]);
		call->in_values[i] = call->in[i].value;
	}
	for (size_t i = 0; status == NULL && i < outs; i++) {
		if (call->out[i].memory == 0) continue;
		status = make_value(ort, &call->out[i]);
		call->out_values[i] = call->out[i].value;
	}
	return status;
}

OrtStatus *gn_run(const gn_ort *ort, OrtSession *session, gn_call *call, size_t ins, size_t outs) {
	OrtStatus *status = make_values(ort, call, ins, outs);
	if (status == NULL)
		status = ort->Run(session, call->options, call->in_names, (const OrtValue *const *)call->in_values, ins,
				  call->out_names, outs, call->out_values);
	for (size_t i = 0; status == NULL && i < outs; i++) {
		call->out[i].value = call->out_values[i];
		if (call->out[i].memory == 0) status = read_output(ort, &call->out[i]);
	}
	release(ort, call->in_values, ins);
	if (status != NULL) release(ort, call->out_values, outs);
	return status;
}

void gn_release(const gn_ort *ort, gn_call *call, size_t outs) { release(ort, call->out_values, outs); }

OrtStatus *gn_take_strings(const gn_ort *ort, const gn_tensor *t, void *dst) {
	char *wire = dst;
	for (uint64_t i = 0; i < t->count; i++) {
		size_t length = 0;
		OrtStatus *status = ort->GetStringTensorElementLength(t->value, i, &length);
		if (status != NULL) return status;
		uint32_t prefix = (uint32_t)length; // fits: the caller has bounded the whole
		memcpy(wire, &prefix, sizeof prefix);
		wire += sizeof prefix;
		if (length > 0) status = ort->GetStringTensorElement(t->value, length, i, wire);
		if (status != NULL) return status;
		wire += length;
	}
	return NULL;
}

void gn_terminate(const gn_ort *ort, gn_call *call) { discard(ort, ort->RunOptionsSetTerminate(call->options)); }

void gn_resume(const gn_ort *ort, gn_call *call) { discard(ort, ort->RunOptionsUnsetTerminate(call->options)); }

OrtStatus *gn_new_allocator(const gn_ort *ort, const OrtSession *session, const char *name, int id, OrtAllocator **out) {
	OrtMemoryInfo *info = NULL;
	OrtStatus *status = ort->CreateMemoryInfo(name, allocator_device, id, memory_host, &info);
	if (status != NULL) return status;
	status = ort->CreateAllocator(session, info, out);
	ort->ReleaseMemoryInfo(info);
	return status;
}

void *gn_alloc(const gn_ort *ort, OrtAllocator *allocator, size_t size) {
	void *memory = NULL;
	discard(ort, ort->AllocatorAlloc(allocator, size, &memory));
	return memory;
}

void gn_free(const gn_ort *ort, OrtAllocator *allocator, void *memory) {
	discard(ort, ort->AllocatorFree(allocator, memory));
}

void gn_free_allocator(const gn_ort *ort, OrtAllocator *allocator) { ort->ReleaseAllocator(allocator); }

// number is a value of pairs, 0 where there is none.
static int64_t number(const gn_ort *ort, const OrtKeyValuePairs *pairs, const char *key) {
	const char *value = ort->GetKeyValue(pairs, key);
	return value == NULL ? 0 : strtoll(value, NULL, 10);
}

void gn_stats(const gn_ort *ort, const OrtAllocator *allocator, int64_t *in_use, int64_t *held) {
	OrtKeyValuePairs *pairs = NULL;
	discard(ort, ort->AllocatorGetStats(allocator, &pairs));
	if (pairs == NULL) return;
	*in_use = number(ort, pairs, "InUse");
	*held = number(ort, pairs, "TotalAllocated");
	ort->ReleaseKeyValuePairs(pairs);
}

unsigned gn_error_code(const gn_ort *ort, const OrtStatus *status) { return ort->GetErrorCode(status); }

const char *gn_error_message(const gn_ort *ort, const OrtStatus *status) { return ort->GetErrorMessage(status); }

void gn_free_status(const gn_ort *ort, OrtStatus *status) { ort->ReleaseStatus(status); }
