#include "registry/mhd-dl.h"
#include <dlfcn.h>
#include <stdbool.h>

static const struct {
	const char *name;
	size_t offset;
} symbols[] = {
	{ "MHD_start_daemon", offsetof(struct mhd_api, start_daemon) },
	{ "MHD_quiesce_daemon", offsetof(struct mhd_api, quiesce_daemon) },
	{ "MHD_stop_daemon", offsetof(struct mhd_api, stop_daemon) },
	{ "MHD_get_daemon_info", offsetof(struct mhd_api, get_daemon_info) },
	{ "MHD_get_connection_info", offsetof(struct mhd_api, get_connection_info) },
	{ "MHD_lookup_connection_value", offsetof(struct mhd_api, lookup_connection_value) },
	{ "MHD_queue_response", offsetof(struct mhd_api, queue_response) },
	{ "MHD_create_response_from_buffer",
	  offsetof(struct mhd_api, create_response_from_buffer) },
	{ "MHD_create_response_from_fd_at_offset64",
	  offsetof(struct mhd_api, create_response_from_fd_at_offset64) },
	{ "MHD_create_response_from_callback",
	  offsetof(struct mhd_api, create_response_from_callback) },
	{ "MHD_add_response_header", offsetof(struct mhd_api, add_response_header) },
	{ "MHD_destroy_response", offsetof(struct mhd_api, destroy_response) },
	{ "MHD_is_feature_supported", offsetof(struct mhd_api, is_feature_supported) },
};

const struct mhd_api *mhd_api(struct err *err)
{
	static struct mhd_api api;
	static bool is_ready;
	void *library;

	if (is_ready)
		return &api;
	library = dlopen("libmicrohttpd.so.12", RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		err_set(err, E_UNSUPPORTED, "serving a registry needs libmicrohttpd: %s",
		        dlerror());
		err_hint(err, "install Debian's package libmicrohttpd12");
		return NULL;
	}
	for (size_t i = 0; i < ARRAY_LEN(symbols); i++) {
		void *symbol = dlsym(library, symbols[i].name);

		if (!symbol) {
			err_set(err, E_UNSUPPORTED, "libmicrohttpd is too old: it has no %s",
			        symbols[i].name);
			return NULL;
		}
		memcpy((char *)&api + symbols[i].offset, &symbol, sizeof(symbol));
	}
	is_ready = true;
	return &api;
}
