#include "runtime/runtime.h"

#include "runtime/isolator.h"

bool runtime_id_is_valid(const char *id)
{
	static const char first[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-";
	size_t len = strlen(id);

	if (len == 0 || len > 1024 || !strchr(first, id[0]))
		return false;
	return strspn(id, first) + 0 == len ||
	       strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	                  "0123456789_+-.") == len;
}

const char *runtime_status_name(enum runtime_status s)
{
	static const char *const names[] = {
		[RUNTIME_CREATING] = "creating", [RUNTIME_CREATED] = "created",
		[RUNTIME_RUNNING] = "running",   [RUNTIME_PAUSED] = "paused",
		[RUNTIME_STOPPED] = "stopped",
	};

	return names[s];
}
