/* connection: what the HTTP library calls (microhttpd.h), on the connection's own thread. */
#pragma once
#include "registry/gate.h"
#include "registry/mhd-dl.h"
#include "registry/server-internal.h"

/* What all the callbacks get; lives longer than the daemon. */
struct listener {
	const struct mhd_api *mhd;
	struct server *server;
};

/* The request line came: makes the request. */
void *connection_uri(void *ctx, const char *uri, struct MHD_Connection *c);
enum MHD_Result connection_access(void *ctx, struct MHD_Connection *c, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **request_ctx);
/* It ended, in whatever way: frees the request. */
void connection_completed(void *ctx, struct MHD_Connection *c, void **request_ctx,
                          enum MHD_RequestTerminationCode code);
void connection_notify(void *ctx, struct MHD_Connection *c, void **socket_ctx,
                       enum MHD_ConnectionNotificationCode code);
