/* pull: fetch an image from a registry into the store.
 *
 * Layers come several at once, each streamed from the network through its digest and the import
 * without waiting for the whole; a layer that is there is not fetched. A download that breaks off
 * is resumed with a Range request, by this process or, from ingest/, by a later one; two processes
 * that want the same layer fetch it once. Nothing becomes visible before its digests are verified,
 * and the image's row comes last.
 *
 * TLS: verified by default. A registry on loopback (localhost, 127.0.0.0/8, ::1) is tried with
 * https first and then, as docker does, with http; --tls-verify=true forbids that, and
 * --tls-verify=false allows http and unverified certificates anywhere. CAs and client certificates
 * are read from certs.d/HOST[:PORT] below /etc/containers and /etc/docker.
 * Credentials go to the registry's host and the realm it names over TLS only (http only where the
 * registry itself was allowed http), and never along a redirect to another host.
 *
 * Threads are started and have ended when the call returns; libcurl is loaded on first use. */
#pragma once
#include "image/image.h"

enum pull_policy { PULL_MISSING = 0, PULL_ALWAYS, PULL_NEVER, PULL_NEWER };
int pull_policy_parse(const char *s, enum pull_policy *ret, struct err *err);

/* What a pull would do. */
enum pull_layer_state {
	PULL_LAYER_HERE,    /* in the store */
	PULL_LAYER_PARTIAL, /* begun by an earlier pull: the rest is fetched */
	PULL_LAYER_FETCH,
	PULL_LAYER_TWICE, /* the same as one before it */
};
struct pull_plan_layer {
	struct digest blob;
	struct digest diff_id;
	uint64_t size; /* compressed */
	uint64_t fetch_bytes;
	enum pull_layer_state state;
};
struct pull_plan {
	struct pull_plan_layer *layers; /* bottom first */
	size_t n_layers;
	struct platform platform;
	uint64_t document_bytes; /* manifests and config: fetched for the plan itself */
	uint64_t total_bytes;    /* of all layers */
	uint64_t fetch_bytes;    /* of those to fetch */
};
#define PULL_PLAN_INIT ((struct pull_plan){ 0 })
void pull_plan_done(struct pull_plan *plan);
#define AUTO_PULL_PLAN __attribute__((cleanup(pull_plan_done))) struct pull_plan

struct pull_options {
	enum pull_policy policy; /* `pull` itself is PULL_ALWAYS */
	bool refetch;            /* also what is here and seems whole: for repairs */
	struct pull_plan *plan;  /* not NULL: only look, fill this in and change nothing */
	const char *platform;    /* NULL: this machine's */
	int tls_verify;          /* -1 default, 0 off, 1 strict */
	const char *creds;       /* "USER:PASSWORD", or NULL */
	const char *authfile;    /* NULL: REGISTRY_AUTH_FILE, auth.json, ~/.docker/config.json */
	const char *cert_dir;    /* NULL: certs.d */
	const char *policy_file; /* NULL: policy.json of the user or the system */
	int max_parallel;        /* layers at once; 0: 4 */
	int max_retries;         /* per request; -1: none, 0: 5 */
	bool discard_packed;     /* do not keep layers' compressed form beside them */
	const struct image_progress *progress;
	const volatile sig_atomic_t *cancel; /* non-zero: stop soon, with E_INTERRUPTED; or NULL */
};
#define PULL_OPTIONS_INIT ((struct pull_options){ .policy = PULL_ALWAYS, .tls_verify = -1 })

struct pull_result {
	char *id;             /* image id, "sha256:..." */
	char *name;           /* the whole name that was pulled */
	struct digest digest; /* of what the reference named: manifest or index */
	bool changed;         /* false: it was there already */
};
#define PULL_RESULT_INIT ((struct pull_result){ 0 })
void pull_result_done(struct pull_result *r);
#define AUTO_PULL_RESULT __attribute__((cleanup(pull_result_done))) struct pull_result

/* By policy: NEVER and MISSING need no registry when the image is there (for the wanted platform);
 * NEWER falls back to the one that is there when the registry cannot be reached. */
int image_pull(struct image_store *store, const char *ref, const struct pull_options *options,
               struct pull_result *ret, struct err *err);
