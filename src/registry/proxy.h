/* proxy: a pull-through cache of one upstream registry.
 *
 * A tag is asked for upstream each time, and what came before is served when the upstream cannot
 * be reached; what has a digest is fetched once, by one download whoever asks, and clients read
 * along while it comes. Only blobs that a manifest of the repository names are fetched. The
 * client's credentials never leave; the upstream's go to the upstream alone. */
#pragma once
#include "base/err.h"
#include <stdint.h>
#include <sys/types.h>

struct proxy;
struct proxy_stream;
struct request;
struct server;

/* E_INVALID for a bad URL. Loads libcurl. */
int proxy_new(struct server *server, struct proxy **ret, struct err *err);
void proxy_free(struct proxy *proxy); /* waits for downloads to stop */
DEFINE_FREEP(struct proxy, proxy_free)

void proxy_manifest(struct request *q);
void proxy_blob(struct request *q);

/* Bytes of a blob that is on its way: waits for them. Return how many, -1 when it failed. */
ssize_t proxy_stream_read(struct proxy_stream *stream, uint64_t pos, char *buf, size_t max);
void proxy_stream_free(struct proxy_stream *stream);
