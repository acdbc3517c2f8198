/* mhd-dl: libmicrohttpd, opened on first use (docs/adr/0004): only `registry serve` needs it. */
#pragma once
#include "base/err.h"
#include <microhttpd.h>

struct mhd_api {
	struct MHD_Daemon *(*start_daemon)(unsigned flags, uint16_t port,
	                                   MHD_AcceptPolicyCallback accept, void *accept_ctx,
	                                   MHD_AccessHandlerCallback handler, void *handler_ctx,
	                                   ...);
	int (*quiesce_daemon)(struct MHD_Daemon *daemon);
	void (*stop_daemon)(struct MHD_Daemon *daemon);
	const union MHD_DaemonInfo *(*get_daemon_info)(struct MHD_Daemon *daemon,
	                                               enum MHD_DaemonInfoType type, ...);
	const union MHD_ConnectionInfo *(*get_connection_info)(struct MHD_Connection *connection,
	                                                       enum MHD_ConnectionInfoType type,
	                                                       ...);
	const char *(*lookup_connection_value)(struct MHD_Connection *connection,
	                                       enum MHD_ValueKind kind, const char *key);
	enum MHD_Result (*queue_response)(struct MHD_Connection *connection, unsigned status,
	                                  struct MHD_Response *response);
	struct MHD_Response *(*create_response_from_buffer)(size_t size, void *buffer,
	                                                    enum MHD_ResponseMemoryMode mode);
	struct MHD_Response *(*create_response_from_fd_at_offset64)(uint64_t size, int fd,
	                                                            uint64_t offset);
	struct MHD_Response *(*create_response_from_callback)(uint64_t size, size_t block_size,
	                                                      MHD_ContentReaderCallback reader,
	                                                      void *ctx,
	                                                      MHD_ContentReaderFreeCallback done);
	enum MHD_Result (*add_response_header)(struct MHD_Response *response, const char *name,
	                                       const char *value);
	void (*destroy_response)(struct MHD_Response *response);
	enum MHD_Result (*is_feature_supported)(enum MHD_FEATURE feature);
};

/* Once per process, before threads start. E_UNSUPPORTED names the package to install. */
const struct mhd_api *mhd_api(struct err *err);
