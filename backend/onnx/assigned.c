#include "ort.h"

#include <stdlib.h>

// node_of fills one node.
static OrtStatus *node_of(const gn_ort *ort, const OrtEpAssignedNode *from, const char *provider, gn_node *node) {
	node->provider = provider;
	OrtStatus *status = ort->EpAssignedNode_GetDomain(from, &node->domain);
	return status ? status : ort->EpAssignedNode_GetOperatorType(from, &node->op);
}

// part_of appends the nodes of one subgraph.
static OrtStatus *part_of(const gn_ort *ort, const OrtEpAssignedSubgraph *part, gn_node **nodes, size_t *count) {
	const char *provider;
	const OrtEpAssignedNode *const *from;
	size_t n = 0;
	OrtStatus *status = ort->EpAssignedSubgraph_GetEpName(part, &provider);
	if (!status) {
		status = ort->EpAssignedSubgraph_GetNodes(part, &from, &n);
	}
	if (status || n == 0) {
		return status;
	}
	gn_node *grown = realloc(*nodes, (*count + n) * sizeof **nodes);
	if (!grown) {
		return NULL; // the caller sees fewer nodes: there are more urgent troubles
	}
	*nodes = grown;
	for (size_t i = 0; i < n && !status; i++) {
		status = node_of(ort, from[i], provider, &grown[*count]);
		*count += !status;
	}
	return status;
}

OrtStatus *gn_assigned(const gn_ort *ort, const OrtSession *session, gn_node **nodes, size_t *count) {
	const OrtEpAssignedSubgraph *const *parts;
	size_t n = 0;
	*nodes = NULL;
	*count = 0;
	OrtStatus *status = ort->Session_GetEpGraphAssignmentInfo(session, &parts, &n);
	for (size_t i = 0; i < n && !status; i++) {
		status = part_of(ort, parts[i], nodes, count);
	}
	return status;
}
