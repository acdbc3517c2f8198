/* route: the target of a request, parsed into values before anything is done with it.
 *
 * The path is taken apart as it was sent and each segment decoded once, so that an encoded slash
 * is no separator; digests become bytes, names and tags are checked by their grammars. No text of
 * a client ever becomes a path of ours. */
#pragma once
#include "base/err.h"
#include "base/strv.h"
#include "codec/digest.h"
#include <stdbool.h>
#include <stdint.h>

enum route_kind {
	ROUTE_UNKNOWN = 0,
	ROUTE_BASE,      /* /v2/ */
	ROUTE_CATALOG,   /* /v2/_catalog */
	ROUTE_TAGS,      /* /v2/NAME/tags/list */
	ROUTE_MANIFEST,  /* /v2/NAME/manifests/TAG-OR-DIGEST */
	ROUTE_BLOB,      /* /v2/NAME/blobs/DIGEST */
	ROUTE_UPLOADS,   /* /v2/NAME/blobs/uploads/ */
	ROUTE_UPLOAD,    /* /v2/NAME/blobs/uploads/ID */
	ROUTE_REFERRERS, /* /v2/NAME/referrers/DIGEST */
};

enum route_fault {
	ROUTE_FAULT_NONE = 0,
	ROUTE_FAULT_ADDRESS, /* no such address here */
	ROUTE_FAULT_NAME,
	ROUTE_FAULT_TAG,
	ROUTE_FAULT_DIGEST,
	ROUTE_FAULT_QUERY,
};

#define ROUTE_TAGS_MAX 64

struct route {
	enum route_kind kind;
	char *name;           /* of the repository; NULL for ROUTE_BASE and ROUTE_CATALOG */
	char *tag;            /* ROUTE_MANIFEST by tag */
	struct digest digest; /* alg NONE: none in the path */
	char *upload;         /* ROUTE_UPLOAD */
	struct {
		struct digest digest; /* alg NONE: absent, as in the next two */
		struct digest mount;
		enum digest_alg algorithm; /* digest-algorithm */
		char *from;                /* name of a repository, checked */
		char *last;
		char *artifact_type;
		struct strv tags; /* checked */
		uint64_t n;
		bool has_n;
	} query;
};
#define ROUTE_INIT ((struct route){ 0 })
void route_done(struct route *route);
#define AUTO_ROUTE __attribute__((cleanup(route_done))) struct route

/* target: path and query as in the request line. Returns 0, or -1 with *ret_fault and err; *ret is
 * filled as far as it was read (kind tells what was meant) and is to be done either way. */
int route_parse(const char *target, struct route *ret, enum route_fault *ret_fault,
                struct err *err);

/* A Range header for a body of `size` bytes. Return 1 with one range, 0: serve all (absent, several
 * or not understood), -1: cannot be satisfied. */
int range_parse(const char *header, uint64_t size, uint64_t *ret_first, uint64_t *ret_len);
/* "FIRST-LAST" of a chunk's Content-Range, with or without "bytes " before and "/SIZE" behind.
 * 0 or -1. */
int content_range_parse(const char *header, uint64_t *ret_first, uint64_t *ret_last);
/* s percent-encoded for a query. Caller frees. */
char *query_escape(const char *s);
