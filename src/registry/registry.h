/* registry: an OCI registry (distribution specification 1.1) over the image store.
 *
 * registry_serve() answers until SIGTERM or SIGINT, then lets requests under way end. SIGHUP reads
 * certificates and passwords again. One thread per connection; memory is bounded by the number
 * of connections, whatever the size of what is transferred. Blobs are files of the store
 * (image/repo.h): one copy, shared with images and between repositories. */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stdint.h>

struct registry_serve_options {
	const char *listen; /* "HOST:PORT", "[::1]:0", ":5000"; ignored with an inherited socket */
	const char *tls_cert; /* PEM files, both or none */
	const char *tls_key;
	const char *htpasswd; /* bcrypt entries; NULL: nobody needs to log in */
	const char *realm;
	bool anonymous_pull; /* with htpasswd: reading needs no password */
	bool anonymous_push; /* without htpasswd, beyond this machine */
	bool read_only;
	bool no_delete;
	bool sparse;             /* take image manifests whose blobs are not here */
	uint64_t max_blob_bytes; /* 0: what the disk has */
	unsigned max_connections;
	unsigned requests_per_second; /* by one client; 0: any number */
	int64_t idle_timeout_ms;      /* without a byte, or for the headers of a request */
	int64_t drain_timeout_ms;     /* for requests under way at SIGTERM */
	const char *proxy;            /* upstream registry: "https://HOST[:PORT]", or NULL */
	const char *proxy_creds;      /* USER:PASSWORD, for the upstream only */
	const char *proxy_authfile;
	const char *proxy_cert_dir;
	int proxy_tls_verify; /* -1: default, 0, 1 */
	/* A line for people: where it listens, and one per request. From any thread. */
	void (*log)(void *ctx, const char *line);
	void *log_ctx;
	/* The address, once connections are taken. May be NULL. */
	void (*ready)(void *ctx, const char *url);
};

/* root_fd: ROOT, with an image store in it. Blocks. */
int registry_serve(int root_fd, const struct registry_serve_options *options, struct err *err);
